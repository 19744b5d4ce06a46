package dev.pollux.core.jit.asm;

/** Vector length of a VEX-encoded instruction. */
public enum VectorLength {
  L128,
  L256
}
