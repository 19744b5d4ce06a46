package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.SP;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.TlbLayout;

/**
 * What a block calls that is to be short, where one that is to be quick has the same inline. Behind
 * each call of a {@link #probe} or the {@link #poll} stands an instruction with the number of a way
 * out, for when the call cannot come back: {@link #behind}. Offsets are from the first stub.
 *
 * <p>Most of them count their calls, and every so often one leaves by its number although it could
 * come back: {@link JitLayout#CALLS_LEFT} is negative then.
 */
final class CommonCalls {
  /** TEST EAX, imm32: does nothing but have a number in it. */
  private static final int TEST_EAX = 0xa9;

  /** Bits above those of a linear address. */
  private static final int NOT_CANONICAL_BITS = 16;

  private static final int WORD_BYTES = 8;

  /** Accesses of 1, 2, 4, 8, 16, 24 ... bytes have a function each. */
  private static final int MOST_BYTES = 64;

  private static final int SIZES = 3 + MOST_BYTES / 8;

  /** Then those of 16 and of 32 bytes that have to be aligned. */
  private static final int FUNCTIONS = SIZES + 2;

  /**
   * Ways out.
   *
   * @param byNumber by the number right behind a call
   * @param behindCall by the number in the instruction behind a call
   * @param numbered by the number in scratch 2
   * @param out by the number at {@link JitLayout#EXIT}
   */
  record Ways(Label byNumber, Label behindCall, Label numbered, Label out) {}

  private final X86Assembler asm;
  private final CommonCode common;
  private final int[] probes = new int[2 * TlbLayout.MODES * FUNCTIONS];
  private final int[] jumps = new int[JitLayout.JUMP_TABLES];
  private final int[] branches = new int[JitLayout.JUMP_TABLES];
  private final int[] returns = new int[JitLayout.JUMP_TABLES];
  private int poll;
  private int restoreFlags;

  CommonCalls(X86Assembler asm) {
    this.asm = asm;
    this.common = new CommonCode(asm);
  }

  /** Appends what stands behind a call; returns the offset of the number in it. */
  static int behind(X86Assembler asm) {
    asm.code().reserve(JitLayout.CALL_NUMBER + Integer.BYTES);
    asm.code().put8(TEST_EAX);
    asm.code().put32(0);
    return asm.position() - Integer.BYTES;
  }

  private static int function(int bytes, boolean aligned) {
    if (aligned && bytes >= 16) {
      return bytes == 16 ? SIZES : bytes == 32 ? SIZES + 1 : FUNCTIONS;
    }
    return bytes <= 2
        ? bytes >> 1
        : bytes <= 4 ? 2 : bytes > MOST_BYTES ? FUNCTIONS : 2 + (bytes + 7 >> 3);
  }

  private static int bytes(int function) {
    return function < 3
        ? 1 << function
        : function < SIZES ? 8 * (function - 2) : 16 << function - SIZES;
  }

  /** True if there is a function for such accesses. */
  static boolean probes(int bytes, boolean aligned) {
    return function(bytes, aligned) < FUNCTIONS;
  }

  /**
   * A function from the linear address in scratch 1 to the host address there, or to a copy of what
   * is to be read and lies in two pages, for which there {@link #probes is} one. Destroys scratch 2
   * and the flags.
   */
  int probe(int mode, int bytes, boolean write, boolean aligned) {
    return probes[at(mode, write, function(bytes, aligned))];
  }

  private static int at(int mode, boolean write, int function) {
    return (2 * mode + (write ? 1 : 0)) * FUNCTIONS + function;
  }

  /** A function that comes back if nobody wants the vCPU's attention. Destroys the flags. */
  int poll() {
    return poll;
  }

  /** A function that does what {@link CommonCode#restoreFlags} does. */
  int restoreFlags() {
    return restoreFlags;
  }

  /** Code jumps here to go on at the address in scratch 1. */
  int jump(int table) {
    return jumps[table];
  }

  /**
   * The same for a branch of 64-bit code that faults where that address is not canonical, by the
   * number, u32, behind the call.
   */
  int branch(int table) {
    return branches[table];
  }

  /**
   * Code jumps here for a return, which takes its address, in scratch 1, off the guest's stack; the
   * number for where it faults is in scratch 2.
   */
  int ret(int table) {
    return returns[table];
  }

