package dev.pollux.devices.usb;

import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.usb.xhci.Xhci;
import java.util.List;

/** The types of devices of this room. */
public final class UsbDevices {
  public static final List<DeviceType<?>> TYPES =
      List.of(Xhci.TYPE, UsbKeyboard.TYPE, UsbMouse.TYPE, UsbStorage.TYPE, UsbTablet.TYPE);

  private UsbDevices() {}
}
