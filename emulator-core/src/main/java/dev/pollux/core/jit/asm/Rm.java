package dev.pollux.core.jit.asm;

/** What the r/m field of an integer instruction can name: a general-purpose register or memory. */
public sealed interface Rm permits Gpr, Mem {}
