package dev.pollux.core.interp;

import static dev.pollux.core.interp.X87Unit.checkAvailable;
import static dev.pollux.core.interp.X87Unit.checkWaiting;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * FNSTENV, FLDENV, FNSAVE and FRSTOR with their four layouts (Intel SDM vol. 1, figures 8-9 to
 * 8-12): 14 or 28 bytes by operand size, with selectors in protected mode and linear addresses in
 * real-address and virtual-8086 mode. FNSAVE appends the registers, 10 bytes each from ST0.
 */
final class X87Environment {
  private static final long RFLAGS_VM = 1 << 17;

  private X87Environment() {}

  static void register(HandlerTable t) {
    t.bind(Op.FNSTENV, X87Environment::fnstenv);
    t.bind(Op.FLDENV, X87Environment::fldenv);
    t.bind(Op.FNSAVE, X87Environment::fnsave);
    t.bind(Op.FRSTOR, X87Environment::frstor);
  }

  private static boolean selectors(Interpreter cpu) {
    return (cpu.state().cr0() & 1) != 0 && (cpu.rflags() & RFLAGS_VM) == 0;
  }

  private static void fnstenv(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    boolean wide = insn.opSize != 2;
    int size = wide ? 28 : 14;
    long linear = cpu.address(insn, size, true);
    cpu.mmu().probeWrite(linear, size);
    storeEnvironment(cpu, linear, wide);
    X87Unit.setFcw(cpu, X87Unit.fcw(cpu) | 0x3f);
  }

  private static void fnsave(Interpreter cpu, Insn insn) {
    checkAvailable(cpu);
    boolean wide = insn.opSize != 2;
    int size = wide ? 28 : 14;
    long linear = cpu.address(insn, size + 80, true);
    cpu.mmu().probeWrite(linear, size + 80);
    storeEnvironment(cpu, linear, wide);
    for (int i = 0; i < 8; i++) {
      long register = X87Unit.st(cpu, i);
      cpu.mmu().write64(linear + size + 10L * i, X87Unit.sig(register));
      cpu.mmu().write16(linear + size + 10L * i + 8, X87Unit.se(register));
    }
    X87Ops.initialise(cpu);
  }

  private static void storeEnvironment(Interpreter cpu, long linear, boolean wide) {
    long ip = RawMemory.getLong(cpu.s + CpuLayout.FIP);
    long dp = RawMemory.getLong(cpu.s + CpuLayout.FDP);
    int cs = RawMemory.getInt(cpu.s + CpuLayout.FCS) & 0xffff;
    int ds = RawMemory.getInt(cpu.s + CpuLayout.FDS) & 0xffff;
    int opcode = RawMemory.getInt(cpu.s + CpuLayout.FOP) & 0x7ff;
    int codeHigh;
    int dataHigh;
    if (selectors(cpu)) {
      codeHigh = wide ? cs | opcode << 16 : cs;
      dataHigh = wide ? ds | 0xffff_0000 : ds;
    } else {
      ip = ip + ((long) cs << 4);
      dp = dp + ((long) ds << 4);
      codeHigh = (int) (ip >>> 16) << 12 | opcode;
      dataHigh = (int) (dp >>> 16) << 12;
      if (wide) {
        ip = ip & 0xffff | 0xffff_0000L;
        dp = dp & 0xffff | 0xffff_0000L;
      }
    }
    int high = wide ? 0xffff_0000 : 0;
    int step = wide ? 4 : 2;
    long[] fields = {
      X87Unit.fcw(cpu) | high,
      X87Unit.fsw(cpu) | high,
      fullTags(cpu) | high,
      ip,
      codeHigh,
      dp,
      dataHigh
    };
    for (int i = 0; i < fields.length; i++) {
      cpu.mmu().write(linear + (long) i * step, step, fields[i]);
    }
  }

  /** The tag word with two bits a register: 0 valid, 1 zero, 2 special, 3 empty. */
  static int fullTags(Interpreter cpu) {
    int used = X87Unit.tags(cpu);
    int tags = 0;
    for (int i = 7; i >= 0; i--) {
      long register = cpu.s + CpuLayout.FPR + 16L * i;
      tags =
          tags << 2 | ((used >> i & 1) == 0 ? 3 : tag(X87Unit.se(register), X87Unit.sig(register)));
    }
    return tags;
  }

  private static int tag(int se, long sig) {
    int exponent = se & 0x7fff;
    if (exponent == 0 && sig == 0) {
      return 1;
    }
    return exponent == 0 || exponent == 0x7fff || sig >= 0 ? 2 : 0;
  }

  private static void fldenv(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    boolean wide = insn.opSize != 2;
    int size = wide ? 28 : 14;
    long linear = cpu.address(insn, size, false);
    cpu.mmu().probeRead(linear, size);
    loadEnvironment(cpu, linear, wide);
  }

  private static void frstor(Interpreter cpu, Insn insn) {
    checkWaiting(cpu);
    boolean wide = insn.opSize != 2;
    int size = wide ? 28 : 14;
    long linear = cpu.address(insn, size + 80, false);
    cpu.mmu().probeRead(linear, size + 80);
    loadEnvironment(cpu, linear, wide);
    for (int i = 0; i < 8; i++) {
      long register = X87Unit.st(cpu, i);
      RawMemory.putLong(register, cpu.mmu().read64(linear + size + 10L * i));
      int se = cpu.mmu().read16(linear + size + 10L * i + 8);
      RawMemory.putShort(register + 8, (short) se);
    }
  }

  private static void loadEnvironment(Interpreter cpu, long linear, boolean wide) {
    int step = wide ? 4 : 2;
    int fcw = cpu.mmu().read16(linear);
    int fsw = cpu.mmu().read16(linear + step);
    int full = cpu.mmu().read16(linear + 2L * step);
    long ip = cpu.mmu().read(linear + 3L * step, step);
    int codeHigh = (int) cpu.mmu().read(linear + 4L * step, step);
    long dp = cpu.mmu().read(linear + 5L * step, step);
    int dataHigh = (int) cpu.mmu().read(linear + 6L * step, step);
    int tags = 0;
    for (int i = 0; i < 8; i++) {
      tags |= (full >> 2 * i & 3) != 3 ? 1 << i : 0;
    }
    X87Unit.setTags(cpu, tags);
    X87Unit.setFsw(cpu, fsw);
    X87Unit.setFcw(cpu, fcw);
    int cs = 0;
    int ds = 0;
    int opcode = 0;
    if (selectors(cpu)) {
      cs = codeHigh & 0xffff;
      ds = dataHigh & 0xffff;
      opcode = wide ? codeHigh >>> 16 & 0x7ff : 0;
    } else {
      ip = ip & 0xffff | (codeHigh >>> 12 & 0xffffL) << 16;
      dp = dp & 0xffff | (dataHigh >>> 12 & 0xffffL) << 16;
      opcode = codeHigh & 0x7ff;
    }
    RawMemory.putLong(cpu.s + CpuLayout.FIP, ip);
    RawMemory.putLong(cpu.s + CpuLayout.FDP, dp);
    RawMemory.putInt(cpu.s + CpuLayout.FCS, cs);
    RawMemory.putInt(cpu.s + CpuLayout.FDS, ds);
    RawMemory.putInt(cpu.s + CpuLayout.FOP, opcode);
  }
}
