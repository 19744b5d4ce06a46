package dev.pollux.devices.display;

import dev.pollux.devices.model.DeviceType;
import java.util.List;

/** The types of graphics cards. */
public final class DisplayDevices {
  public static final List<DeviceType<?>> TYPES = List.of(BochsDisplay.TYPE, VgaCard.TYPE);

  private DisplayDevices() {}
}
