package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.memory.RamBlock;
import java.util.Arrays;

/**
 * A run of decoded instructions inside one page of code, independent of the linear address at which
 * the page is mapped. vCPU thread.
 */
final class Block {
  /** Executes nothing: the vCPU's loop has to do something before code can be decoded. */
  static final Block NOT_YET =
      new Block(new Node[0], BlockEnd.LEAVE, new short[] {0}, new Insn[1], 1, 0, 0, 64);

  final Node[] nodes;

  /**
   * Offset of each instruction from the start of the block; one more than {@link #nodes}, for the
   * end.
   */
  final short[] offsets;

  /** The instruction of each node; one more: the first one of the end, or the last one of all. */
  final Insn[] insns;

  /** How many instructions the block executes. */
  final int count;

  /** Bytes. */
  final int length;

  BlockEnd end;

  /** Host address of the first byte; 0: dropped, or not to be found again. */
  long hostAddress;

  /** Size of code, 16, 32 or 64. */
  final int codeSize;

  /** The linear address at which the jump cache found it last. */
  long linear;

  /** The next block of its page's hash bucket. */
  Block sibling;

  Block(
      Node[] nodes,
      BlockEnd end,
      short[] offsets,
      Insn[] insns,
      int count,
      int length,
      long hostAddress,
      int codeSize) {
    this.nodes = nodes;
    this.end = end;
    this.offsets = offsets;
    this.insns = insns;
    this.count = count;
    this.length = length;
    this.hostAddress = hostAddress;
    this.codeSize = codeSize;
  }

  /**
   * True if the end of this block may remember {@code to} as what follows {@code distance} bytes
   * from its start: both lie in one page, so they are mapped and dropped together. Only in 64-bit
   * mode, where no limit needs a check.
   */
  boolean mayChain(Block to, long distance) {
    return codeSize == 64
        && hostAddress != 0
        && to.hostAddress == hostAddress + distance
        && ((hostAddress ^ to.hostAddress) & -RamBlock.PAGE_SIZE) == 0;
  }

  /**
   * Offset behind the last instruction before node {@code i} that has a node. A NOP between the two
   * has none, but its bytes may be others by now.
   */
  int offsetBehind(int i) {
    return i == 0 ? 0 : insns[i - 1].nextOffset;
  }

  /**
   * Gives the instructions their copies of templates.
   *
   * @param last the end from now on
   * @param liveFlags bit n: somebody sees the flags of the n-th node
   */
  void warm(BlockEnd last, long liveFlags) {
    for (int i = 0; i < nodes.length; i++) {
      nodes[i] = NodeFactory.node(insns[i], (liveFlags >> i & 1) != 0);
    }
    end = last;
  }

  /**
   * The code has changed: no look-up finds the block any more, and if it executes it is left behind
   * the instruction that it is at.
   */
  void drop() {
    hostAddress = 0;
    Arrays.fill(nodes, Node.LEAVE);
    end = BlockEnd.LEAVE;
  }
}
