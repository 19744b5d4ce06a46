package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.AccessType;
import dev.pollux.core.mmu.RefillLayout;
import dev.pollux.core.mmu.TlbLayout;

/**
 * Fills a TLB entry in generated code as {@code Mmu} does, in the common case: 64-bit paging whose
 * tables and page are ordinary RAM, the first protection key, an access that is allowed. Accessed
 * and dirty bits of the last entry are set where nobody watches its table; other entries, and those
 * of large pages, must be marked as accessed. All else fails before anything has changed.
 */
final class PageWalk {
  private static final int PRESENT = 1 << 0;
  private static final int ACCESSED = 1 << 5;
  private static final int WRITABLE = 1 << 1;
  private static final int USER = 1 << 2;
  private static final int DIRTY = 1 << 6;
  private static final int LARGE = 1 << 7;

  /** Bits of a large page's entry that are address bits in a smaller one's: they must be 0. */
  private static final int RESERVED_2M = 0x001f_e000;

  private static final int RESERVED_1G = 0x3fff_e000;
  private static final int PAGE = -RamBlock.PAGE_SIZE;

  /** What is in RBX for a page of 2 MiB, and of 1 GiB; 0 for one of 4 KiB. */
  private static final int IS_2M = 1;

  private static final int IS_1G = 2;

  private final X86Assembler asm;
  private final Label leaf = new Label();
  private final Label markAccessed = new Label();
  private final Label markDirty = new Label();

  PageWalk(X86Assembler asm) {
    this.asm = asm;
  }

  /**
   * Emits the parts that all walks share. That of the tables gets the linear address in scratch 1,
   * and gives: RAX the last entry, RBP its host address, RBX the page's size, RCX the entries'
   * common rights in its low bits, RDX the page's guest-physical address, -1 where the walk fails.
   */
  void emitLeaf() {
    Label bad = new Label();
    Label four = new Label();
    Label top = new Label();
    asm.bind(leaf);
    asm.mov(DWORD, Gpr.RCX, -1);
    asm.mov(QWORD, Gpr.RDX, state(CpuLayout.CR3));
    asm.and(QWORD, Gpr.RDX, PAGE);
    asm.cmp(DWORD, state(RefillLayout.LEVELS), 5);
    asm.jcc(Cond.NE, four);
    checkCanonical(57, bad);
    entry(48, bad);
    asm.test(BYTE, Gpr.RAX, LARGE);
    asm.jcc(Cond.NE, bad);
    nextTable();
    asm.jmp(top);
    asm.bind(four);
    checkCanonical(48, bad);
    asm.bind(top);
    Label large1g = new Label();
    Label large2m = new Label();
    entry(39, bad);
    asm.test(BYTE, Gpr.RAX, LARGE);
    asm.jcc(Cond.NE, bad);
    nextTable();
    entry(30, bad);
    asm.test(BYTE, Gpr.RAX, LARGE);
    asm.jcc(Cond.NE, large1g);
    nextTable();
    entry(21, bad);
    asm.test(BYTE, Gpr.RAX, LARGE);
    asm.jcc(Cond.NE, large2m);
    nextTable();
    entry(12, PRESENT, bad);
    page(12);
    asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
    asm.ret();

    asm.bind(large2m);
    asm.test(DWORD, Gpr.RAX, RESERVED_2M);
    asm.jcc(Cond.NE, bad);
    page(21);
    asm.mov(DWORD, Gpr.RBX, IS_2M);
    asm.ret();

    asm.bind(large1g);
    asm.test(DWORD, Gpr.RAX, RESERVED_1G);
    asm.jcc(Cond.NE, bad);
    page(30);
    asm.mov(DWORD, Gpr.RBX, IS_1G);
    asm.ret();

    asm.bind(bad);
    asm.mov(QWORD, Gpr.RDX, -1);
    asm.ret();
    emitMark(markAccessed, ACCESSED);
    emitMark(markDirty, ACCESSED | DIRTY);
  }

