package dev.pollux.devices.pci;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of devices of this room that users can put on PCI. */
public final class PciDevices {
  public static final List<DeviceType<?>> TYPES =
      List.of(ConventionalBridge.TYPE, Edu.TYPE, PciTestDevice.TYPE, RootPort.TYPE);

  private PciDevices() {}
}
