package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.interp.Interpreter;
import java.util.ArrayList;
import java.util.List;

/**
 * Those instructions of blocks that the interpreter has executed, made ready for it. Used by the
 * vCPU's thread only.
 */
public final class ReadyInstructions {
  /** Heap that one takes, about. */
  private static final int BYTES = 300;

  private final Interpreter interpreter;
  private final Decoder decoder;

  /** By number, each by number of the instruction in its block. */
  private final List<Interpreter.Prepared[]> blocks = new ArrayList<>();

  private int count;

  public ReadyInstructions(Interpreter interpreter, Decoder decoder) {
    this.interpreter = interpreter;
    this.decoder = decoder;
    clear();
  }

  /**
   * Instruction {@code i} of a block.
   *
   * @param offset of it in the block
   */
  public Interpreter.Prepared get(JitBlock block, int i, int offset) {
    if (block.ready() == 0) {
      block.setReady(blocks.size());
      blocks.add(new Interpreter.Prepared[block.count()]);
    }
    Interpreter.Prepared[] ready = blocks.get(block.ready());
    if (ready[i] == null) {
      ready[i] = prepare(block, offset);
      count++;
    }
    return ready[i];
  }

  private Interpreter.Prepared prepare(JitBlock block, int offset) {
    byte[] looked = block.looked();
    int at = block.pageOffset() - block.firstLooked() + offset;
    Insn insn = decoder.decode(looked, at, looked.length, JitBlock.codeSize(block.key()));
    insn.nextOffset = offset + insn.length;
    return interpreter.prepare(insn);
  }

  /** Bytes of heap, about. */
  public long bytes() {
    return (long) count * BYTES;
  }

  /** Forgets all, with the blocks. */
  public void clear() {
    blocks.clear();
    blocks.add(null);
    count = 0;
  }
}
