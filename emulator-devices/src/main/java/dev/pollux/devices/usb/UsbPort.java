package dev.pollux.devices.usb;

/**
 * A port with a device.
 *
 * @param number 1 for the first
 * @param speed that the device has there
 */
public record UsbPort(UsbHost host, int number, UsbSpeed speed) {
  /** Where it is, as names in saved state begin. */
  String path() {
    return host.path() + "/" + number;
  }

  /** The device has something to say at an endpoint. */
  void ready(int endpoint) {
    host.ready(number, endpoint);
  }
}
