package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SegmentAttributes.*;

import dev.pollux.core.mmu.Mmu;

/**
 * Segment registers and descriptor tables: loads with all checks, and the instructions that look at
 * descriptors (Intel SDM vol. 3, chapters 3.4, 3.5 and 6). vCPU thread. Faults are thrown before a
 * register has changed.
 */
public final class Segmentation {
  private static final int SELECTOR_LDT = 4;

  private final Vcpu vcpu;
  private final CpuState s;
  private final Mmu mmu;

  /**
   * The EXT bit of error codes, 1 while an event that is not a software interrupt is being
   * delivered.
   */
  private int externalEvent;

  Segmentation(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.mmu = vcpu.mmu();
  }

  void setExternalEvent(boolean on) {
    externalEvent = on ? 1 : 0;
  }

  int externalEvent() {
    return externalEvent;
  }

  /** A fault that names a selector. */
  CpuException fault(int vector, int selector) {
    return vcpu.exception(vector, selector & 0xfffc | externalEvent);
  }

  static boolean isNull(int selector) {
    return (selector & 0xfffc) == 0;
  }

  // ---- descriptors, as the 8 bytes in memory ----

  static int attr(long descriptor) {
    return (int) (descriptor >>> 40) & 0xf0ff;
  }

  static long base(long descriptor) {
    return descriptor >>> 16 & 0xff_ffff | descriptor >>> 32 & 0xff00_0000L;
  }

  static long limit(long descriptor) {
    long limit = descriptor & 0xffff | descriptor >>> 32 & 0xf_0000;
    return (attr(descriptor) & GRANULARITY) != 0 ? limit << 12 | 0xfff : limit;
  }

  /**
   * Linear address of a selector's descriptor, or -1 where {@code size} bytes do not lie in its
   * table.
   */
  private long find(int selector, int size) {
    long base;
    long limit;
    if ((selector & SELECTOR_LDT) != 0) {
      if (!isPresent(s.segAttr(CpuLayout.LDTR))) {
        return -1;
      }
      base = s.segBase(CpuLayout.LDTR);
      limit = s.segLimit(CpuLayout.LDTR);
    } else {
      base = s.u64(CpuLayout.GDT_BASE);
      limit = s.u32(CpuLayout.GDT_LIMIT) & 0xffff;
    }
    int index = selector & 0xfff8;
    return index + size - 1 <= limit ? base + index : -1;
  }

  /**
   * Linear address of a selector's descriptor; outside the table: {@code vector} with the selector.
   */
  long address(int selector, int vector) {
    long address = find(selector, 8);
    if (address == -1) {
      throw fault(vector, selector);
    }
    return address;
  }

  /** Reads a selector's descriptor; outside the table: {@code vector} with the selector. */
  long descriptor(int selector, int vector) {
    return mmu.readSystem(address(selector, vector), 8);
  }

  /** Sets the accessed bit in memory where it is not set, and returns the descriptor with it. */
  long markAccessed(int selector, long descriptor) {
    if ((attr(descriptor) & ACCESSED) == 0) {
      long address = find(selector, 8);
      mmu.writeSystem(address + 5, 1, descriptor >>> 40 & 0xff | ACCESSED);
      return descriptor | 1L << 40;
    }
    return descriptor;
  }

  void setBusy(int selector, boolean busy) {
    long address = address(selector, CpuException.TS) + 5;
    long type = mmu.readSystem(address, 1);
    mmu.writeSystem(address, 1, busy ? type | 2 : type & ~2);
  }

  /** Loads a segment register from a descriptor that has been checked. */
  void load(int segment, int selector, long descriptor) {
    s.setSeg(segment, selector, base(descriptor), limit(descriptor), attr(descriptor));
  }

  void loadNull(int segment, int selector) {
    s.setSeg(segment, selector, 0, 0, 0);
  }

  /** A null stack segment of 64-bit mode: the privilege level is its selector and its DPL. */
  void loadNullStack(int cpl) {
    s.setSeg(CpuLayout.SS, cpl, 0, 0, cpl << DPL_SHIFT);
  }

  /** A segment register as real mode loads it: limit and attributes stay as they are. */
  private void loadReal(int segment, int selector) {
    s.setSeg(segment, selector, (long) selector << 4, s.segLimit(segment), s.segAttr(segment));
  }

