package dev.pollux.core.cpu;

/**
 * Bits of a segment's attributes, {@link CpuLayout#SEG_ATTR} (Intel SDM vol. 3, 3.4.5).
 *
 * <p>A segment register without {@link #PRESENT} holds a null selector: outside 64-bit mode an
 * access through it is #GP(0), or #SS(0) through SS. The DPL of SS is the current privilege level
 * even then.
 */
public final class SegmentAttributes {
  private SegmentAttributes() {}

  public static final int ACCESSED = 1;

  /** Data: writable. Code: readable. */
  public static final int WRITABLE = 1 << 1;

  /** Data: the limit is a lower bound. Code: conforming. */
  public static final int EXPAND_DOWN = 1 << 2;

  public static final int CODE = 1 << 3;

  /** Code or data, not a system segment. */
  public static final int S = 1 << 4;

  public static final int DPL_SHIFT = 5;
  public static final int PRESENT = 1 << 7;

  /** 64-bit code. */
  public static final int L = 1 << 13;

  /** 32-bit operands, addresses or stack. */
  public static final int DB = 1 << 14;

  public static final int GRANULARITY = 1 << 15;

  /** The type field. */
  public static final int TYPE = 15;

  /** Types of system descriptors. */
  static final int TSS16_AVAILABLE = 1;

  static final int LDT = 2;
  static final int TSS16_BUSY = 3;
  static final int CALL_GATE16 = 4;
  static final int TASK_GATE = 5;
  static final int INTERRUPT_GATE16 = 6;
  static final int TRAP_GATE16 = 7;
  static final int TSS32_AVAILABLE = 9;
  static final int TSS32_BUSY = 11;
  static final int CALL_GATE32 = 12;
  static final int INTERRUPT_GATE32 = 14;
  static final int TRAP_GATE32 = 15;

  /** A real-mode or virtual-8086 segment's attributes: present, writable data, DPL 0 and 3. */
  static final int REAL = 0x93;

  static final int VIRTUAL_8086 = 0xf3;

  static int dpl(int attr) {
    return attr >> DPL_SHIFT & 3;
  }

  /** True for a code segment, S set. */
  static boolean isCode(int attr) {
    return (attr & (S | CODE)) == (S | CODE);
  }

  /** True for a data segment, S set. */
  static boolean isData(int attr) {
    return (attr & (S | CODE)) == S;
  }

  static boolean isConforming(int attr) {
    return (attr & EXPAND_DOWN) != 0;
  }

  static boolean isPresent(int attr) {
    return (attr & PRESENT) != 0;
  }

  static int type(int attr) {
    return attr & TYPE;
  }
}
