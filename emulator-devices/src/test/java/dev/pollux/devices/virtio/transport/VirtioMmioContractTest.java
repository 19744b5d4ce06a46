package dev.pollux.devices.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import dev.pollux.devices.virtio.Virtqueue;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The contract of devices for the registers of a device on MMIO. */
class VirtioMmioContractTest extends DeviceContractTest {
  /** A device that does nothing. */
  static final class Idle extends VirtioDevice {
    Idle(VirtioSetup setup) {
      super(new Kind(4, "idle"), setup, 8, 16);
    }

    @Override
    protected void process(Virtqueue queue) {}
  }

  @Override
  protected Device makeDevice() {
    VirtioMmio transport = new VirtioMmio(0, 0xd000_0000L, level -> {});
    transport
        .bus()
        .connect(
            new Idle(
                new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1)));
    return transport;
  }

  /** Drivers take a region of length 0 for one that they cannot have. */
  @Test
  void sharedMemoryThatIsNotThereIsAsLongAsCanBe() {
    VirtioMmio registers = (VirtioMmio) makeDevice();
    for (long half : new long[] {0xb0, 0xb4, 0xb8, 0xbc}) {
      assertEquals(0xffff_ffffL, registers.read(half, 4));
    }
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(new Region.DeviceRegion("mmio", VirtioMmio.SIZE, 4, (VirtioMmio) device));
  }
}
