package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;

/** Finds out which instructions make a block. Used by one thread. */
public final class BlockDecoder {
  private static final int MAX_INSNS = 64;

  private final Decoder decoder;
  private final Insn[] insns = new Insn[MAX_INSNS];
  private final int[] offsets = new int[MAX_INSNS];

  public BlockDecoder(Decoder decoder) {
    this.decoder = decoder;
  }

  /**
   * Decodes what a block consists of that begins at offset {@code start} of {@code code} and does
   * not go beyond {@code end}, into {@link #insns} and {@link #offsets}; returns how many, 0 if the
   * first is not whole, not valid or has to be the interpreter's.
   */
  public int decode(BlockCompiler.Context context, byte[] code, int start, int end) {
    int count = 0;
    int at = start;
    while (count < MAX_INSNS) {
      Insn insn = decoder.decode(code, at, end, context.codeSize());
      if (insn == null || !insn.isValid()) {
        break;
      }
      put(count++, insn, at - start);
      at += insn.length;
      if (context.endsBlock(insn)) {
        break;
      }
    }
    // The instruction behind STI is executed before any interrupt.
    while (count > 0 && insns[count - 1].op == Op.STI) {
      count--;
    }
    return count;
  }

  /**
   * Decodes one instruction as a block of its own; false if it cannot be one.
   *
   * @param codeSize 32 or 64
   */
  public boolean decodeOne(int codeSize, byte[] code, int start, int end) {
    Insn insn = decoder.decode(code, start, end, codeSize);
    if (insn == null || !insn.isValid() || insn.op == Op.STI) {
      return false;
    }
    put(0, insn, 0);
    return true;
  }

  private void put(int number, Insn insn, int offset) {
    insns[number] = insn;
    offsets[number] = offset;
    insn.nextOffset = offset + insn.length;
  }

  /** The instructions that were decoded last, and older ones behind them. */
  public Insn[] insns() {
    return insns;
  }

  /** Offsets of the instructions from the first, in bytes. */
  public int[] offsets() {
    return offsets;
  }
}
