package dev.pollux.devices.storage.ide;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of drives, and of adapters for them, that users can add. */
public final class IdeDevices {
  public static final List<DeviceType<?>> TYPES =
      List.of(IdeDisk.TYPE, IdeCd.TYPE, AhciController.TYPE);

  private IdeDevices() {}
}