  /**
   * @param fill what {@link LookUps#emitFill} has made
   * @param copy what {@link LookUps#emitCopy} has made, or null for writes
   * @param leave leaves by the number behind a call
   */
  void emitProbes(int mode, boolean write, Label fill, Label copy, Label leave) {
    int tag = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    tag += write ? TlbLayout.WRITE_TAG : TlbLayout.READ_TAG;
    Label unknown = new Label();
    for (int function = 0; function < FUNCTIONS; function++) {
      int bytes = bytes(function);
      Label miss = new Label();
      probes[at(mode, write, function)] = asm.position();
      if (function >= SIZES) {
        asm.test(DWORD, S1, bytes - 1);
        asm.jcc(Cond.NE, leave);
      }
      common.findPage(mode, bytes, write, miss);
      common.addHostPage(mode);
      count(leave);
      asm.ret();
      asm.bind(miss);
      asm.push(bytes);
      asm.jmp(unknown);
    }
    asm.bind(unknown);
    asm.xor(QWORD, S1, state(S2, 1, tag));
    asm.pop(S2);
    asm.push(Gpr.RAX);
    Label split = write ? leave : new Label();
    LookUps.fillWithinPage(asm, fill, split, leave);
    asm.and(DWORD, S1, RamBlock.PAGE_SIZE - 1);
    common.addHostPage(mode);
    asm.ret();
    if (!write) {
      asm.bind(split);
      LookUps.copyOrLeave(asm, copy, leave);
    }
  }

  /** Counts a call. */
  private void count(Label leave) {
    asm.sub(DWORD, state(JitLayout.CALLS_LEFT), 1);
    asm.jcc(Cond.S, leave);
  }

  /**
   * @param leave leaves by the number behind a call
   */
  void emitOthers(Label leave) {
    poll = asm.position();
    common.poll(leave);
    count(leave);
    asm.ret();
    restoreFlags = asm.position();
    common.restoreFlags();
    asm.ret();
  }

  /**
   * @param table the jump cache's
   * @param lookUp what {@link LookUps#emitLookUp} has made
   * @param ways out
   */
  void emitJumps(int table, Label lookUp, Ways ways) {
    jumps[table] = asm.position();
    jump(table, lookUp);
    branches[table] = asm.position();
    branch(table, false, lookUp, ways.byNumber());
    returns[table] = asm.position();
    Label other = new Label();
    ReturnStack.jumpUnlessExpected(asm, common, other);
    count(ways.numbered());
    leaveBranch(true);
    asm.ret();
    asm.bind(other);
    asm.mov(DWORD, state(JitLayout.EXIT), S2);
    branch(table, true, lookUp, ways.out());
  }

  private void jump(int table, Label miss) {
    find(table, miss);
    common.enterPage();
    common.jumpToTarget(JitLayout.jumpTable(table));
  }

  private void find(int table, Label miss) {
    common.findTarget(JitLayout.jumpTable(table));
    asm.jcc(Cond.NE, miss);
    common.compareRequest();
    asm.jcc(Cond.NE, miss);
  }

  private void branch(int table, boolean returns, Label lookUp, Label leave) {
    Label miss = new Label();
    find(table, miss);
    count(leave);
    leaveBranch(returns);
    common.enterPage();
    common.jumpToTarget(JitLayout.jumpTable(table));
    asm.bind(miss);
    compareCanonical(asm);
    asm.jcc(Cond.NE, leave);
    leaveBranch(returns);
    asm.jmp(lookUp);
  }

  /** A return has happened now; any other branch has called and forgets where from. */
  private void leaveBranch(boolean returns) {
    Gpr pointer = returns ? SP : Gpr.RSP;
    asm.lea(QWORD, pointer, Mem.of(pointer, WORD_BYTES));
  }

  /** Sets ZF if the address in scratch 1 is canonical; destroys scratch 2. */
  static void compareCanonical(X86Assembler asm) {
    asm.mov(QWORD, S2, S1);
    asm.shl(QWORD, S2, NOT_CANONICAL_BITS);
    asm.shift(ShiftOp.SAR, QWORD, S2, NOT_CANONICAL_BITS);
    asm.cmp(QWORD, S2, S1);
  }
}