  /**
   * A function that sets bits in the entry RAX, whose host address is RBP, and sets ZF if it could:
   * the entry was still the same, and writes to its table need not be told. Destroys RSI and
   * scratch 2.
   */
  private void emitMark(Label at, int bits) {
    Label high = new Label();
    Label known = new Label();
    Label bad = new Label();
    asm.bind(at);
    asm.mov(QWORD, Gpr.RSI, Gpr.RBP);
    asm.alu(AluOp.SUB, QWORD, Gpr.RSI, state(RefillLayout.LOW_HOST));
    asm.cmp(QWORD, Gpr.RSI, state(RefillLayout.LOW_END));
    asm.jcc(Cond.AE, high);
    asm.shr(QWORD, Gpr.RSI, RamBlock.PAGE_BITS);
    asm.add(QWORD, Gpr.RSI, state(RefillLayout.LOW_WATCH));
    asm.jmp(known);
    asm.bind(high);
    asm.mov(QWORD, Gpr.RSI, Gpr.RBP);
    asm.alu(AluOp.SUB, QWORD, Gpr.RSI, state(RefillLayout.HIGH_HOST));
    asm.shr(QWORD, Gpr.RSI, RamBlock.PAGE_BITS);
    asm.add(QWORD, Gpr.RSI, state(RefillLayout.HIGH_WATCH));
    asm.bind(known);
    asm.movzx(DWORD, Gpr.RSI, BYTE, Mem.of(Gpr.RSI));
    asm.and(DWORD, Gpr.RSI, RamBlock.DIRECT | RamBlock.CLIENT_BITS);
    asm.cmp(DWORD, Gpr.RSI, RamBlock.DIRECT);
    asm.jcc(Cond.NE, bad);
    asm.mov(QWORD, S2, Gpr.RAX);
    asm.or(QWORD, S2, bits);
    asm.lock();
    asm.cmpxchg(QWORD, Mem.of(Gpr.RBP), S2);
    asm.jcc(Cond.NE, bad);
    asm.mov(QWORD, Gpr.RAX, S2);
    asm.bind(bad);
    asm.ret();
  }

  /** Fails unless all bits of scratch 1 from {@code bits - 1} up are the same. */
  private void checkCanonical(int bits, Label bad) {
    asm.mov(QWORD, Gpr.RAX, S1);
    asm.shift(ShiftOp.SAR, QWORD, Gpr.RAX, bits - 1);
    asm.add(QWORD, Gpr.RAX, 1);
    asm.cmp(QWORD, Gpr.RAX, 1);
    asm.jcc(Cond.A, bad);
  }

  private void entry(int shift, Label bad) {
    entry(shift, PRESENT | ACCESSED, bad);
  }

