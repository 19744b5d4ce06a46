package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What the number of each way out of generated code means. There are millions, so they are numbers
 * in one array. Used by the vCPU's thread only.
 */
public final class ExitTable {
  /** Numbers of one exit. */
  private static final int FIELDS = 4;

  private static final int FIRST = 1 << 14;

  // In an exit: number of the block; the bits that follow; code offset behind the instruction, or
  // of a link's displacement and stub; guest offset of the instruction, or of the link's target.
  private static final int BLOCK = 0;
  private static final int BITS = 1;
  private static final int CODE = 2;
  private static final int GUEST = 3;

  private static final int INTERPRET = 1;
  private static final int LINK = 2;
  private static final int POLLS = 1 << 2;
  private static final int ALWAYS = 1 << 3;
  private static final int MODE_SHIFT = 4;
  private static final int MODE_AFTER_SHIFT = 6;
  private static final int MODE = 3;
  private static final int INSN_SHIFT = 8;

  private final List<JitBlock> blocks = new ArrayList<>();
  private int[] fields = new int[FIRST * FIELDS];
  private int count;

  /** The number of the next exit. */
  public int next() {
    return count;
  }

  /** An exit that is in no block: RIP is set. */
  public void addToRip(int mode) {
    put(-1, mode << MODE_SHIFT, 0, 0);
  }

  /**
   * All exits of a block, in their order.
   *
   * @param insns the block's
   */
  public void add(JitBlock block, BlockCode code, Insn[] insns) {
    int number = blocks.size();
    blocks.add(block);
    for (BlockCode.Exit exit : code.exits()) {
      int mode = exit.mode() << MODE_SHIFT;
      switch (exit) {
        case BlockCode.Interpret interpret -> {
          int i = interpret.insn();
          put(
              number,
              mode
                  | INTERPRET
                  | (code.interprets(i) ? ALWAYS : 0)
                  | code.modeAfter(i) << MODE_AFTER_SHIFT
                  | i << INSN_SHIFT,
              code.resumeAfter(i),
              insns[i].nextOffset - insns[i].length);
        }
        case BlockCode.Link link ->
            put(
                number,
                mode | LINK | (link.polls() ? POLLS : 0),
                link.jumpAt() | link.stub() << 16,
                (int) link.target());
        case BlockCode.Start start -> put(number, mode, 0, 0);
      }
    }
  }

  /** Says in 8 bytes what an exit means in its block. */
  public void write(int exit, ByteBuffer out) {
    int at = exit * FIELDS;
    out.putInt(fields[at + CODE]);
    out.putShort((short) fields[at + BITS]).putShort((short) fields[at + GUEST]);
  }

  /**
   * The next exit of the block added last, or of a new one.
   *
   * @param written host address of what {@link #write} has written
   */
  public void read(JitBlock block, long written) {
    if (blocks.isEmpty() || blocks.getLast() != block) {
      blocks.add(block);
    }
    put(
        blocks.size() - 1,
        RawMemory.getShort(written + 4) & 0xffff,
        RawMemory.getInt(written),
        RawMemory.getShort(written + 6));
  }

  private void put(int block, int bits, int code, int guest) {
    int at = count++ * FIELDS;
    if (at == fields.length) {
      fields = Arrays.copyOf(fields, at * 2);
    }
    fields[at + BLOCK] = block;
    fields[at + BITS] = bits;
    fields[at + CODE] = code;
    fields[at + GUEST] = guest;
  }

  private int bits(int exit) {
    return fields[exit * FIELDS + BITS];
  }

  /** The block that an exit is in, or null. */
  public JitBlock block(int exit) {
    int number = fields[exit * FIELDS + BLOCK];
    return number < 0 ? null : blocks.get(number);
  }

  /** The software TLB's mode at an exit. */
  public int mode(int exit) {
    return bits(exit) >> MODE_SHIFT & MODE;
  }

  /** An exit's guest address relative to the start of its block. */
  public int guestOffset(int exit) {
    return fields[exit * FIELDS + GUEST];
  }

  /** True if the interpreter is to execute an instruction. */
  public boolean interprets(int exit) {
    return (bits(exit) & INTERPRET) != 0;
  }

  /** The number in its block of the instruction that the interpreter is to execute. */
  public int insn(int exit) {
    return bits(exit) >>> INSN_SHIFT;
  }

  /** True if that instruction has no host code. */
  public boolean always(int exit) {
    return (bits(exit) & ALWAYS) != 0;
  }

  /** The software TLB's mode behind that instruction. */
  public int modeAfter(int exit) {
    return bits(exit) >> MODE_AFTER_SHIFT & MODE;
  }

  /** Offset from the start of the block's code of what follows that instruction. */
  public int resumeAt(int exit) {
    return fields[exit * FIELDS + CODE];
  }

  /** True for a jump that can be patched. */
  public boolean isLink(int exit) {
    return (bits(exit) & LINK) != 0;
  }

  /** True for a link that may close a loop. */
  public boolean polls(int exit) {
    return (bits(exit) & POLLS) != 0;
  }

  /** Offset from the start of the block's code of a link's displacement. */
  public int jumpAt(int exit) {
    return fields[exit * FIELDS + CODE] & 0xffff;
  }

  /** Offset from the start of the block's code of what a link leads to at first. */
  public int stub(int exit) {
    return fields[exit * FIELDS + CODE] >>> 16;
  }

  /** Forgets all. */
  public void clear() {
    blocks.clear();
    fields = new int[FIRST * FIELDS];
    count = 0;
  }
}