  void loadVirtual8086(int segment, int selector) {
    s.setSeg(segment, selector, (long) selector << 4, 0xffff, VIRTUAL_8086);
  }

  /** A segment register outside protected mode. */
  void loadWithoutDescriptor(int segment, int selector) {
    if (s.virtual8086()) {
      loadVirtual8086(segment, selector);
    } else {
      loadReal(segment, selector);
    }
  }

  /** MOV, POP and the far pointer loads, to ES, SS, DS, FS or GS. */
  public void loadSegment(int segment, int selector) {
    if (!s.usesDescriptors()) {
      loadWithoutDescriptor(segment, selector);
    } else if (segment == CpuLayout.SS) {
      loadStack(selector);
    } else {
      loadData(segment, selector, s.cpl(), CpuException.GP);
    }
  }

  private void loadStack(int selector) {
    int cpl = s.cpl();
    if (isNull(selector)) {
      if (!s.code64() || cpl == 3 || (selector & 3) != cpl) {
        throw fault(CpuException.GP, 0);
      }
      loadNullStack(selector);
      return;
    }
    long d = stackDescriptor(selector, cpl, CpuException.GP);
    load(CpuLayout.SS, selector, markAccessed(selector, d));
  }

  /**
   * Checks a stack segment for privilege level {@code cpl}: writable data, RPL and DPL equal to it,
   * present (#SS). Other faults are {@code vector} with the selector. The selector is not null.
   */
  long stackDescriptor(int selector, int cpl, int vector) {
    long d = descriptor(selector, vector);
    int attr = attr(d);
    if ((selector & 3) != cpl || !isData(attr) || (attr & WRITABLE) == 0 || dpl(attr) != cpl) {
      throw fault(vector, selector);
    }
    if (!isPresent(attr)) {
      throw fault(CpuException.SS, selector);
    }
    return d;
  }

  /** Loads ES, DS, FS or GS by protected mode's rules. */
  void loadData(int segment, int selector, int cpl, int vector) {
    if (isNull(selector)) {
      loadNull(segment, selector);
      return;
    }
    long d = descriptor(selector, vector);
    int attr = attr(d);
    boolean readable = isData(attr) || isCode(attr) && (attr & WRITABLE) != 0;
    if (!readable) {
      throw fault(vector, selector);
    }
    boolean conforming = isCode(attr) && isConforming(attr);
    if (!conforming && ((selector & 3) > dpl(attr) || cpl > dpl(attr))) {
      throw fault(vector, selector);
    }
    if (!isPresent(attr)) {
      throw fault(CpuException.NP, selector);
    }
    load(segment, selector, markAccessed(selector, d));
  }

  /** What a return to an outer level does to ES, DS, FS and GS that it must not use. */
  void dropInnerData(int cpl) {
    dropInner(CpuLayout.ES, cpl);
    dropInner(CpuLayout.DS, cpl);
    dropInner(CpuLayout.FS, cpl);
    dropInner(CpuLayout.GS, cpl);
  }

  private void dropInner(int segment, int cpl) {
    int attr = s.segAttr(segment);
    if (isPresent(attr) && dpl(attr) < cpl && !(isCode(attr) && isConforming(attr))) {
      s.setU32(CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + CpuLayout.SEG_SELECTOR, 0);
      s.setU32(CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + CpuLayout.SEG_ATTR, 0);
    }
  }

  // ---- system segments ----

  /**
   * The upper 8 bytes of a long mode system descriptor: base bits 32 to 63; the type field there
   * must be 0.
   */
  private long upperBase(int selector) {
    long address = find(selector, 16);
    if (address == -1) {
      throw fault(CpuException.GP, selector);
    }
    long upper = mmu.readSystem(address + 8, 8);
    if ((upper >>> 40 & 0x1f) != 0) {
      throw fault(CpuException.GP, selector);
    }
    return upper << 32;
  }

  private long systemBase(int selector, long descriptor) {
    long base = base(descriptor);
    if (s.longMode()) {
      base |= upperBase(selector);
      if (!vcpu.model().isCanonical(base)) {
        throw fault(CpuException.GP, selector);
      }
    }
    return base;
  }

