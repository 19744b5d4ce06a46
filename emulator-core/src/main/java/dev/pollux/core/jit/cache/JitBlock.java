package dev.pollux.core.jit.cache;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.emit.BlockCode;
import java.util.Arrays;

/**
 * A piece of guest code and the host code made from it. It belongs to one execution key and to the
 * host memory that holds the guest's bytes, wherever the guest has mapped that.
 */
public final class JitBlock {
  private static final long[] NO_LINKS = {};
  private static final long JUMP_OPCODE = 0xe9;

  /** The part of an execution key that is the software TLB's mode. */
  public static final int MODE = 3;

  /** In an execution key: 32-bit code, its segments being flat. */
  public static final int CODE32 = 1 << 7;

  /** Number of the execution key. */
  public final int key;

  /** Host address of the first guest byte. */
  public final long hostCode;

  /**
   * Host address of the page that the last of the guest's bytes are in, if that is not the page of
   * the first; otherwise 0.
   */
  public final long secondPage;

  /** Guest bytes. */
  public final int length;

  /** Guest instructions. */
  public final int count;

  /** Address of the code, where jumps enter that have to look for requests. */
  public final long start;

  /** Address to enter at otherwise, all registers loaded by the way in. */
  public final long entry;

  private final int units;

  /** The guest's bytes that the translation depends on, those of a second page last. */
  public final byte[] looked;

  /** Offset in the guest's first page of the first of them. */
  public final int firstLooked;

  /** The instructions that the interpreter has executed so far, made ready for it; or null. */
  private Interpreter.Prepared[] prepared;

  private boolean valid = true;

  /** What {@link #entry} leads to while the block is dropped. */
  private final long dropped;

  /** What stood at {@link #entry} before the block was dropped. */
  private long opening;

  /** Next in the same bucket, of the blocks in use or of the dropped ones. */
  JitBlock next;

  /**
   * Pairs of the address of a patched displacement and the address of the stub that it leads to
   * without this block.
   */
  private long[] incoming = NO_LINKS;

  private int incomingCount;

  public JitBlock(
      int key,
      long hostCode,
      long secondPage,
      int length,
      int count,
      long start,
      int entryAt,
      int units,
      long dropped,
      byte[] looked,
      int firstLooked) {
    this.key = key;
    this.hostCode = hostCode;
    this.secondPage = secondPage;
    this.length = length;
    this.count = count;
    this.start = start;
    this.entry = start + entryAt;
    this.units = units;
    this.dropped = dropped;
    this.looked = looked;
    this.firstLooked = firstLooked;
  }

  /**
   * Instruction {@code i}, ready for the interpreter.
   *
   * @param offset of it in the block
   */
  public Interpreter.Prepared prepared(
      int i, int offset, Interpreter interpreter, Decoder decoder) {
    if (prepared == null) {
      prepared = new Interpreter.Prepared[count];
    }
    Interpreter.Prepared ready = prepared[i];
    if (ready == null) {
      int at = pageOffset() - firstLooked + offset;
      Insn insn = decoder.decode(looked, at, looked.length, codeSize(key));
      insn.nextOffset = offset + insn.length;
      ready = interpreter.prepare(insn);
      prepared[i] = ready;
    }
    return ready;
  }

  /** Bits of the code that belongs to an execution key. */
  public static int codeSize(int key) {
    return (key & CODE32) != 0 ? 32 : 64;
  }

  /** True if {@link #prepared} has made instruction {@code i} ready before. */
  public boolean isPrepared(int i) {
    return prepared != null && prepared[i] != null;
  }

  /** False while the block is dropped. */
  public boolean valid() {
    return valid;
  }

  boolean isOf(int withKey, long host) {
    return hostCode == host && key == withKey;
  }

  /** Offset of the block's start in its page. */
  public int pageOffset() {
    return (int) hostCode & 4095;
  }

  /** What to pass to the way in when the code is entered behind an instruction. */
  public int units() {
    return units;
  }

  void addIncoming(long patched, long stub) {
    if (incomingCount + 2 > incoming.length) {
      incoming = Arrays.copyOf(incoming, Math.max(4, incoming.length * 2));
    }
    incoming[incomingCount++] = patched;
    incoming[incomingCount++] = stub;
  }

  /**
   * Leads all jumps elsewhere: those that were patched back to their stubs, those that find the
   * entry in a table, wherever its page is mapped, out.
   */
  void close(CodeCache cache) {
    valid = false;
    opening = cache.exchange(entry, jumpTo(dropped), BlockCode.OPENING);
    for (int i = 0; i < incomingCount; i += 2) {
      cache.patch32(incoming[i], (int) (incoming[i + 1] - (incoming[i] + 4)));
    }
    incomingCount = 0;
  }

  private long jumpTo(long target) {
    return JUMP_OPCODE | (target - (entry + BlockCode.OPENING) & 0xffff_ffffL) << 8;
  }

  /** Undoes {@link #close}; jumps are patched anew. */
  void open(CodeCache cache) {
    cache.exchange(entry, opening, BlockCode.OPENING);
    valid = true;
  }

  /** The whole is discarded, code and all. */
  void discard() {
    valid = false;
  }
}
