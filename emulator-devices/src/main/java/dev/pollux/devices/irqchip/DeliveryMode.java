package dev.pollux.devices.irqchip;

/**
 * What an interrupt message asks of its destination (Intel SDM vol. 3, 12.6.1), in the order of its
 * 3-bit code.
 */
enum DeliveryMode {
  FIXED,
  LOWEST_PRIORITY,
  SMI,
  RESERVED,
  NMI,
  INIT,
  START_UP,
  EXT_INT;

  private static final DeliveryMode[] VALUES = values();

  /** Decodes the low three bits. */
  static DeliveryMode of(int code) {
    return VALUES[code & 7];
  }
}