  /** LLDT; mode and CPL have been checked. */
  public void loadLdt(int selector) {
    if (isNull(selector)) {
      loadNull(CpuLayout.LDTR, selector);
      return;
    }
    loadLdt(selector, CpuException.GP, CpuException.NP);
  }

  void loadLdt(int selector, int vector, int notPresent) {
    if ((selector & SELECTOR_LDT) != 0) {
      throw fault(vector, selector);
    }
    long d = descriptor(selector, vector);
    int attr = attr(d);
    if ((attr & S) != 0 || type(attr) != LDT) {
      throw fault(vector, selector);
    }
    if (!isPresent(attr)) {
      throw fault(notPresent, selector);
    }
    s.setSeg(CpuLayout.LDTR, selector, systemBase(selector, d), limit(d), attr);
  }

  /** LTR; mode and CPL have been checked. */
  public void loadTaskRegister(int selector) {
    if (isNull(selector)) {
      throw fault(CpuException.GP, 0);
    }
    if ((selector & SELECTOR_LDT) != 0) {
      throw fault(CpuException.GP, selector);
    }
    long d = descriptor(selector, CpuException.GP);
    int attr = attr(d);
    boolean tss = type(attr) == TSS32_AVAILABLE || type(attr) == TSS16_AVAILABLE && !s.longMode();
    if ((attr & S) != 0 || !tss) {
      throw fault(CpuException.GP, selector);
    }
    if (!isPresent(attr)) {
      throw fault(CpuException.NP, selector);
    }
    long base = systemBase(selector, d);
    setBusy(selector, true);
    s.setSeg(CpuLayout.TR, selector, base, limit(d), attr | 2);
  }

  // ---- LAR, LSL, VERR, VERW ----

  /** Not a descriptor of any segment. */
  private static final long NONE = Long.MIN_VALUE;

  /**
   * The descriptor that the current privilege and the selector's RPL may look at, or {@link #NONE}.
   */
  private long visible(int selector, boolean conformingExempt) {
    if (isNull(selector)) {
      return NONE;
    }
    long address = find(selector, 8);
    if (address == -1) {
      return NONE;
    }
    long d = mmu.readSystem(address, 8);
    int attr = attr(d);
    if (conformingExempt && isCode(attr) && isConforming(attr)) {
      return d;
    }
    return s.cpl() > dpl(attr) || (selector & 3) > dpl(attr) ? NONE : d;
  }

  /** LAR: the attributes at their places in a descriptor's second word, or -1 (ZF clear). */
  public long accessRights(int selector) {
    long d = visible(selector, true);
    if (d == NONE) {
      return -1;
    }
    int attr = attr(d);
    if ((attr & S) == 0) {
      boolean valid =
          switch (type(attr)) {
            case TSS16_AVAILABLE, TSS16_BUSY, CALL_GATE16, TASK_GATE -> !s.longMode();
            case LDT, TSS32_AVAILABLE, TSS32_BUSY, CALL_GATE32 -> true;
            default -> false;
          };
      if (!valid) {
        return -1;
      }
    }
    return d >>> 32 & 0x00f0_ff00L;
  }

  /** LSL: the limit in bytes, or -1 (ZF clear). */
  public long segmentLimit(int selector) {
    long d = visible(selector, true);
    if (d == NONE) {
      return -1;
    }
    int attr = attr(d);
    if ((attr & S) == 0) {
      boolean valid =
          switch (type(attr)) {
            case TSS16_AVAILABLE, TSS16_BUSY -> !s.longMode();
            case LDT, TSS32_AVAILABLE, TSS32_BUSY -> true;
            default -> false;
          };
      if (!valid) {
        return -1;
      }
    }
    return limit(d);
  }

  /** VERR. */
  public boolean readable(int selector) {
    long d = visible(selector, true);
    return d != NONE && (isData(attr(d)) || isCode(attr(d)) && (attr(d) & WRITABLE) != 0);
  }

  /** VERW. */
  public boolean writable(int selector) {
    long d = visible(selector, false);
    return d != NONE && isData(attr(d)) && (attr(d) & WRITABLE) != 0;
  }
}
