package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Op;

/** A set of instructions: a bit each, which every compiler of the JVM turns into one test. */
final class OpSet {
  private final long[] bits = new long[(Op.values().length + 63) / 64];

  private OpSet() {}

  static OpSet of(Op... ops) {
    OpSet set = new OpSet();
    for (Op op : ops) {
      set.bits[op.ordinal() >> 6] |= 1L << op.ordinal();
    }
    return set;
  }

  boolean contains(Op op) {
    return (bits[op.ordinal() >> 6] & 1L << op.ordinal()) != 0;
  }
}