  /**
   * RAX: the entry for scratch 1 of the table at guest-physical RDX, where it has all of {@code
   * bits}. RDX: its host address.
   */
  private void entry(int shift, int bits, Label bad) {
    toHost(Gpr.RDX, bad, RefillLayout.LOW_HOST, RefillLayout.HIGH_HOST);
    asm.mov(QWORD, Gpr.RAX, S1);
    asm.shr(QWORD, Gpr.RAX, shift - 3);
    asm.and(DWORD, Gpr.RAX, 0xff8);
    asm.add(QWORD, Gpr.RDX, Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RDX));
    asm.and(DWORD, Gpr.RCX, Gpr.RAX);
    asm.mov(DWORD, Gpr.RBX, Gpr.RAX);
    asm.and(DWORD, Gpr.RBX, bits);
    asm.cmp(DWORD, Gpr.RBX, bits);
    asm.jcc(Cond.NE, bad);
  }

  /** Any bit above an address makes it one where no memory is. */
  private void nextTable() {
    asm.mov(QWORD, Gpr.RDX, Gpr.RAX);
    asm.and(QWORD, Gpr.RDX, PAGE);
  }

  /**
   * RDX: the small page that scratch 1 lies in, of a page of {@code 1 << bits} bytes. RBP: what RDX
   * was.
   */
  private void page(int bits) {
    asm.mov(QWORD, Gpr.RBP, Gpr.RDX);
    asm.mov(QWORD, Gpr.RDX, Gpr.RAX);
    asm.shl(QWORD, Gpr.RDX, 12);
    asm.shr(QWORD, Gpr.RDX, 12 + bits);
    asm.shl(QWORD, Gpr.RDX, bits);
    if (bits > 12) {
      asm.mov(QWORD, Gpr.RBX, S1);
      asm.and(DWORD, Gpr.RBX, (1 << bits) - 1 & PAGE);
      asm.or(QWORD, Gpr.RDX, Gpr.RBX);
    }
  }

  /** From a guest-physical address to the host's; {@code bad} where it is not known. */
  private void toHost(Gpr address, Label bad, int lowBase, int highBase) {
    Label high = new Label();
    Label done = new Label();
    asm.cmp(QWORD, address, state(RefillLayout.LOW_END));
    asm.jcc(Cond.AE, high);
    asm.cmp(QWORD, address, RefillLayout.LOW_START);
    asm.jcc(Cond.B, bad);
    asm.add(QWORD, address, state(lowBase));
    asm.jmp(done);
    asm.bind(high);
    asm.alu(AluOp.SUB, QWORD, address, state(RefillLayout.HIGH_START));
    asm.cmp(QWORD, address, state(RefillLayout.HIGH_SIZE));
    asm.jcc(Cond.AE, bad);
    asm.add(QWORD, address, state(highBase));
    asm.bind(done);
  }

  /**
   * Emits a walk and the filling of an entry. Destroys RAX, RBX, RCX, RDX, RSI, RDI, RBP.
   *
   * @param mode the software TLB's
   * @param access an {@link AccessType}
   * @param fail where it goes on if it fails; otherwise behind, with the offset of the entry in its
   *     table in scratch 2; scratch 1, the linear address, stays
   */
  void emit(int mode, int access, Label fail) {
    asm.cmp(DWORD, state(RefillLayout.LEVELS), 0);
    asm.jcc(Cond.E, fail);
    asm.call(leaf);
    pageToHost(fail);
    checkRights(mode, access, fail);
    if (access == AccessType.WRITE) {
      allowDirectWrites(fail);
    }
    mark(access, fail);
    asm.mov(QWORD, Gpr.RSI, S1);
    asm.and(QWORD, Gpr.RSI, PAGE);
    offset();
    writeTag(access);
    executeTag(mode);
    enterInList(mode, fail);
    noteLarge();
    StackPage.forget(asm, mode);
    int table = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    asm.mov(QWORD, state(S2, 1, table + TlbLayout.READ_TAG), Gpr.RSI);
    asm.mov(QWORD, state(S2, 1, table + TlbLayout.WRITE_TAG), Gpr.RDI);
    asm.mov(QWORD, state(S2, 1, table + TlbLayout.EXEC_TAG), Gpr.RBP);
    asm.mov(QWORD, state(S2, 1, table + TlbLayout.HOST_PAGE), Gpr.RDX);
  }

  /**
   * RDX: from the page's guest-physical address to the host's; RDI: its byte of watches, whose
   * address is in scratch 2.
   */
  private void pageToHost(Label fail) {
    asm.mov(QWORD, S2, Gpr.RDX);
    toHost(Gpr.RDX, fail, RefillLayout.LOW_HOST, RefillLayout.HIGH_HOST);
    Label high = new Label();
    Label known = new Label();
    asm.cmp(QWORD, S2, state(RefillLayout.LOW_END));
    asm.jcc(Cond.AE, high);
    asm.shr(QWORD, S2, RamBlock.PAGE_BITS);
    asm.add(QWORD, S2, state(RefillLayout.LOW_WATCH));
    asm.jmp(known);
    asm.bind(high);
    asm.alu(AluOp.SUB, QWORD, S2, state(RefillLayout.HIGH_START));
    asm.shr(QWORD, S2, RamBlock.PAGE_BITS);
    asm.add(QWORD, S2, state(RefillLayout.HIGH_WATCH));
    asm.bind(known);
    asm.movzx(DWORD, Gpr.RDI, BYTE, Mem.of(S2));
  }

  private void checkRights(int mode, int access, Label fail) {
    asm.mov(QWORD, Gpr.RSI, state(RefillLayout.REFUSED_BITS));
    asm.test(QWORD, Gpr.RAX, Gpr.RSI);
    asm.jcc(Cond.NE, fail);
    if (mode != TlbLayout.KERNEL) {
      asm.test(BYTE, Gpr.RCX, USER);
      asm.jcc(mode == TlbLayout.USER ? Cond.E : Cond.NE, fail);
    }
    if (access == AccessType.WRITE) {
      asm.test(BYTE, Gpr.RCX, WRITABLE);
      asm.jcc(Cond.E, fail);
    }
    if (access == AccessType.EXECUTE) {
      asm.test(QWORD, Gpr.RAX, Gpr.RAX);
      asm.jcc(Cond.S, fail);
      if (mode == TlbLayout.KERNEL) {
        asm.test(BYTE, Gpr.RCX, USER);
        asm.jcc(Cond.NE, fail);
      }
    }
  }

  /** As {@code RamBlock.allowDirectWrites}: RDI is the page's byte, at scratch 2. */
  private void allowDirectWrites(Label fail) {
    Label allowed = new Label();
    asm.test(BYTE, Gpr.RDI, RamBlock.CLIENT_BITS);
    asm.jcc(Cond.NE, fail);
    asm.test(BYTE, Gpr.RDI, RamBlock.DIRECT);
    asm.jcc(Cond.NE, allowed);
    asm.push(Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, Gpr.RDI);
    asm.or(DWORD, Gpr.RDI, RamBlock.DIRECT);
    asm.lock();
    asm.cmpxchg(BYTE, Mem.of(S2), Gpr.RDI);
    asm.pop(Gpr.RAX);
    asm.jcc(Cond.NE, fail);
    asm.bind(allowed);
  }

  /** Has the entry RAX the bits that an access sets. Destroys RSI and scratch 2. */
  private void mark(int access, Label fail) {
    Label marked = new Label();
    int bits = access == AccessType.WRITE ? ACCESSED | DIRTY : ACCESSED;
    asm.mov(DWORD, Gpr.RSI, Gpr.RAX);
    asm.and(DWORD, Gpr.RSI, bits);
    asm.cmp(DWORD, Gpr.RSI, bits);
    asm.jcc(Cond.E, marked);
    asm.call(access == AccessType.WRITE ? markDirty : markAccessed);
    asm.jcc(Cond.NE, fail);
    asm.bind(marked);
  }

  /** RDI: the entry's tag for writes. */
  private void writeTag(int access) {
    Label not = new Label();
    Label done = new Label();
    if (access != AccessType.WRITE) {
      asm.and(DWORD, Gpr.RDI, RamBlock.DIRECT | RamBlock.CLIENT_BITS);
      asm.cmp(DWORD, Gpr.RDI, RamBlock.DIRECT);
      asm.jcc(Cond.NE, not);
      asm.test(BYTE, Gpr.RCX, WRITABLE);
      asm.jcc(Cond.E, not);
      asm.test(BYTE, Gpr.RAX, DIRTY);
      asm.jcc(Cond.E, not);
    }
    asm.mov(QWORD, Gpr.RDI, Gpr.RDX);
    asm.shr(QWORD, Gpr.RDI, RamBlock.PAGE_BITS);
    asm.and(DWORD, Gpr.RDI, RefillLayout.WRITABLE_BITS - 1);
    asm.bit(BitOp.BTS, DWORD, state(RefillLayout.WRITABLE), Gpr.RDI);
    asm.mov(QWORD, Gpr.RDI, Gpr.RSI);
    if (access != AccessType.WRITE) {
      asm.jmp(done);
      asm.bind(not);
      invalidTag(Gpr.RDI);
      asm.bind(done);
    }
  }

  /** Scratch 2: offset of the entry in its table. */
  private void offset() {
    asm.mov(QWORD, S2, S1);
    asm.shr(QWORD, S2, RamBlock.PAGE_BITS - TlbLayout.ENTRY_BITS);
    asm.and(DWORD, S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
  }

  /** {@link TlbLayout#invalidTag} of the entry at scratch 2. */
  private void invalidTag(Gpr target) {
    asm.mov(DWORD, target, S2);
    asm.shl(DWORD, target, RamBlock.PAGE_BITS - TlbLayout.ENTRY_BITS);
    asm.xor(DWORD, target, RamBlock.PAGE_SIZE);
  }

  /** RBP: the tag for fetches. */
  private void executeTag(int mode) {
    Label not = new Label();
    Label done = new Label();
    asm.test(QWORD, Gpr.RAX, Gpr.RAX);
    asm.jcc(Cond.S, not);
    if (mode == TlbLayout.KERNEL) {
      asm.test(BYTE, Gpr.RCX, USER);
      asm.jcc(Cond.NE, not);
    }
    asm.mov(QWORD, Gpr.RBP, Gpr.RSI);
    asm.jmp(done);
    asm.bind(not);
    invalidTag(Gpr.RBP);
    asm.bind(done);
  }

  /** As {@code FilledEntries.add}; fails where the list is full. Destroys RAX and RCX. */
  private void enterInList(int mode, Label fail) {
    asm.mov(DWORD, Gpr.RCX, Gpr.RAX);
    asm.and(DWORD, Gpr.RCX, state(RefillLayout.GLOBAL_BIT));
    asm.shr(DWORD, Gpr.RCX, 8);
    Mem count = state(Gpr.RCX, 4, RefillLayout.FILLED_COUNT);
    asm.mov(DWORD, Gpr.RAX, count);
    asm.cmp(DWORD, Gpr.RAX, RefillLayout.MOST_FILLED);
    asm.jcc(Cond.AE, fail);
    asm.add(DWORD, count, 1);
    asm.push(S2);
    asm.shr(DWORD, S2, TlbLayout.ENTRY_BITS);
    asm.mov(BYTE, state(S2, 1, RefillLayout.GLOBAL + mode * TlbLayout.ENTRIES), Gpr.RCX);
    asm.pop(S2);
    asm.shl(DWORD, Gpr.RCX, Integer.numberOfTrailingZeros(RefillLayout.MOST_FILLED));
    asm.add(DWORD, Gpr.RAX, Gpr.RCX);
    asm.lea(DWORD, Gpr.RCX, Mem.of(S2, mode * TlbLayout.TABLE_SIZE));
    asm.mov(DWORD, state(Gpr.RAX, 4, RefillLayout.FILLED), Gpr.RCX);
  }

  /** As {@code FilledEntries.addLarge}. Destroys RAX and RCX. */
  private void noteLarge() {
    Label small = new Label();
    asm.test(DWORD, Gpr.RBX, Gpr.RBX);
    asm.jcc(Cond.E, small);
    note(RefillLayout.LARGE_2M, 21);
    asm.cmp(DWORD, Gpr.RBX, IS_1G);
    asm.jcc(Cond.NE, small);
    note(RefillLayout.LARGE_1G, 30);
    asm.bind(small);
  }

  private void note(int filter, int shift) {
    asm.mov(QWORD, Gpr.RAX, S1);
    asm.shr(QWORD, Gpr.RAX, shift);
    asm.and(DWORD, Gpr.RAX, RefillLayout.LARGE_BITS - 1);
    asm.mov(QWORD, Gpr.RCX, S1);
    asm.shr(QWORD, Gpr.RCX, Long.SIZE - 1);
    asm.shl(DWORD, Gpr.RCX, Integer.numberOfTrailingZeros(RefillLayout.LARGE_BITS));
    asm.or(DWORD, Gpr.RAX, Gpr.RCX);
    asm.bit(BitOp.BTS, DWORD, state(filter), Gpr.RAX);
  }
}
