package dev.pollux.core.cpu;

import dev.pollux.core.mmu.Mmu;

/**
 * A stack that pushes and pops of a control transfer go to. The stack pointer stays here until
 * {@link #commit}, so that a fault in between leaves the registers as they were. vCPU thread; one
 * object is used again for each transfer.
 */
public final class Stack {
  private static final int RSP = 4;

  private final Segmentation segmentation;
  private final CpuState s;
  private final Mmu mmu;

  private long base;
  private long limit;
  private int attr;
  private int cpl;

  /** Selector that #SS carries: 0 for the present stack, that of a new one. */
  private int faultSelector;

  /** 2, 4 or 8: the width of the stack pointer. */
  private int width;

  private long pointer;

  Stack(Vcpu vcpu, Segmentation segmentation) {
    this.segmentation = segmentation;
    this.s = vcpu.cpuState();
    this.mmu = vcpu.mmu();
  }

  /** The present stack, SS:rSP. */
  public Stack current() {
    set(
        s.segBase(CpuLayout.SS),
        s.segLimit(CpuLayout.SS),
        s.segAttr(CpuLayout.SS),
        s.gpr(RSP),
        s.cpl(),
        0);
    if (s.code64()) {
      width = 8;
    }
    return this;
  }

  /** The stack of a descriptor. */
  Stack of(int selector, long descriptor, long pointer, int cpl) {
    set(
        Segmentation.base(descriptor),
        Segmentation.limit(descriptor),
        Segmentation.attr(descriptor),
        pointer,
        cpl,
        selector);
    return this;
  }

  /** A stack of 64-bit mode. */
  Stack flat(long pointer, int cpl) {
    set(0, 0, 0, pointer, cpl, 0);
    width = 8;
    return this;
  }

  private void set(long base, long limit, int attr, long pointer, int cpl, int faultSelector) {
    this.base = base;
    this.limit = limit;
    this.attr = attr;
    this.cpl = cpl;
    this.faultSelector = faultSelector;
    this.width = (attr & SegmentAttributes.DB) != 0 ? 4 : 2;
    this.pointer = pointer;
  }

  private long mask() {
    return width == 8 ? -1 : width == 4 ? 0xffff_ffffL : 0xffff;
  }

  private long linear(long offset, int size) {
    if (width == 8) {
      if (!mmu.isCanonicalData(offset)) {
        throw segmentation.fault(CpuException.SS, 0);
      }
      return offset;
    }
    long last = offset + size - 1;
    boolean inside =
        (attr & SegmentAttributes.EXPAND_DOWN) != 0 && !SegmentAttributes.isCode(attr)
            ? offset > limit && last <= ((attr & SegmentAttributes.DB) != 0 ? 0xffff_ffffL : 0xffff)
            : last <= limit;
    if (!inside || !SegmentAttributes.isPresent(attr)) {
      throw segmentation.fault(CpuException.SS, faultSelector);
    }
    return base + offset & 0xffff_ffffL;
  }

  /** Pushes the low {@code size} bytes of a value. */
  public void push(int size, long value) {
    long offset = pointer - size & mask();
    mmu.writeAs(cpl, linear(offset, size), size, value);
    pointer = offset;
  }

  /** Pops {@code size} bytes, zero-extended. */
  public long pop(int size) {
    long offset = pointer & mask();
    long value = mmu.readAs(cpl, linear(offset, size), size);
    pointer = offset + size & mask();
    return value;
  }

  /** Reads {@code size} bytes that lie {@code distance} bytes above the top. */
  long peek(int distance, int size) {
    return mmu.readAs(cpl, linear(pointer + distance & mask(), size), size);
  }

  /** Skips bytes; negative: makes room. */
  void skip(long bytes) {
    pointer = pointer + bytes & mask();
  }

  /** Writes rSP: a 16-bit stack changes SP only. */
  public void commit() {
    s.setGpr(RSP, width == 2 ? s.gpr(RSP) & ~0xffffL | pointer & 0xffff : pointer & mask());
  }
}
