package dev.pollux.devices.usb;

/** What ports and devices need of the controller whose bus it is. Machine lock held. */
public interface UsbHost {
  /** Where it is, as names in saved state begin. */
  String path();

  /** Which speeds a port has, 1 for the first. */
  boolean supports(int port, UsbSpeed speed);

  /** A device is there now, or has gone. */
  void changed(int port);

  /** A device has something to say at an endpoint, where it has answered {@link UsbAnswer#NAK}. */
  void ready(int port, int endpoint);
}
