package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.AccessType;
import dev.pollux.core.mmu.RefillLayout;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The stubs that go on where a probe of the software TLB or of the jump cache has failed: they fill
 * the entry from the guest's page tables ({@link PageWalk}), or from the table of blocks by host
 * memory ({@link JitLayout#blockTag}), and leave for Java where that does not have it either.
 */
final class LookUps {
  /** What a walk may destroy and scratch registers are not. */
  private static final Gpr[] SAVED = {
    Gpr.RAX, Gpr.RBX, Gpr.RCX, Gpr.RDX, Gpr.RSI, Gpr.RDI, Gpr.RBP
  };

  /** What a copy destroys. */
  private static final Gpr[] COPIERS = {Gpr.RCX, Gpr.RSI, Gpr.RDI};

  private final X86Assembler asm;
  private final PageWalk walk;
  private final long blockTable;

  /**
   * @param blockTable address of the table of blocks
   */
  LookUps(X86Assembler asm, long blockTable) {
    this.asm = asm;
    this.walk = new PageWalk(asm);
    this.blockTable = blockTable;
    walk.emitLeaf();
  }

  /**
   * Fills the entry for an access to the linear address in scratch 1, its bytes in scratch 2, or
   * leaves where that cannot be. RAX has been pushed.
   *
   * @param fill what {@link #emitFill} has made
   * @param split where it goes on if the access lies in two pages
   */
  static void fillWithinPage(X86Assembler asm, Label fill, Label split, Label leave) {
    asm.mov(DWORD, Gpr.RAX, S1);
    asm.and(DWORD, Gpr.RAX, RamBlock.PAGE_SIZE - 1);
    asm.add(DWORD, Gpr.RAX, S2);
    asm.cmp(DWORD, Gpr.RAX, RamBlock.PAGE_SIZE);
    asm.pop(Gpr.RAX);
    asm.jcc(Cond.A, split);
    asm.call(fill);
    asm.test(QWORD, S2, S2);
    asm.jcc(Cond.S, leave);
  }

  /**
   * The end of a function for an access that lies in two pages: it returns the address of a copy of
   * what is to be read, or leaves.
   *
   * @param copy what {@link #emitCopy} has made, or null for writes
   */
  static void copyOrLeave(X86Assembler asm, Label copy, Label leave) {
    if (copy == null) {
      asm.jmp(leave);
      return;
    }
    asm.call(copy);
    asm.jcc(Cond.S, leave);
    asm.ret();
  }

  /**
   * Emits what code calls where a probe by {@link CommonCode#findPage} has failed. Behind the call
   * stand the number of a way out, u32, the size of the access in bytes, u8, how far before these
   * the probe is, u16, and how far behind its start its end, u8: 0 where an access that lies in two
   * pages has to leave. It goes on at the probe with the linear address in scratch 1 again, at its
   * end with the address of a copy of what is to be read, or leaves.
   *
   * @param fill what {@link #emitFill} has made
   * @param copy what {@link #emitCopy} has made, or null for writes
   */
  void emitRefill(int mode, boolean write, Label fill, Label copy, Label leaveByNumber) {
    int tag = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    tag += write ? TlbLayout.WRITE_TAG : TlbLayout.READ_TAG;
    Label split = write ? leaveByNumber : new Label();
    asm.xor(QWORD, S1, state(S2, 1, tag));
    asm.mov(QWORD, S2, Mem.of(Gpr.RSP));
    asm.push(Gpr.RAX);
    asm.movzx(DWORD, S2, BYTE, Mem.of(S2, JitLayout.REFILL_SIZE));
    fillWithinPage(asm, fill, split, leaveByNumber);
    asm.push(Gpr.RAX);
    asm.mov(QWORD, S2, Mem.of(Gpr.RSP, Long.BYTES));
    goOnBefore();
    if (write) {
      return;
    }
    asm.bind(split);
    asm.push(Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSP, Long.BYTES));
    asm.cmp(BYTE, Mem.of(Gpr.RAX, JitLayout.REFILL_LENGTH), 0);
    asm.pop(Gpr.RAX);
    asm.jcc(Cond.E, leaveByNumber);
    asm.call(copy);
    asm.jcc(Cond.S, leaveByNumber);
    asm.push(Gpr.RAX);
    asm.mov(QWORD, S2, Mem.of(Gpr.RSP, Long.BYTES));
    asm.movzx(DWORD, Gpr.RAX, BYTE, Mem.of(S2, JitLayout.REFILL_LENGTH));
    asm.add(QWORD, Mem.of(Gpr.RSP, Long.BYTES), Gpr.RAX);
    goOnBefore();
  }

  /** Returns, RAX having been pushed, as far before its address as stands at scratch 2. */
  private void goOnBefore() {
    asm.movzx(DWORD, Gpr.RAX, WORD, Mem.of(S2, JitLayout.REFILL_BACK));
    asm.sub(QWORD, Mem.of(Gpr.RSP, Long.BYTES), Gpr.RAX);
    asm.pop(Gpr.RAX);
    asm.ret();
  }

  /**
   * Emits a function that copies to {@link JitLayout#COPY} what is at the linear address in scratch
   * 1, as many bytes as scratch 2 says, which lie in two pages. Scratch 1: where that is. Sets SF
   * if it cannot be read here.
   *
   * @param fill what {@link #emitFill} has made for reads
   */
  void emitCopy(int mode, Label fill) {
    Label part = new Label();
    Label end = new Label();
    for (Gpr register : COPIERS) {
      asm.push(register);
    }
    asm.push(S2);
    asm.mov(DWORD, Gpr.RCX, S1);
    asm.or(DWORD, Gpr.RCX, -RamBlock.PAGE_SIZE);
    asm.unary(UnaryOp.NEG, DWORD, Gpr.RCX);
    asm.lea(QWORD, Gpr.RDI, state(JitLayout.COPY));
    asm.call(part);
    asm.jcc(Cond.S, end);
    asm.lea(QWORD, Gpr.RCX, state(JitLayout.COPY));
    asm.add(QWORD, Gpr.RCX, Mem.of(Gpr.RSP));
    asm.sub(QWORD, Gpr.RCX, Gpr.RDI);
    asm.call(part);
    asm.bind(end);
    asm.lea(QWORD, S1, state(JitLayout.COPY));
    asm.pop(S2);
    for (int i = COPIERS.length - 1; i >= 0; i--) {
      asm.pop(COPIERS[i]);
    }
    asm.ret();
    asm.bind(part);
    emitCopyPart(CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE, fill);
  }

  /**
   * Copies RCX bytes of one page from scratch 1 to RDI; both are behind them then. Sets SF if it
   * cannot.
   */
  private void emitCopyPart(int table, Label fill) {
    Label unknown = new Label();
    toHost(Gpr.RSI, table, TlbLayout.READ_TAG, fill, unknown);
    asm.add(QWORD, S1, Gpr.RCX);
    asm.rep(StringOp.MOVS, BYTE);
    asm.test(DWORD, Gpr.RCX, Gpr.RCX);
    asm.bind(unknown);
    asm.ret();
  }

  /**
   * The host address of what is at the linear address in scratch 1, which stays; scratch 2: offset
   * of its entry in the TLB's table. Where there is none it goes on at {@code unknown}, SF set.
   *
   * @param tag of the entry, by the access
   * @param fill what {@link #emitFill} has made for it
   */
  void toHost(Gpr host, int table, int tag, Label fill, Label unknown) {
    Label known = new Label();
    asm.mov(QWORD, S2, S1);
    asm.shr(QWORD, S2, RamBlock.PAGE_BITS - TlbLayout.ENTRY_BITS);
    asm.and(DWORD, S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
    asm.mov(QWORD, host, S1);
    asm.xor(QWORD, host, state(S2, 1, table + tag));
    asm.cmp(QWORD, host, RamBlock.PAGE_SIZE);
    asm.jcc(Cond.B, known);
    asm.call(fill);
    asm.mov(DWORD, host, S1);
    asm.and(DWORD, host, RamBlock.PAGE_SIZE - 1);
    asm.test(QWORD, S2, S2);
    asm.jcc(Cond.S, unknown);
    asm.bind(known);
    asm.add(QWORD, host, state(S2, 1, table + TlbLayout.HOST_PAGE));
  }

  private void save() {
    for (Gpr register : SAVED) {
      asm.push(register);
    }
  }

  private void restore() {
    for (int i = SAVED.length - 1; i >= 0; i--) {
      asm.pop(SAVED[i]);
    }
  }

  /**
   * Emits a function that fills the entry for an access to the address in scratch 1: its offset in
   * scratch 2, or -1.
   *
   * @param access an {@link AccessType}
   */
  void emitFill(int mode, int access) {
    Label fail = new Label();
    Label done = new Label();
    save();
    walk.emit(mode, access, fail);
    asm.bind(done);
    restore();
    asm.ret();
    asm.bind(fail);
    asm.mov(QWORD, S2, -1);
    asm.jmp(done);
  }

  /**
   * Emits what code jumps to where the jump cache does not know the address in scratch 1, or where
   * somebody wants the vCPU's attention: goes on there, or leaves. Scratch 2 is then the offset of
   * the entry in the jump cache's table, as where the jump cache knows it.
   *
   * @param table the jump cache's
   * @param fetch what {@link #emitFill} has made for its mode
   */
  void emitLookUp(int table, Label fetch, Label leaveToRip) {
    int mode = table % JitLayout.GROUP_TABLES;
    int tlb = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    int jumps = JitLayout.jumpTable(table);
    Label miss = new Label();
    Label first = new Label();
    asm.mov(QWORD, state(CpuLayout.RIP), S1);
    asm.cmp(DWORD, state(CpuLayout.EXIT_REQUEST), 0);
    asm.jcc(Cond.NE, leaveToRip);
    asm.push(Gpr.RAX);
    asm.push(Gpr.RCX);
    toHost(Gpr.RAX, tlb, TlbLayout.EXEC_TAG, fetch, miss);
    asm.shr(DWORD, S2, TlbLayout.ENTRY_BITS);
    asm.movzx(DWORD, Gpr.RCX, BYTE, state(S2, 1, RefillLayout.GLOBAL + mode * TlbLayout.ENTRIES));
    findBlock(table, first, miss);
    asm.bind(first);
    asm.mov(QWORD, Gpr.RAX, Mem.of(S2, 8));
    enterJump(jumps, table);
    // IRET may have set it for the instruction that comes now.
    asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.RF);
    asm.mov(QWORD, S1, state(CpuLayout.RIP));
    asm.and(QWORD, S1, -RamBlock.PAGE_SIZE);
    asm.mov(QWORD, state(JitLayout.PAGE), S1);
    asm.mov(QWORD, S1, Gpr.RAX);
    asm.pop(Gpr.RCX);
    asm.pop(Gpr.RAX);
    asm.jmp(S1);
    asm.bind(miss);
    asm.pop(Gpr.RCX);
    asm.pop(Gpr.RAX);
    asm.jmp(leaveToRip);
  }

  /**
   * Emits what replaces the opening of a dropped block: code has jumped there from an entry of a
   * table, whose offset is in scratch 2.
   */
  void emitDropped(int table, Label leaveToRip) {
    asm.mov(QWORD, S1, state(S2, 1, JitLayout.jumpTable(table)));
    asm.mov(QWORD, state(CpuLayout.RIP), S1);
    asm.jmp(leaveToRip);
  }

  /** Scratch 2: the entry of the block at the host's address in RAX, which is destroyed. */
  private void findBlock(int table, Label found, Label miss) {
    asm.imul(DWORD, S2, Gpr.RAX, JitLayout.JUMP_HASH);
    asm.shr(DWORD, S2, JitLayout.BLOCK_HASH_SHIFT);
    asm.shl(DWORD, S2, JitLayout.BLOCK_SET_BITS);
    asm.mov(QWORD, S1, blockTable);
    asm.add(QWORD, S2, S1);
    asm.mov(QWORD, S1, JitLayout.blockTag(0, table));
    asm.or(QWORD, Gpr.RAX, S1);
    for (int at = JitLayout.BLOCK_ENTRY;
        at < 1 << JitLayout.BLOCK_SET_BITS;
        at += JitLayout.BLOCK_ENTRY) {
      asm.cmp(QWORD, Gpr.RAX, Mem.of(S2));
      asm.jcc(Cond.E, found);
      asm.add(QWORD, S2, JitLayout.BLOCK_ENTRY);
    }
    asm.cmp(QWORD, Gpr.RAX, Mem.of(S2));
    asm.jcc(Cond.NE, miss);
  }

  /**
   * As {@code JumpCache.put}: RIP leads to the code in RAX; RCX is 1 if its page is global, and is
   * destroyed.
   */
  private void enterJump(int jumps, int table) {
    Label listed = new Label();
    asm.mov(QWORD, S1, state(CpuLayout.RIP));
    asm.mov(QWORD, S2, S1);
    asm.shr(QWORD, S2, Long.SIZE - 1);
    asm.and(DWORD, Gpr.RCX, S2);
    asm.imul(DWORD, S2, S1, JitLayout.JUMP_HASH);
    asm.shr(DWORD, S2, JitLayout.JUMP_HASH_SHIFT);
    asm.and(DWORD, S2, -(1 << JitLayout.JUMP_ENTRY_BITS));
    asm.mov(QWORD, state(S2, 1, jumps), S1);
    asm.mov(QWORD, state(S2, 1, jumps + 8), Gpr.RAX);
    asm.mov(BYTE, state(JitLayout.JUMP_TABLES_USED + table), 1);
    asm.shr(QWORD, S1, RamBlock.PAGE_BITS);
    asm.and(DWORD, S1, JitLayout.JUMP_PAGE_BITS - 1);
    asm.shl(DWORD, Gpr.RCX, Integer.numberOfTrailingZeros(JitLayout.JUMP_PAGE_BITS));
    asm.or(DWORD, S1, Gpr.RCX);
    asm.bit(BitOp.BTS, DWORD, state(JitLayout.JUMP_PAGES), S1);
    asm.test(DWORD, Gpr.RCX, Gpr.RCX);
    asm.jcc(Cond.NE, listed);
    asm.mov(DWORD, Gpr.RCX, state(JitLayout.JUMP_LOCAL_COUNT));
    asm.cmp(DWORD, Gpr.RCX, JitLayout.JUMP_LOCALS);
    asm.jcc(Cond.AE, listed);
    asm.lea(QWORD, S1, Mem.of(S2, jumps));
    asm.mov(DWORD, state(Gpr.RCX, 4, JitLayout.JUMP_LOCAL), S1);
    asm.add(DWORD, state(JitLayout.JUMP_LOCAL_COUNT), 1);
    asm.bind(listed);
  }
}
