package dev.pollux.core.jit.asm;

import java.util.Objects;

/**
 * A memory operand: {@code segment:[base + index * scale + displacement + label]}. Immutable; an
 * emitter keeps those that it uses often. In 64-bit code a label makes it RIP-relative, in 16- and
 * 32-bit code absolute. What the encoding cannot hold is refused by the assembler, which knows the
 * mode.
 */
public final class Mem implements Rm, XmmRm {
  static final int NONE = -1;

  final int base;
  final int index;
  final int scaleLog2;
  final int displacement;
  final Label label;
  final Seg segment;
  final int addressBits;

  private Mem(
      int base,
      int index,
      int scaleLog2,
      int displacement,
      Label label,
      Seg segment,
      int addressBits) {
    this.base = base;
    this.index = index;
    this.scaleLog2 = scaleLog2;
    this.displacement = displacement;
    this.label = label;
    this.segment = segment;
    this.addressBits = addressBits;
  }

  /** {@code [base]}. */
  public static Mem of(Gpr base) {
    return of(base, 0);
  }

  /** {@code [base + displacement]}. */
  public static Mem of(Gpr base, int displacement) {
    return new Mem(address(base), NONE, 0, displacement, null, null, 0);
  }

  /** {@code [base + index * scale + displacement]}, scale 1, 2, 4 or 8. */
  public static Mem of(Gpr base, Gpr index, int scale, int displacement) {
    return new Mem(address(base), index(index), log2(scale), displacement, null, null, 0);
  }

  /** {@code [index * scale + displacement]}, scale 1, 2, 4 or 8. */
  public static Mem indexed(Gpr index, int scale, int displacement) {
    return new Mem(NONE, index(index), log2(scale), displacement, null, null, 0);
  }

  /** {@code [address]}, sign-extended to the address size. */
  public static Mem absolute(int address) {
    return new Mem(NONE, NONE, 0, address, null, null, 0);
  }

  /** {@code [label]}. */
  public static Mem of(Label label) {
    return of(label, 0);
  }

  /** {@code [label + displacement]}. */
  public static Mem of(Label label, int displacement) {
    return new Mem(NONE, NONE, 0, displacement, Objects.requireNonNull(label), null, 0);
  }

  /** {@code [base + label]}: 16- and 32-bit code only. */
  public static Mem of(Gpr base, Label label) {
    return new Mem(address(base), NONE, 0, 0, Objects.requireNonNull(label), null, 0);
  }

  /** The same place through another segment register. */
  public Mem in(Seg override) {
    return new Mem(base, index, scaleLog2, displacement, label, override, addressBits);
  }

  /**
   * The same registers in an address computed with {@code bits} (16, 32 or 64) instead of the
   * mode's default.
   */
  public Mem addressed(int bits) {
    if (bits != 16 && bits != 32 && bits != 64) {
      throw new IllegalArgumentException("address size " + bits);
    }
    return new Mem(base, index, scaleLog2, displacement, label, segment, bits);
  }

  /** The same operand, {@code offset} bytes further on. */
  public Mem plus(int offset) {
    return new Mem(
        base, index, scaleLog2, Math.addExact(displacement, offset), label, segment, addressBits);
  }

  private static int address(Gpr register) {
    if (register.isHighByte()) {
      throw new IllegalArgumentException(register + " cannot hold an address");
    }
    return register.number();
  }

  private static int index(Gpr register) {
    if (register == Gpr.RSP) {
      throw new IllegalArgumentException("RSP cannot be an index");
    }
    return address(register);
  }

  private static int log2(int scale) {
    return switch (scale) {
      case 1 -> 0;
      case 2 -> 1;
      case 4 -> 2;
      case 8 -> 3;
      default -> throw new IllegalArgumentException("scale " + scale);
    };
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    if (segment != null) {
      text.append(segment).append(':');
    }
    text.append('[');
    if (base != NONE) {
      text.append(Gpr.of(base)).append('+');
    }
    if (index != NONE) {
      text.append(Gpr.of(index)).append('*').append(1 << scaleLog2).append('+');
    }
    if (label != null) {
      text.append(label).append('+');
    }
    return text.append(displacement).append(']').toString();
  }
}
