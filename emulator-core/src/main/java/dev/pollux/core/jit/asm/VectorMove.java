package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.F2;
import static dev.pollux.core.jit.asm.OpcodeBits.F3;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F38;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;

/**
 * Moves between a vector register and memory or another vector register: one opcode per direction.
 */
public enum VectorMove {
  MOVAPS(NP, M0F, 0x28, 0x29, Shape.WHOLE),
  MOVAPD(P66, M0F, 0x28, 0x29, Shape.WHOLE),
  MOVUPS(NP, M0F, 0x10, 0x11, Shape.WHOLE),
  MOVUPD(P66, M0F, 0x10, 0x11, Shape.WHOLE),
  MOVDQA(P66, M0F, 0x6f, 0x7f, Shape.WHOLE),
  MOVDQU(F3, M0F, 0x6f, 0x7f, Shape.WHOLE),
  LDDQU(F2, M0F, 0xf0, VectorMove.NO_OPCODE, Shape.MEMORY),
  MOVNTDQA(P66, M0F38, 0x2a, VectorMove.NO_OPCODE, Shape.MEMORY),
  MOVNTPS(NP, M0F, VectorMove.NO_OPCODE, 0x2b, Shape.MEMORY),
  MOVNTPD(P66, M0F, VectorMove.NO_OPCODE, 0x2b, Shape.MEMORY),
  MOVNTDQ(P66, M0F, VectorMove.NO_OPCODE, 0xe7, Shape.MEMORY),
  MOVSS(F3, M0F, 0x10, 0x11, Shape.SCALAR),
  MOVSD(F2, M0F, 0x10, 0x11, Shape.SCALAR),
  MOVLPS(NP, M0F, 0x12, 0x13, Shape.HALF),
  MOVLPD(P66, M0F, 0x12, 0x13, Shape.HALF),
  MOVHPS(NP, M0F, 0x16, 0x17, Shape.HALF),
  MOVHPD(P66, M0F, 0x16, 0x17, Shape.HALF);

  /** How a move combines its operands. */
  enum Shape {
    /** The whole register, from or to a register or memory. */
    WHOLE,
    /** The whole register, from or to memory only. */
    MEMORY,
    /** The low element: memory, or (with a first source in VEX) register. */
    SCALAR,
    /** One half, from (with a first source in VEX) or to memory. */
    HALF
  }

  static final int NO_OPCODE = -1;

  private final int prefix;
  private final int map;
  private final int load;
  private final int store;
  private final Shape shape;

  VectorMove(int prefix, int map, int load, int store, Shape shape) {
    this.prefix = prefix;
    this.map = map;
    this.load = load;
    this.store = store;
    this.shape = shape;
  }

  int prefix() {
    return prefix;
  }

  int map() {
    return map;
  }

  Shape shape() {
    return shape;
  }

  int loadOpcode() {
    return require(load, "load");
  }

  int storeOpcode() {
    return require(store, "store");
  }

  private int require(int opcode, String direction) {
    if (opcode == NO_OPCODE) {
      throw new IllegalArgumentException(this + " has no " + direction + " form");
    }
    return opcode;
  }
}
