package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.UndefinedResults;

/** Multiplication, division and decimal arithmetic. */
final class MultiplyOps {
  private static final UndefinedResults HOST = UndefinedResults.ofHost().orElse(null);

  private MultiplyOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.MUL, MultiplyOps::mul);
    t.bindByForm(
        Op.IMUL,
        insn ->
            switch (insn.operandCount) {
              case 1 -> MultiplyOps::imul1;
              case 2 -> (cpu, i) -> imul(cpu, i, cpu.read(i, 0), cpu.read(i, 1));
              default -> (cpu, i) -> imul(cpu, i, cpu.read(i, 1), i.imm);
            });
    t.bind(Op.DIV, MultiplyOps::div);
    t.bind(Op.IDIV, MultiplyOps::idiv);
    t.bind(Op.MULX, MultiplyOps::mulx);
    t.bind(Op.DAA, MultiplyOps::daa);
    t.bind(Op.DAS, MultiplyOps::das);
    t.bind(Op.AAA, (cpu, insn) -> asciiAdjust(cpu, 0x106));
    t.bind(Op.AAS, (cpu, insn) -> asciiAdjust(cpu, -0x106));
    t.bind(Op.AAM, MultiplyOps::aam);
    t.bind(Op.AAD, MultiplyOps::aad);
  }

  /** CF and OF both tell that the upper half matters; the other flags are undefined. */
  private static void setOverflow(Interpreter cpu, boolean overflow) {
    int others = cpu.statusFlags() & ~(Alu.CF | Alu.OF);
    cpu.setStatusFlags(others | (overflow ? Alu.CF | Alu.OF : 0));
  }

  private static void mul(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    long b = cpu.read(insn, 0);
    long a = cpu.gpr(Interpreter.RAX, size);
    long high;
    if (size == 8) {
      high = Math.unsignedMultiplyHigh(a, b);
      cpu.setGpr64(Interpreter.RAX, a * b);
      cpu.setGpr64(Interpreter.RDX, high);
    } else {
      high = a * b >>> size * 8;
      setProduct(cpu, size, a * b);
    }
    setOverflow(cpu, high != 0);
  }

  private static void imul1(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    long b = Alu.signExtend(cpu.read(insn, 0), size);
    long a = Alu.signExtend(cpu.gpr(Interpreter.RAX, size), size);
    long product = a * b;
    if (size == 8) {
      long high = Math.multiplyHigh(a, b);
      cpu.setGpr64(Interpreter.RAX, product);
      cpu.setGpr64(Interpreter.RDX, high);
      setOverflow(cpu, high != product >> 63);
    } else {
      setProduct(cpu, size, product);
      setOverflow(cpu, Alu.signExtend(product, size) != product);
    }
  }

  private static void setProduct(Interpreter cpu, int size, long product) {
    if (size == 1) {
      cpu.setGpr(Interpreter.RAX, 2, product);
    } else {
      cpu.setGpr(Interpreter.RAX, size, product);
      cpu.setGpr(Interpreter.RDX, size, product >>> size * 8);
    }
  }

  private static void imul(Interpreter cpu, Insn insn, long x, long y) {
    int size = insn.opSize;
    long a = Alu.signExtend(x, size);
    long b = Alu.signExtend(y, size);
    long product = a * b;
    boolean overflow =
        size == 8
            ? Math.multiplyHigh(a, b) != product >> 63
            : Alu.signExtend(product, size) != product;
    cpu.setGpr(insn.reg0, size, product);
    setOverflow(cpu, overflow);
  }

  private static void mulx(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    long a = cpu.gpr(Interpreter.RDX, size);
    long b = cpu.read(insn, 2);
    long high = size == 8 ? Math.unsignedMultiplyHigh(a, b) : a * b >>> 32;
    // Both destinations may be the same register: the upper half stays.
    cpu.setGpr(insn.reg1, size, a * b);
    cpu.setGpr(insn.reg0, size, high);
  }

  /**
   * Called with the dividend still in its registers. The flags are undefined: the host's, which may
   * depend on those before; without it they stay.
   */
  private static void setDivisionFlags(Interpreter cpu, int size, long divisor, boolean signed) {
    if (HOST != null) {
      long low = cpu.gpr64(Interpreter.RAX);
      long high = cpu.gpr64(Interpreter.RDX);
      int before = cpu.statusFlags();
      cpu.setStatusFlags(
          signed
              ? HOST.ofSignedDivision(size, low, high, divisor, before)
              : HOST.ofDivision(size, low, high, divisor, before));
    }
  }

  private static CpuException divideError(Interpreter cpu) {
    return cpu.fault(CpuException.DE);
  }

  private static void div(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    long divisor = cpu.read(insn, 0);
    if (divisor == 0) {
      throw divideError(cpu);
    }
    if (size == 8) {
      div128(cpu, divisor);
      return;
    }
    long dividend = dividend(cpu, size);
    long quotient = Long.divideUnsigned(dividend, divisor);
    if (quotient >>> size * 8 != 0) {
      throw divideError(cpu);
    }
    setDivisionFlags(cpu, size, divisor, false);
    setQuotient(cpu, size, quotient, dividend - quotient * divisor);
  }

  private static long dividend(Interpreter cpu, int size) {
    return size == 1
        ? cpu.gpr(Interpreter.RAX, 2)
        : cpu.gpr(Interpreter.RDX, size) << size * 8 | cpu.gpr(Interpreter.RAX, size);
  }

  private static void setQuotient(Interpreter cpu, int size, long quotient, long remainder) {
    if (size == 1) {
      cpu.setGpr(Interpreter.RAX, 2, quotient & 0xff | remainder << 8);
    } else {
      cpu.setGpr(Interpreter.RAX, size, quotient);
      cpu.setGpr(Interpreter.RDX, size, remainder);
    }
  }

  private static void div128(Interpreter cpu, long divisor) {
    long high = cpu.gpr64(Interpreter.RDX);
    long low = cpu.gpr64(Interpreter.RAX);
    if (Long.compareUnsigned(high, divisor) >= 0) {
      throw divideError(cpu);
    }
    long quotient = high == 0 ? Long.divideUnsigned(low, divisor) : divide(high, low, divisor);
    setDivisionFlags(cpu, 8, divisor, false);
    cpu.setGpr64(Interpreter.RAX, quotient);
    cpu.setGpr64(Interpreter.RDX, low - quotient * divisor);
  }

  private static void idiv(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    long divisor = Alu.signExtend(cpu.read(insn, 0), size);
    if (divisor == 0) {
      throw divideError(cpu);
    }
    if (size == 8) {
      idiv128(cpu, divisor);
      return;
    }
    long dividend = Alu.signExtend(dividend(cpu, size), size * 2);
    if (dividend == Long.MIN_VALUE && divisor == -1) {
      throw divideError(cpu);
    }
    long quotient = dividend / divisor;
    if (Alu.signExtend(quotient, size) != quotient) {
      throw divideError(cpu);
    }
    setDivisionFlags(cpu, size, divisor, true);
    setQuotient(cpu, size, quotient, dividend % divisor);
  }

  private static void idiv128(Interpreter cpu, long divisor) {
    long high = cpu.gpr64(Interpreter.RDX);
    long low = cpu.gpr64(Interpreter.RAX);
    boolean negative = high < 0;
    long absoluteLow = negative ? -low : low;
    long absoluteHigh = negative ? ~high + (low == 0 ? 1 : 0) : high;
    long absoluteDivisor = Math.abs(divisor); // 2^63 stays itself, unsigned
    if (Long.compareUnsigned(absoluteHigh, absoluteDivisor) >= 0) {
      throw divideError(cpu);
    }
    long quotient =
        absoluteHigh == 0
            ? Long.divideUnsigned(absoluteLow, absoluteDivisor)
            : divide(absoluteHigh, absoluteLow, absoluteDivisor);
    long remainder = absoluteLow - quotient * absoluteDivisor;
    boolean negativeQuotient = negative != divisor < 0;
    if (negativeQuotient ? Long.compareUnsigned(quotient, Long.MIN_VALUE) > 0 : quotient < 0) {
      throw divideError(cpu);
    }
    setDivisionFlags(cpu, 8, divisor, true);
    cpu.setGpr64(Interpreter.RAX, negativeQuotient ? -quotient : quotient);
    cpu.setGpr64(Interpreter.RDX, negative ? -remainder : remainder);
  }

  /**
   * The unsigned quotient of 128 bits by 64, where {@code high < divisor}: two steps of schoolbook
   * division by digits of 32 bits (Knuth, vol. 2, 4.3.1, algorithm D).
   */
  static long divide(long high, long low, long divisor) {
    int shift = Long.numberOfLeadingZeros(divisor);
    long d = divisor << shift;
    long h = shift == 0 ? high : high << shift | low >>> 64 - shift;
    long l = low << shift;
    long q1 = digit(h, l >>> 32, d);
    long rest = (h << 32 | l >>> 32) - q1 * d;
    long q0 = digit(rest, l & 0xffff_ffffL, d);
    return q1 << 32 | q0;
  }

  /** One digit of 32 bits: {@code (h * 2^32 + next) / d} for a normalised {@code d > h}. */
  private static long digit(long h, long next, long d) {
    long dHigh = d >>> 32;
    long dLow = d & 0xffff_ffffL;
    long q = Long.divideUnsigned(h, dHigh);
    long r = h - q * dHigh;
    while (q >>> 32 != 0 || Long.compareUnsigned(q * dLow, r << 32 | next) > 0) {
      q--;
      r += dHigh;
      if (r >>> 32 != 0) {
        break;
      }
    }
    return q;
  }

  // ---- decimal ----

  private static int resultFlags(int al) {
    return Alu.shiftFlags(al, 1, 0, 0);
  }

  private static void daa(Interpreter cpu, Insn insn) {
    int flags = cpu.statusFlags();
    int old = (int) cpu.gpr(Interpreter.RAX, 1);
    boolean low = (old & 15) > 9 || (flags & Alu.AF) != 0;
    boolean high = old > 0x99 || (flags & Alu.CF) != 0;
    int al = old + (low ? 6 : 0) + (high ? 0x60 : 0) & 0xff;
    cpu.setGpr(Interpreter.RAX, 1, al);
    cpu.setStatusFlags(resultFlags(al) | (low ? Alu.AF : 0) | (high ? Alu.CF : 0));
  }

  private static void das(Interpreter cpu, Insn insn) {
    int flags = cpu.statusFlags();
    int old = (int) cpu.gpr(Interpreter.RAX, 1);
    boolean low = (old & 15) > 9 || (flags & Alu.AF) != 0;
    boolean high = old > 0x99 || (flags & Alu.CF) != 0;
    int al = old - (low ? 6 : 0) - (high ? 0x60 : 0) & 0xff;
    boolean carry = high || low && old < 6;
    cpu.setGpr(Interpreter.RAX, 1, al);
    cpu.setStatusFlags(resultFlags(al) | (low ? Alu.AF : 0) | (carry ? Alu.CF : 0));
  }

  /** AAA and AAS: {@code adjustment} is what a decimal carry adds to AX. */
  private static void asciiAdjust(Interpreter cpu, int adjustment) {
    int ax = (int) cpu.gpr(Interpreter.RAX, 2);
    boolean adjust = (ax & 15) > 9 || (cpu.statusFlags() & Alu.AF) != 0;
    if (adjust) {
      ax += adjustment;
    }
    ax &= 0xff0f;
    cpu.setGpr(Interpreter.RAX, 2, ax);
    cpu.setStatusFlags(resultFlags(ax & 0xff) | (adjust ? Alu.AF | Alu.CF : 0));
  }

  private static void aam(Interpreter cpu, Insn insn) {
    int base = (int) insn.imm & 0xff;
    if (base == 0) {
      throw divideError(cpu);
    }
    int al = (int) cpu.gpr(Interpreter.RAX, 1);
    cpu.setGpr(Interpreter.RAX, 2, al / base << 8 | al % base);
    cpu.setStatusFlags(resultFlags(al % base));
  }

  private static void aad(Interpreter cpu, Insn insn) {
    int ax = (int) cpu.gpr(Interpreter.RAX, 2);
    int al = (ax & 0xff) + (ax >> 8) * ((int) insn.imm & 0xff) & 0xff;
    cpu.setGpr(Interpreter.RAX, 2, al);
    cpu.setStatusFlags(resultFlags(al));
  }
}
