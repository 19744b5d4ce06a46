package dev.pollux.devices.usb.xhci;

/**
 * A transfer request block (xHCI 1.2, 4.11): 16 bytes of a ring.
 *
 * @param address where it is
 * @param parameter bytes 0 to 7
 * @param status bytes 8 to 11: 16:0 length, 31:22 interrupter
 * @param control bytes 12 to 15: 0 cycle, 15:10 type
 */
record Trb(long address, long parameter, int status, int control) {
  static final int BYTES = 16;

  private static final int CYCLE = 1;
  private static final int TOGGLE_CYCLE = 1 << 1;
  private static final int ON_SHORT_PACKET = 1 << 2;
  private static final int CHAIN = 1 << 4;
  private static final int ON_COMPLETION = 1 << 5;
  private static final int IMMEDIATE = 1 << 6;
  private static final int FLAG_9 = 1 << 9;
  private static final int MOST_BYTES = 1 << 16;

  TrbType type() {
    return TrbType.of(control >> 10 & 0x3f);
  }

  boolean cycle() {
    return (control & CYCLE) != 0;
  }

  /** Of a link: whether the cycle bit changes there. */
  boolean toggles() {
    return (control & TOGGLE_CYCLE) != 0;
  }

  /** Whether the next belongs to the same transfer. */
  boolean chained() {
    return (control & CHAIN) != 0;
  }

  boolean interruptsOnCompletion() {
    return (control & ON_COMPLETION) != 0;
  }

  boolean interruptsOnShortPacket() {
    return (control & ON_SHORT_PACKET) != 0;
  }

  /** Whether the data are in the TRB itself. */
  boolean isImmediate() {
    return (control & IMMEDIATE) != 0;
  }

  /** Bytes of data. */
  int length() {
    return Math.min(status & 0x1_ffff, MOST_BYTES);
  }

  /** Which interrupter hears of it. */
  int interrupter() {
    return status >>> 22;
  }

  /** The parameter as the address of something that is aligned to 16 bytes. */
  long pointer() {
    return parameter & -16;
  }

  // ---- of commands ----

  int slot() {
    return control >>> 24;
  }

  int endpoint() {
    return control >> 16 & 0x1f;
  }

  /** Block the set-address request; deconfigure. */
  boolean flag9() {
    return (control & FLAG_9) != 0;
  }
}
