package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;

/**
 * What the number of each way out of generated code means. Used by the vCPU's thread only. A
 * record:
 *
 * <pre>
 *    0  u32  number of the block's record, or 0     4  u16  code offset behind the instruction, or of
 *                                                           a link's displacement
 *    8  u16  bits                                   6  u16  length of the instruction, or code offset
 *                                                           of a link's stub
 *   10  i16  guest offset of the instruction, or   12  u32  the next way out that leads to the same
 *            of the link's target                          block; or the recipe of the flags, or 0
 * </pre>
 */
public final class ExitTable implements AutoCloseable {
  /** Bytes of a record. */
  static final int RECORD = 16;

  private static final int BLOCK = 0;

  /** u32: the two fields of 16 bits there. */
  private static final int CODE = 4;

  /** u16: the bits that follow. */
  private static final int BITS = 8;

  /** i16 guest offset of the instruction, or of the link's target. */
  private static final int GUEST = 10;

  private static final int NEXT = 12;
  private static final int RECIPE = 12;

  private static final int INTERPRET = 1;
  private static final int LINK = 2;
  private static final int POLLS = 1 << 2;
  private static final int ALWAYS = 1 << 3;
  private static final int MODE_SHIFT = 4;
  private static final int MODE_AFTER_SHIFT = 6;
  private static final int MODE = 3;
  private static final int INSN_SHIFT = 8;
  private static final int INSN = 63;

  /** It is in the list of a block that it leads to. */
  private static final int LINKED = 1 << 14;

  private final RecordMemory blocks;
  private final RecordMemory exits;

  /**
   * @param blocks where the blocks' records are
   * @param most bytes of room
   */
  ExitTable(RecordMemory blocks, long most) throws IOException {
    this.blocks = blocks;
    this.exits = new RecordMemory(most);
  }

  /** The number of the next exit. */
  public int next() {
    return (int) (exits.used() / RECORD);
  }

  /** An exit that is in no block: RIP is set. */
  public void addToRip(int mode) {
    put(exits.allocate(RECORD), mode << MODE_SHIFT, 0, 0);
  }

  /**
   * All exits of a block, in their order.
   *
   * @param insns the block's
   */
  public void add(JitBlock block, BlockCode code, Insn[] insns) {
    for (BlockCode.Exit exit : code.exits()) {
      long at = allocate(block);
      int mode = exit.mode() << MODE_SHIFT;
      switch (exit) {
        case BlockCode.Interpret interpret -> {
          int i = interpret.insn();
          put(
              at,
              mode
                  | INTERPRET
                  | (code.interprets(i) ? ALWAYS : 0)
                  | code.modeAfter(i) << MODE_AFTER_SHIFT
                  | i << INSN_SHIFT,
              code.resumeAfter(i) | insns[i].length << 16,
              insns[i].nextOffset - insns[i].length);
          RawMemory.putInt(at + RECIPE, interpret.recipe());
        }
        case BlockCode.Link link ->
            put(
                at,
                mode | LINK | (link.polls() ? POLLS : 0),
                link.jumpAt() | link.stub() << 16,
                (int) link.target());
        case BlockCode.Start start -> put(at, mode, 0, 0);
      }
    }
  }

  /** Adds a way out of a block, of which another table had the record. */
  void add(JitBlock block, long record) {
    long at = exits.allocate(RECORD);
    RawMemory.copy16(record, at);
    RawMemory.putInt(at + BLOCK, blocks.number(block.record()));
  }

  /** Of a record from a file: true if what it says is in its block. */
  static boolean isSound(JitBlock block, long record) {
    int bits = RawMemory.getShort(record + BITS);
    int code = RawMemory.getInt(record + CODE);
    int guest = RawMemory.getShort(record + GUEST);
    if ((bits & INTERPRET) != 0) {
      boolean inside = guest >= 0 && guest + (code >>> 16) <= block.length();
      boolean resumes = (code & 0xffff) <= block.codeBytes();
      return inside && resumes && (bits >> INSN_SHIFT & INSN) < block.count();
    }
    return (bits & LINK) == 0
        || (code & 0xffff) + Integer.BYTES <= block.codeBytes() && code >>> 16 < block.codeBytes();
  }

  /** Copies a block's records as if nothing had been linked. */
  void copyUnlinked(JitBlock block, long to) {
    long at = to;
    for (int i = 0; i < block.exits(); i++, at += RECORD) {
      RawMemory.copy16(at(block.firstExit() + i), at);
      RawMemory.putInt(at + BLOCK, 0);
      int bits = RawMemory.getShort(at + BITS);
      if ((bits & LINK) != 0) {
        RawMemory.putShort(at + BITS, (short) (bits & ~LINKED));
        RawMemory.putInt(at + NEXT, 0);
      }
    }
  }

