package dev.pollux.core.cpu;

/**
 * The I/O ports as instructions reach them: with the checks of IOPL and the TSS's permission bitmap
 * (Intel SDM vol. 1, 19.5) and with port breakpoints. vCPU thread.
 */
public final class Ports {
  private final Vcpu vcpu;
  private final CpuState s;
  private final TaskSwitch tasks;

  Ports(Vcpu vcpu, TaskSwitch tasks) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.tasks = tasks;
  }

  /**
   * #GP(0) unless the current privilege or the bitmap allows {@code size} ports from {@code port}
   * on.
   */
  public void check(int port, int size) {
    if (s.protectedMode()) {
      int iopl = (int) (s.rflags() & Eflags.IOPL) >> Eflags.IOPL_SHIFT;
      if ((s.cpl() > iopl || s.virtual8086()) && !tasks.portsAllowed(port, size)) {
        throw vcpu.exception(CpuException.GP, 0);
      }
    }
  }

  /** IN of 1, 2 or 4 bytes, zero-extended; has been checked. */
  public long read(int port, int size) {
    trap(port, size);
    return vcpu.machine().io().read(port, size);
  }

  /** OUT of 1, 2 or 4 bytes; has been checked. */
  public void write(int port, int size, long value) {
    trap(port, size);
    vcpu.machine().io().write(port, size, value);
  }

  private void trap(int port, int size) {
    DebugRegisters debug = vcpu.debugRegisters();
    if (debug.anyEnabled()) {
      int hits = debug.portHits(port, size);
      if (hits != 0) {
        vcpu.raiseDebugTrap(hits);
      }
    }
  }
}
