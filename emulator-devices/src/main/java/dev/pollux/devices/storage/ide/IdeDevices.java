package dev.pollux.devices.storage.ide;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of drives that users can put on IDE and SATA cables. */
public final class IdeDevices {
  public static final List<DeviceType<?>> TYPES = List.of(IdeDisk.TYPE, IdeCd.TYPE);

  private IdeDevices() {}
}
