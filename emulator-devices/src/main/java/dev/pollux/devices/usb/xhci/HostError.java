package dev.pollux.devices.usb.xhci;

/**
 * A driver has told the controller something that leaves no meaning to its work: the controller
 * stops until it is reset (xHCI 1.2, 4.24.1). Without a stack trace, as guests can cause any
 * number.
 */
final class HostError extends Exception {
  private static final long serialVersionUID = 1;

  HostError(String message) {
    super(message, null, false, false);
  }
}
