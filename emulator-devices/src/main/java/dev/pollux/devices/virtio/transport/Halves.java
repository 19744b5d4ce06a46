package dev.pollux.devices.virtio.transport;

/** 64 bits that software sees as two registers of 32. */
final class Halves {
  private Halves() {}

  /** A half; the other selectors give none. */
  static int get(long bits, int select) {
    return select == 0 ? (int) bits : select == 1 ? (int) (bits >>> 32) : 0;
  }

  /** The bits with another half. */
  static long with(long bits, int select, int value) {
    return switch (select) {
      case 0 -> bits & ~0xffff_ffffL | value & 0xffff_ffffL;
      case 1 -> bits & 0xffff_ffffL | (long) value << 32;
      default -> bits;
    };
  }
}
