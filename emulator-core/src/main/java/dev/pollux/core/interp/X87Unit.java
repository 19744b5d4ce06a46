package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;

/**
 * The x87 register stack, status word and pending exceptions in the state block (Intel SDM vol. 1,
 * chapter 8).
 */
final class X87Unit {
  /** Status word: stack fault. */
  static final int SF = 1 << 6;

  /** Status word: exception summary, and the busy bit that mirrors it. */
  static final int ES = 1 << 7;

  static final int BUSY = 1 << 15;
  static final int C0 = 1 << 8;
  static final int C1 = 1 << 9;
  static final int C2 = 1 << 10;
  static final int C3 = 1 << 14;
  static final int TOP = 7 << 11;

  private static final int CR0_MP = 1 << 1;
  private static final int CR0_EM = 1 << 2;
  private static final int CR0_TS = 1 << 3;
  private static final int CR0_NE = 1 << 5;

  private X87Unit() {}

  // ---- may the unit be used ---------------------------------------------------------------------

  /** #NM if there is no x87 unit or its state has to be switched first. */
  static void checkAvailable(Interpreter cpu) {
    if ((RawMemory.getInt(cpu.s + CpuLayout.CR0) & (CR0_EM | CR0_TS)) != 0) {
      throw cpu.fault(CpuException.NM);
    }
  }

  /** The checks of an instruction that waits for pending exceptions. */
  static void checkWaiting(Interpreter cpu) {
    checkAvailable(cpu);
    checkPending(cpu);
  }

  /**
   * #MF if an unmasked exception is pending. With CR0.NE clear the processor drives FERR# instead,
   * which makes an interrupt outside, and goes on.
   */
  static void checkPending(Interpreter cpu) {
    if ((RawMemory.getShort(cpu.s + CpuLayout.FSW) & ES) != 0) {
      if (reportsInternally(cpu)) {
        throw cpu.fault(CpuException.MF);
      }
      cpu.vcpu().machine().driveFloatError(true);
    }
  }

  private static boolean reportsInternally(Interpreter cpu) {
    return (RawMemory.getInt(cpu.s + CpuLayout.CR0) & CR0_NE) != 0;
  }

  /** FWAIT: #NM only with both MP and TS. */
  static void fwait(Interpreter cpu, Insn insn) {
    int both = CR0_MP | CR0_TS;
    if ((RawMemory.getInt(cpu.s + CpuLayout.CR0) & both) == both) {
      throw cpu.fault(CpuException.NM);
    }
    checkPending(cpu);
  }

  // ---- control and status -----------------------------------------------------------------------

  static int fcw(Interpreter cpu) {
    return RawMemory.getShort(cpu.s + CpuLayout.FCW) & 0xffff;
  }

  static int fsw(Interpreter cpu) {
    return RawMemory.getShort(cpu.s + CpuLayout.FSW) & 0xffff;
  }

  static void setFsw(Interpreter cpu, int fsw) {
    RawMemory.putShort(cpu.s + CpuLayout.FSW, (short) fsw);
  }

  /** Sets the control word, bit 6 of which always reads 1; exceptions may become pending or not. */
  static void setFcw(Interpreter cpu, int fcw) {
    RawMemory.putShort(cpu.s + CpuLayout.FCW, (short) (fcw & 0x1f7f | 0x40));
    replaceFsw(cpu, summarised(cpu, fsw(cpu)));
  }

  /** Sets the status word where that may end a pending exception, and FERR# with it. */
  static void replaceFsw(Interpreter cpu, int fsw) {
    boolean ends = (fsw(cpu) & ~fsw & ES) != 0;
    setFsw(cpu, fsw);
    if (ends && !reportsInternally(cpu)) {
      cpu.vcpu().machine().driveFloatError(false);
    }
  }

  /** A status word with ES and busy as the exceptions and masks demand. */
  static int summarised(Interpreter cpu, int fsw) {
    boolean pending = (fsw & ~fcw(cpu) & 0x3f) != 0;
    return pending ? fsw | ES | BUSY : fsw & ~(ES | BUSY);
  }

  static int tags(Interpreter cpu) {
    return RawMemory.getByte(cpu.s + CpuLayout.FTW) & 0xff;
  }

  static void setTags(Interpreter cpu, int tags) {
    RawMemory.putByte(cpu.s + CpuLayout.FTW, (byte) tags);
  }

  static int top(Interpreter cpu) {
    return fsw(cpu) >> 11 & 7;
  }

