package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;

/** Bit tests, bit scans, bit fields, BMI1 and BMI2, ADX, CRC32. */
final class BitOps {
  private BitOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.BT, (cpu, insn) -> bitTest(cpu, insn, (old, mask) -> old, false));
    t.bind(Op.BTS, (cpu, insn) -> bitTest(cpu, insn, (old, mask) -> old | mask, true));
    t.bind(Op.BTR, (cpu, insn) -> bitTest(cpu, insn, (old, mask) -> old & ~mask, true));
    t.bind(Op.BTC, (cpu, insn) -> bitTest(cpu, insn, (old, mask) -> old ^ mask, true));
    t.bind(Op.BSF, (cpu, insn) -> scan(cpu, insn, true));
    t.bind(Op.BSR, (cpu, insn) -> scan(cpu, insn, false));
    t.bind(Op.TZCNT, (cpu, insn) -> count(cpu, insn, true));
    t.bind(Op.LZCNT, (cpu, insn) -> count(cpu, insn, false));
    t.bind(Op.POPCNT, BitOps::popcnt);
    t.bind(Op.CRC32, BitOps::crc32);
    t.bind(Op.ADCX, (cpu, insn) -> addCarry(cpu, insn, Alu.CF));
    t.bind(Op.ADOX, (cpu, insn) -> addCarry(cpu, insn, Alu.OF));
    t.bind(
        Op.ANDN,
        (cpu, insn) -> {
          long r = ~cpu.read(insn, 1) & cpu.read(insn, 2);
          cpu.setGpr(insn.reg0, insn.opSize, r);
          cpu.setLogicFlags(r, insn.opSize);
        });
    t.bind(Op.BLSR, (cpu, insn) -> lowest(cpu, insn, Op.BLSR));
    t.bind(Op.BLSI, (cpu, insn) -> lowest(cpu, insn, Op.BLSI));
    t.bind(Op.BLSMSK, (cpu, insn) -> lowest(cpu, insn, Op.BLSMSK));
    t.bind(Op.BZHI, BitOps::bzhi);
    t.bind(Op.BEXTR, BitOps::bextr);
    t.bind(
        Op.PDEP,
        (cpu, insn) ->
            cpu.setGpr(insn.reg0, insn.opSize, Alu.deposit(cpu.read(insn, 1), cpu.read(insn, 2))));
    t.bind(
        Op.PEXT,
        (cpu, insn) ->
            cpu.setGpr(insn.reg0, insn.opSize, Alu.extract(cpu.read(insn, 1), cpu.read(insn, 2))));
  }

  /**
   * CF is the bit; a register as bit number reaches beyond a memory operand, in both directions.
   */
  private static void bitTest(
      Interpreter cpu, Insn insn, AtomicMemory.Update update, boolean writes) {
    int size = insn.size0;
    int width = size * 8;
    long number =
        insn.kind1 == Insn.IMM ? insn.imm : Alu.signExtend(cpu.gpr(insn.reg1, size), size);
    long mask = 1L << (number & width - 1);
    long old;
    if (insn.kind0 == Insn.MEM) {
      long offset = cpu.effectiveAddress(insn);
      if (insn.kind1 != Insn.IMM) {
        offset =
            Alu.zeroExtend(
                offset + (number >> Integer.numberOfTrailingZeros(width)) * size, insn.addrSize);
      }
      long address = cpu.linear(insn.segment, offset, size, writes);
      if (!writes) {
        old = cpu.mmu().read(address, size);
      } else if (insn.lock) {
        old = AtomicMemory.update(cpu, address, size, update, mask);
      } else {
        cpu.mmu().probeWrite(address, size);
        old = cpu.mmu().read(address, size);
        cpu.mmu().write(address, size, update.apply(old, mask));
      }
    } else {
      old = cpu.read(insn, 0);
      if (writes) {
        cpu.write(insn, 0, update.apply(old, mask));
      }
    }
    cpu.setStatusFlags(cpu.statusFlags() & ~Alu.CF | ((old & mask) != 0 ? Alu.CF : 0));
  }

  /** A source of 0 leaves the destination as it was, upper half included. */
  private static void scan(Interpreter cpu, Insn insn, boolean forward) {
    long source = cpu.read(insn, 1);
    if (source != 0) {
      cpu.setGpr(
          insn.reg0,
          insn.opSize,
          forward ? Long.numberOfTrailingZeros(source) : 63 - Long.numberOfLeadingZeros(source));
    }
    IntegerOps.setZero(cpu, source == 0);
  }

  private static void count(Interpreter cpu, Insn insn, boolean trailing) {
    int width = insn.opSize * 8;
    long source = cpu.read(insn, 1);
    int r =
        source == 0
            ? width
            : trailing
                ? Long.numberOfTrailingZeros(source)
                : Long.numberOfLeadingZeros(source) - (64 - width);
    cpu.setGpr(insn.reg0, insn.opSize, r);
    cpu.setStatusFlags(
        cpu.statusFlags() & ~(Alu.CF | Alu.ZF)
            | (source == 0 ? Alu.CF : 0)
            | (r == 0 ? Alu.ZF : 0));
  }

  private static void popcnt(Interpreter cpu, Insn insn) {
    long source = cpu.read(insn, 1);
    cpu.setGpr(insn.reg0, insn.opSize, Long.bitCount(source));
    cpu.setStatusFlags(source == 0 ? Alu.ZF : 0);
  }

  private static void crc32(Interpreter cpu, Insn insn) {
    long source = cpu.read(insn, 1);
    cpu.setGpr(
        insn.reg0, insn.size0, Alu.crc32c(cpu.gpr32(insn.reg0), source, insn.size1) & 0xffff_ffffL);
  }

  /** ADCX and ADOX: an addition whose carry in and out is one flag, the others staying. */
  private static void addCarry(Interpreter cpu, Insn insn, int flag) {
    int size = insn.size0;
    long b = cpu.read(insn, 1);
    long a = cpu.read(insn, 0);
    int flags = cpu.statusFlags();
    long r = a + b + ((flags & flag) != 0 ? 1 : 0);
    boolean carry = Alu.msb(Alu.addCarries(a, b, r), size) != 0;
    cpu.setGpr(insn.reg0, size, r);
    cpu.setStatusFlags(flags & ~flag | (carry ? flag : 0));
  }

  private static void lowest(Interpreter cpu, Insn insn, Op op) {
    int size = insn.opSize;
    long a = cpu.read(insn, 1);
    long r =
        switch (op) {
          case BLSR -> a & a - 1;
          case BLSI -> a & -a;
          default -> a ^ a - 1;
        };
    cpu.setGpr(insn.reg0, size, r);
    boolean carry = op == Op.BLSI ? a != 0 : a == 0;
    cpu.setLogicFlags(r, size);
    cpu.setCarryOnly(carry);
    cpu.setStatusFlags(cpu.statusFlags() & ~Alu.OF);
  }

  private static void bzhi(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    int index = (int) cpu.gpr(insn.reg2, 1);
    long a = cpu.read(insn, 1);
    boolean whole = index >= size * 8;
    long r = whole ? a : a & (1L << index) - 1;
    cpu.setGpr(insn.reg0, size, r);
    cpu.setLogicFlags(r, size);
    cpu.setStatusFlags(cpu.statusFlags() & ~Alu.CF | (whole ? Alu.CF : 0));
  }

  private static void bextr(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    int control = (int) cpu.gpr(insn.reg2, 2);
    int start = control & 0xff;
    int length = control >> 8;
    long a = cpu.read(insn, 1);
    long field = start >= size * 8 ? 0 : a >>> start;
    long r = length >= 64 ? field : field & (1L << length) - 1;
    cpu.setGpr(insn.reg0, size, r);
    cpu.setLogicFlags(r, size);
  }
}
