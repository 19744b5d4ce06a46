package dev.pollux.devices.usb.xhci;

/** Registers of 64 bits that software writes in two halves. */
final class Halves {
  private Halves() {}

  static long low(long whole, int value) {
    return whole & -1L << 32 | value & 0xffff_ffffL;
  }

  static long high(long whole, int value) {
    return whole & 0xffff_ffffL | (long) value << 32;
  }
}