  private long allocate(JitBlock block) {
    long at = exits.allocate(RECORD);
    RawMemory.putInt(at + BLOCK, blocks.number(block.record()));
    return at;
  }

  private static void put(long at, int bits, int code, int guest) {
    RawMemory.putInt(at + CODE, code);
    RawMemory.putShort(at + BITS, (short) bits);
    RawMemory.putShort(at + GUEST, (short) guest);
  }

  private long at(int exit) {
    return exits.address(exit * (RECORD / 8));
  }

  private int bits(int exit) {
    return RawMemory.getShort(at(exit) + BITS);
  }

  private int code(int exit) {
    return RawMemory.getInt(at(exit) + CODE);
  }

  /** The block that an exit is in, or null. */
  public JitBlock block(int exit) {
    return isInBlock(exit) ? new JitBlock(record(exit)) : null;
  }

  /** True if an exit is in a block. */
  public boolean isInBlock(int exit) {
    return RawMemory.getInt(at(exit) + BLOCK) != 0;
  }

  /** Address of the record of the block that an exit is in. */
  private long record(int exit) {
    return blocks.address(RawMemory.getInt(at(exit) + BLOCK));
  }

  /** An exit's guest address relative to the guest's page of the start of its block. */
  public int offsetInPage(int exit) {
    return JitBlock.pageOffset(record(exit)) + guestOffset(exit);
  }

  /** The software TLB's mode at an exit. */
  public int mode(int exit) {
    return bits(exit) >> MODE_SHIFT & MODE;
  }

  /** An exit's guest address relative to the start of its block. */
  public int guestOffset(int exit) {
    return RawMemory.getShort(at(exit) + GUEST);
  }

  /** True if the interpreter is to execute an instruction. */
  public boolean interprets(int exit) {
    return (bits(exit) & INTERPRET) != 0;
  }

  /** The number in its block of the instruction that the interpreter is to execute. */
  public int insn(int exit) {
    return bits(exit) >> INSN_SHIFT & INSN;
  }

  /** What the guest's flags have to be found out from there; 0 if they are in their place. */
  public int recipe(int exit) {
    return interprets(exit) ? RawMemory.getInt(at(exit) + RECIPE) : 0;
  }

  /** True if that instruction has no host code. */
  public boolean always(int exit) {
    return (bits(exit) & ALWAYS) != 0;
  }

  /** The software TLB's mode behind that instruction. */
  public int modeAfter(int exit) {
    return bits(exit) >> MODE_AFTER_SHIFT & MODE;
  }

  /** Offset from the start of the block's code of what follows that instruction, or 0: none. */
  public int resumeAt(int exit) {
    return code(exit) & 0xffff;
  }

  /** Bytes of that instruction. */
  public int length(int exit) {
    return code(exit) >>> 16;
  }

  /** True for a jump that can be patched. */
  public boolean isLink(int exit) {
    return (bits(exit) & LINK) != 0;
  }

  /** True for a link that may close a loop. */
  boolean polls(int exit) {
    return (bits(exit) & POLLS) != 0;
  }

  /** Address of a link's displacement. */
  long jump(int exit) {
    return JitBlock.start(record(exit)) + (code(exit) & 0xffff);
  }

  /** Address of what a link leads to at first. */
  long stub(int exit) {
    return JitBlock.start(record(exit)) + (code(exit) >>> 16);
  }

  /** True while a link is in the list of a block that it leads to. */
  boolean isLinked(int exit) {
    return (bits(exit) & LINKED) != 0;
  }

  /** Enters a link as the first of the list of a block. */
  void enter(int exit, JitBlock to) {
    RawMemory.putShort(at(exit) + BITS, (short) (bits(exit) | LINKED));
    RawMemory.putInt(at(exit) + NEXT, to.incoming());
    to.setIncoming(exit);
  }

  /** Takes the first link out of the list of a block, which is not empty. */
  int takeOut(JitBlock to) {
    int exit = to.incoming();
    to.setIncoming(RawMemory.getInt(at(exit) + NEXT));
    RawMemory.putShort(at(exit) + BITS, (short) (bits(exit) & ~LINKED));
    return exit;
  }

  /** Bytes of all records. */
  long bytes() {
    return exits.used();
  }

  /** Forgets all. */
  void clear() {
    exits.clear();
  }

  @Override
  public void close() {
    exits.close();
  }
}
