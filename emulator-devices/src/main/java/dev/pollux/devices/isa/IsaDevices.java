package dev.pollux.devices.isa;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of devices that users can put on an ISA bus. */
public final class IsaDevices {
  public static final List<DeviceType<?>> TYPES =
      List.of(
          DebugConsole.TYPE, DebugExit.TYPE, IsaSerial.TYPE, PanicDevice.TYPE, PcTestDevice.TYPE);

  private IsaDevices() {}
}
