package dev.pollux.core.cpu;

/** Bits of {@link CpuLayout#PENDING}. */
public final class Interrupts {
  private Interrupts() {}

  /** The interrupt controller has a maskable interrupt. A level: the controller clears it. */
  public static final int HARD = 1;

  public static final int NMI = 1 << 1;
  public static final int SMI = 1 << 2;
  public static final int INIT = 1 << 3;

  /** A start-up IPI; its vector is kept by the vCPU. */
  public static final int SIPI = 1 << 4;

  /** Drop the TLB before the next instruction. */
  public static final int TLB_FLUSH = 1 << 5;

  /** Park in the vCPU's loop. */
  public static final int PAUSE = 1 << 6;

  /** Something deferred to the vCPU's thread waits. */
  public static final int TASK = 1 << 7;

  /** Take the write tags from the TLB before the next instruction. */
  public static final int PROTECT = 1 << 8;

  /** What is done outside of guest code, before anything of the guest is touched. */
  static final int BEFORE_GUEST = INIT | SIPI | TLB_FLUSH | PAUSE | TASK | PROTECT;
}
