package dev.pollux.core.cpu;

/**
 * DR0 to DR7: breakpoints on instructions, data and ports, and what caused a debug exception (Intel
 * SDM vol. 3, 18.2). vCPU thread.
 */
public final class DebugRegisters {
  /** DR6: access to a debug register while DR7.GD was set. */
  public static final int BD = 1 << 13;

  /** DR6: single step. */
  public static final int BS = 1 << 14;

  /** DR6: task switch to a TSS with the T flag. */
  public static final int BT = 1 << 15;

  static final long DR6_FIXED = 0xffff_0ff0L;
  static final long DR6_WRITABLE = 0xe00f;
  static final long DR7_FIXED = 1 << 10;
  static final long DR7_WRITABLE = 0xffff_23ffL;
  private static final long DR7_GD = 1 << 13;

  /** DR7: the local enable bits and LE, which a task switch clears. */
  private static final long DR7_LOCAL = 0x155;

  /** Kinds of breakpoints, the R/W field of DR7. */
  private static final int EXECUTE = 0;

  private static final int WRITE = 1;
  private static final int IO = 2;
  private static final int ACCESS = 3;

  private final Vcpu vcpu;
  private final CpuState s;

  DebugRegisters(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
  }

  /** Number of the register that 4 and 5 stand for; #UD where CR4.DE forbids them. */
  private int alias(int register) {
    if (register == 4 || register == 5) {
      if ((s.cr4() & ControlRegisters.CR4_DE) != 0) {
        throw vcpu.exception(CpuException.UD, 0);
      }
      return register + 2;
    }
    return register;
  }

  /** MOV from a debug register 0 to 7; CPL has been checked. */
  public long read(int register) {
    int r = alias(register);
    detectGeneral();
    return value(r);
  }

  /** MOV to a debug register 0 to 7; CPL has been checked. */
  public void write(int register, long value) {
    int r = alias(register);
    detectGeneral();
    if (r >= 6 && value >>> 32 != 0) {
      throw vcpu.exception(CpuException.GP, 0);
    }
    setValue(
        r,
        switch (r) {
          case 6 -> value & DR6_WRITABLE | DR6_FIXED;
          case 7 -> value & DR7_WRITABLE | DR7_FIXED;
          default -> value;
        });
  }

  private void detectGeneral() {
    if ((value(7) & DR7_GD) != 0) {
      setCause(BD);
      throw vcpu.exception(CpuException.DB, 0);
    }
  }

  private long value(int register) {
    return s.u64(CpuLayout.DR + register * 8);
  }

  private void setValue(int register, long value) {
    s.setU64(CpuLayout.DR + register * 8, value);
  }

  /**
   * Adds bits to DR6, as a debug exception does before it is delivered; B0 to B3 show only the last
   * one's.
   */
  public void setCause(int bits) {
    setValue(6, value(6) & ~15L | bits);
  }

  /** Adds bits to DR6 for causes that come together with those that it shows. */
  void addCause(int bits) {
    setValue(6, value(6) | bits);
  }

  /** What the delivery of #DB does first: the handler may use the debug registers. */
  void entered() {
    setValue(7, value(7) & ~DR7_GD);
  }

  void clearLocalEnables() {
    setValue(7, value(7) & ~DR7_LOCAL);
  }

  void reset() {
    for (int i = 0; i < 4; i++) {
      setValue(i, 0);
    }
    setValue(6, DR6_FIXED);
    setValue(7, DR7_FIXED);
  }

  /** True if any breakpoint is enabled: only then do engines ask the methods below. */
  public boolean anyEnabled() {
    return (value(7) & 0xff) != 0;
  }

  private int kind(int i) {
    return (int) (value(7) >> (16 + i * 4)) & 3;
  }

  private int length(int i) {
    return switch ((int) (value(7) >> (18 + i * 4)) & 3) {
      case 0 -> 1;
      case 1 -> 2;
      case 2 -> 8;
      default -> 4;
    };
  }

  private boolean enabled(int i) {
    return (value(7) >> (i * 2) & 3) != 0;
  }

  private boolean overlaps(int i, long address, int size) {
    int length = length(i);
    long start = value(i) & -length;
    long distance = address - start;
    return distance < length && -distance < size;
  }

  /**
   * DR6 bits of the instruction breakpoints at a linear address; 0: none. A hit is a fault, taken
   * before the instruction, and not at all with RFLAGS.RF set.
   */
  public int instructionHits(long linear) {
    int hits = 0;
    for (int i = 0; i < 4; i++) {
      if (enabled(i) && kind(i) == EXECUTE && value(i) == linear) {
        hits |= 1 << i;
      }
    }
    return hits;
  }

  /**
   * DR6 bits of the data breakpoints that an access to linear addresses hits; 0: none. A hit is a
   * trap, taken after it.
   */
  public int dataHits(long linear, int size, boolean write) {
    int hits = 0;
    for (int i = 0; i < 4; i++) {
      int kind = kind(i);
      if (enabled(i) && (kind == ACCESS || kind == WRITE && write) && overlaps(i, linear, size)) {
        hits |= 1 << i;
      }
    }
    return hits;
  }

  /**
   * DR6 bits of the port breakpoints that an access hits; 0: none. A hit is a trap, taken after it.
   */
  public int portHits(int port, int size) {
    if ((s.cr4() & ControlRegisters.CR4_DE) == 0) {
      return 0;
    }
    int hits = 0;
    for (int i = 0; i < 4; i++) {
      if (enabled(i) && kind(i) == IO && overlaps(i, port, size)) {
        hits |= 1 << i;
      }
    }
    return hits;
  }
}
