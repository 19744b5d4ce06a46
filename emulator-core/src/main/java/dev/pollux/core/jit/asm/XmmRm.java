package dev.pollux.core.jit.asm;

/** What the r/m field of a vector instruction can name: a vector register or memory. */
public sealed interface XmmRm permits Xmm, Mem {}
