package dev.pollux.devices.usb;

/** What a device says to a transfer (USB 2.0, 8.4.5). */
public enum UsbAnswer {
  /** It has moved as much as it wants to. */
  DONE,
  /** Nothing has happened: it will be asked again when it has told its host that it is ready. */
  NAK,
  /** The endpoint is halted, or a request not served. */
  STALL,
  /** It has more to say than fits. */
  BABBLE
}
