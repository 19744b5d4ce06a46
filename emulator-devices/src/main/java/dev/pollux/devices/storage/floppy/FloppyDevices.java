package dev.pollux.devices.storage.floppy;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of devices for floppies that users can add. */
public final class FloppyDevices {
  public static final List<DeviceType<?>> TYPES = List.of(FloppyController.TYPE, FloppyDrive.TYPE);

  private FloppyDevices() {}
}
