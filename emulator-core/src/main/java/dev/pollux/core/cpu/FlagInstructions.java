package dev.pollux.core.cpu;

/**
 * CLI, STI, PUSHF and POPF by mode, IOPL and the virtual-interrupt extensions VME and PVI (Intel
 * SDM vol. 2 for each; vol. 3, 22.3 and 22.4). vCPU thread; RFLAGS is whole in the state block.
 */
public final class FlagInstructions {
  private static final long POPPED =
      Eflags.STATUS | Eflags.TF | Eflags.DF | Eflags.NT | Eflags.AC | Eflags.ID;

  private final Vcpu vcpu;
  private final CpuState s;
  private final Stack stack;

  FlagInstructions(Vcpu vcpu, Stack stack) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.stack = stack;
  }

  private CpuException gp() {
    return vcpu.exception(CpuException.GP, 0);
  }

  private int iopl() {
    return (int) (s.rflags() & Eflags.IOPL) >> Eflags.IOPL_SHIFT;
  }

  /** True where CLI and STI act on IF, false where they act on VIF; #GP(0) where on neither. */
  private boolean realInterruptFlag() {
    if (!s.protectedMode() || s.cpl() <= iopl()) {
      return true;
    }
    long virtual = s.virtual8086() ? ControlRegisters.CR4_VME : ControlRegisters.CR4_PVI;
    if (s.cpl() == 3 && (s.cr4() & virtual) != 0) {
      return false;
    }
    throw gp();
  }

  /** CLI. */
  public void cli() {
    s.setRflags(s.rflags() & ~(long) (realInterruptFlag() ? Eflags.IF : Eflags.VIF));
  }

  /** STI: interrupts are let in after the next instruction. */
  public void sti() {
    long flags = s.rflags();
    if (realInterruptFlag()) {
      if ((flags & Eflags.IF) == 0) {
        s.setRflags(flags | Eflags.IF);
        s.setU32(CpuLayout.INTERRUPT_SHADOW, CpuLayout.SHADOW_STI);
        vcpu.recheckInterrupts();
      }
    } else if ((flags & Eflags.VIP) != 0) {
      throw gp();
    } else {
      s.setRflags(flags | Eflags.VIF);
    }
  }

  /** PUSHF of 2, 4 or 8 bytes; {@code flags} is the whole register. */
  public void pushf(int size, long flags) {
    long image = flags & ~(long) (Eflags.VM | Eflags.RF);
    if (s.virtual8086() && iopl() < 3) {
      if ((s.cr4() & ControlRegisters.CR4_VME) == 0 || size != 2) {
        throw gp();
      }
      image = image & ~Eflags.IF | Eflags.IOPL | ((image & Eflags.VIF) != 0 ? Eflags.IF : 0);
    }
    stack.current();
    stack.push(size, image);
    stack.commit();
  }

  /** POPF of 2, 4 or 8 bytes. */
  public void popf(int size) {
    long flags = s.rflags();
    long changeable = POPPED;
    boolean virtual = s.virtual8086() && iopl() < 3;
    if (virtual && ((s.cr4() & ControlRegisters.CR4_VME) == 0 || size != 2)) {
      throw gp();
    }
    stack.current();
    long popped = stack.pop(size);
    if (virtual) {
      boolean enables = (popped & Eflags.IF) != 0;
      if (enables && (flags & Eflags.VIP) != 0 || (popped & Eflags.TF) != 0) {
        throw gp();
      }
      flags = flags & ~Eflags.VIF | (enables ? Eflags.VIF : 0);
    } else {
      int cpl = s.protectedMode() ? s.cpl() : 0;
      if (cpl == 0) {
        changeable |= Eflags.IOPL;
      }
      if (cpl <= iopl()) {
        changeable |= Eflags.IF;
      }
    }
    if (size == 2) {
      changeable &= 0xffff;
    }
    stack.commit();
    s.setRflags(flags & ~changeable & ~Eflags.RF | popped & changeable);
    vcpu.recheckInterrupts();
  }
}
