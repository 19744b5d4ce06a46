package dev.pollux.core.jit.emit;

import java.util.List;

/**
 * What {@link BlockCompiler} made of a block, besides the code itself. Offsets are in bytes from
 * the start of the block's code.
 */
public final class BlockCode {
  /**
   * Bytes at the entry that are never patched: a near jump replaces them while the block is
   * dropped.
   */
  public static final int OPENING = 5;

  private final List<Exit> exits;
  private final int[] resume;
  private final int[] modes;
  private final boolean[] interpreted;
  private final int entryAt;
  private final int bodyAt;
  private final int[] ends;
  private final int[] stubJumps;
  private final boolean simd;
  private final boolean x87;

  BlockCode(
      List<Exit> exits,
      int[] resume,
      int[] modes,
      boolean[] interpreted,
      int entryAt,
      int bodyAt,
      int[] ends,
      int[] stubJumps,
      boolean simd,
      boolean x87) {
    this.exits = List.copyOf(exits);
    this.resume = resume;
    this.modes = modes;
    this.interpreted = interpreted;
    this.entryAt = entryAt;
    this.bodyAt = bodyAt;
    this.ends = ends;
    this.stubJumps = stubJumps;
    this.simd = simd;
    this.x87 = x87;
  }

  /** Every place where the code can leave, in no particular order. */
  public List<Exit> exits() {
    return exits;
  }

  /**
   * Offset of the code that follows guest instruction {@code insn}, to be entered with the state as
   * after it; 0 if there is none.
   */
  public int resumeAfter(int insn) {
    return resume[insn];
  }

  /** The software TLB's mode behind guest instruction {@code insn}. */
  public int modeAfter(int insn) {
    return modes[insn];
  }

  /** True if the interpreter always executes guest instruction {@code insn}. */
  public boolean interprets(int insn) {
    return interpreted[insn];
  }

  /**
   * Offset of the end of guest instruction {@code insn}'s code, what is out of line aside.
   * Instructions that are executed together are counted as the first of them.
   */
  public int endOf(int insn) {
    return ends[insn];
  }

  /**
   * Offset of where the block is entered. Before that stands a poll, at which jumps enter that may
   * close a loop.
   */
  public int entryAt() {
    return entryAt;
  }

  /** Offset of the first guest instruction's code, behind what prepares for the block. */
  public int bodyAt() {
    return bodyAt;
  }

  /**
   * Offsets of 32-bit displacements that lead out of the code, to stubs: all that depends on where
   * the code is.
   */
  public int[] stubJumps() {
    return stubJumps;
  }

  /** The code expects vector registers to be loaded when it is entered in the middle. */
  public boolean simd() {
    return simd;
  }

  /** The code expects x87 registers to be loaded when it is entered in the middle. */
  public boolean x87() {
    return x87;
  }

  /** A way out of the code. */
  public sealed interface Exit {
    /** Offset of the four bytes of the exit's number, which whoever installs the code fills in. */
    int numberAt();

    /** The software TLB's mode there: it may have changed since the block was entered. */
    int mode();
  }

  /**
   * The interpreter is to execute guest instruction {@code insn} of the block; the code can be
   * resumed behind it.
   *
   * @param recipe of flags that are not in their place, or 0
   */
  public record Interpret(int numberAt, int mode, int insn, int recipe) implements Exit {}

  /** Nothing of the block has been executed; execution goes on at its start. */
  public record Start(int numberAt, int mode) implements Exit {}

  /**
   * Execution goes on at a place in the same guest page: the 32-bit displacement at {@code jumpAt}
   * may be patched to go straight to the code of that place.
   *
   * @param stub offset of the code that the displacement leads to at first
   * @param target of the jump, relative to the block's first guest instruction
   * @param polls whether the jump may close a loop, so that it has to look for requests
   */
  public record Link(int numberAt, int mode, int jumpAt, int stub, long target, boolean polls)
      implements Exit {}
}