  /** Changes the condition bits in {@code mask}. */
  static void setCondition(Interpreter cpu, int mask, int bits) {
    setFsw(cpu, fsw(cpu) & ~mask | bits);
  }

  /** Starts an operation: environment, C1, and the pointers to the instruction. */
  static FloatEnv begin(Interpreter cpu, Insn insn) {
    setFsw(cpu, fsw(cpu) & ~C1);
    return beginKeepingC1(cpu, insn);
  }

  /** As {@link #begin} for the few instructions that leave C1 alone. */
  static FloatEnv beginKeepingC1(Interpreter cpu, Insn insn) {
    FloatEnv env = cpu.floatEnv;
    env.beginX87(fcw(cpu));
    recordPointers(cpu, insn);
    return env;
  }

  /** What FNSTENV reports of the last instruction that is not a control instruction. */
  static void recordPointers(Interpreter cpu, Insn insn) {
    RawMemory.putInt(cpu.s + CpuLayout.FOP, (insn.opcode & 7) << 8 | insn.modRm & 0xff);
    RawMemory.putLong(cpu.s + CpuLayout.FIP, cpu.rip(insn));
    RawMemory.putInt(cpu.s + CpuLayout.FCS, cpu.state().segSelector(CpuLayout.CS));
    if (insn.memOperand >= 0) {
      RawMemory.putLong(cpu.s + CpuLayout.FDP, cpu.effectiveAddress(insn));
      RawMemory.putInt(cpu.s + CpuLayout.FDS, cpu.state().segSelector(insn.segment));
    }
  }

  /**
   * Puts what an operation raised into the status word.
   *
   * @return whether the operation may deliver its result
   */
  static boolean finish(Interpreter cpu, FloatEnv env) {
    int raised = env.raised;
    if (raised == 0) {
      return true;
    }
    boolean stopped = env.stopped();
    if (stopped) {
      raised &= FloatEnv.BEFORE_OPERATION;
    }
    int fsw = fsw(cpu) | raised;
    if (!stopped && env.roundedUp && (raised & FloatEnv.PE) != 0) {
      fsw |= C1;
    }
    if ((raised & ~env.masks) != 0) {
      fsw |= ES | BUSY;
    }
    setFsw(cpu, fsw);
    return !stopped;
  }

  /**
   * Raises a stack fault.
   *
   * @param overflow whether a push found its register in use, rather than an operand being empty
   * @return whether it is masked, so that the operation goes on with the indefinite
   */
  static boolean stackFault(Interpreter cpu, FloatEnv env, boolean overflow) {
    boolean masked = (env.masks & FloatEnv.IE) != 0;
    int fsw = fsw(cpu) & ~C1 | FloatEnv.IE | SF | (overflow ? C1 : 0);
    setFsw(cpu, masked ? fsw : fsw | ES | BUSY);
    return masked;
  }

  // ---- registers --------------------------------------------------------------------------------

  private static int physical(Interpreter cpu, int i) {
    return top(cpu) + i & 7;
  }

  /** Host address of ST(i). */
  static long st(Interpreter cpu, int i) {
    return cpu.s + CpuLayout.FPR + physical(cpu, i) * 16L;
  }

  static boolean empty(Interpreter cpu, int i) {
    return (tags(cpu) >> physical(cpu, i) & 1) == 0;
  }

  static long sig(long register) {
    return RawMemory.getLong(register);
  }

  static int se(long register) {
    return RawMemory.getShort(register + 8) & 0xffff;
  }

  /** Writes ST(i), which becomes valid. */
  static void put(Interpreter cpu, int i, int se, long sig) {
    int physical = physical(cpu, i);
    long address = cpu.s + CpuLayout.FPR + physical * 16L;
    RawMemory.putLong(address, sig);
    RawMemory.putShort(address + 8, (short) se);
    setTags(cpu, tags(cpu) | 1 << physical);
  }

  static void putIndefinite(Interpreter cpu, int i) {
    put(cpu, i, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
  }

  static void free(Interpreter cpu, int i) {
    setTags(cpu, tags(cpu) & ~(1 << physical(cpu, i)));
  }

  static void pop(Interpreter cpu) {
    free(cpu, 0);
    moveTop(cpu, 1);
  }

  static void moveTop(Interpreter cpu, int by) {
    int fsw = fsw(cpu);
    setFsw(cpu, fsw & ~TOP | fsw + (by << 11) & TOP);
  }

  /** Pushes a number; the caller has checked that there is room. */
  static void push(Interpreter cpu, int se, long sig) {
    moveTop(cpu, -1);
    put(cpu, 0, se, sig);
  }
}
