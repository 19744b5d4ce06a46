package dev.pollux.devices.virtio;

import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import java.util.List;

/** What one virtio device is plugged into: the inside of a transport. */
public class VirtioBus extends Bus {

  public static final BusKind<VirtioBus> KIND =
      new BusKind<>("virtio-bus", VirtioBus.class, "virtio-device", List.of());

  public VirtioBus(String name) {
    super(KIND, name);
  }

  /**
   * Connects the device that is being plugged in to the transport whose inside this is. A bus
   * inside a PCI device has got its device with the transport.
   */
  public void connect(VirtioDevice device) {
    throw new IllegalStateException(name() + " has its device");
  }

  @Override
  public final boolean hasRoom() {
    return devices().isEmpty();
  }
}
