package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.RefillLayout;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The page that an instruction of hot code has accessed last: a copy of its entry of the TLB at a
 * place of the instruction's own ({@link RefillLayout#PAGES}), so that the host's address is there
 * two operations after the guest's, where the TLB takes a load whose address depends on it.
 */
final class AccessedPage {
  /** Most bytes of an access that may have one, with {@link #BYTES_BITS} below the place. */
  private static final int MOST_BYTES = 256;

  private static final int BYTES_BITS = 9;

  private final X86Assembler asm;
  private final int[] fill = new int[2 * TlbLayout.MODES];

  AccessedPage(X86Assembler asm) {
    this.asm = asm;
  }

  /** True if such an access may have one. */
  static boolean has(int bytes) {
    return bytes <= MOST_BYTES;
  }

  /**
   * From the linear address in scratch 1 to the host address there; goes on at {@code other} with
   * the linear address if the page is another. Destroys scratch 2 and the flags.
   *
   * @param number of the page
   */
  static void find(X86Assembler asm, int number, Label other) {
    int at = RefillLayout.page(number);
    asm.mov(QWORD, S2, S1);
    asm.sub(QWORD, S2, state(at + RefillLayout.PAGE_TAG));
    asm.cmp(QWORD, S2, state(at + RefillLayout.PAGE_LIMIT));
    asm.jcc(Cond.AE, other);
    asm.add(QWORD, S1, state(at + RefillLayout.PAGE_ADDEND));
  }

  /** What {@link #fill} takes in scratch 2. */
  static int access(int number, int bytes) {
    return number << BYTES_BITS | bytes;
  }

  /**
   * A function that code calls where {@link #find} has failed, with {@link #access} in scratch 2:
   * it asks the TLB, and leaves by the number in the instruction behind the call ({@link
   * CommonCalls#behind}) where that does not have the address, or where the page has been another
   * too often. What is only read and lies in two pages may be a copy. Destroys scratch 2 and the
   * flags.
   */
  int fill(int mode, boolean write) {
    return fill[2 * mode + (write ? 1 : 0)];
  }

  /**
   * @param tlb what {@link LookUps#emitFill} has made
   * @param copy what {@link LookUps#emitCopy} has made, or null for writes
   * @param leave leaves by the number behind a call
   */
  void emit(LookUps lookUps, int mode, boolean write, Label tlb, Label copy, Label leave) {
    int table = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    int tag = write ? TlbLayout.WRITE_TAG : TlbLayout.READ_TAG;
    Label split = new Label();
    Label unknown = new Label();
    fill[2 * mode + (write ? 1 : 0)] = asm.position();
    asm.push(Gpr.RAX);
    asm.push(Gpr.RCX);
    asm.push(Gpr.RDX);
    asm.mov(DWORD, Gpr.RCX, S2);
    asm.shr(DWORD, Gpr.RCX, BYTES_BITS);
    asm.shl(DWORD, Gpr.RCX, RefillLayout.PAGE_BITS);
    asm.sub(DWORD, page(RefillLayout.PAGE_LEFT), 1);
    asm.jcc(Cond.S, unknown);
    asm.and(DWORD, S2, (1 << BYTES_BITS) - 1);
    asm.mov(DWORD, Gpr.RDX, RamBlock.PAGE_SIZE + 1);
    asm.sub(DWORD, Gpr.RDX, S2);
    asm.mov(DWORD, Gpr.RAX, S1);
    asm.and(DWORD, Gpr.RAX, RamBlock.PAGE_SIZE - 1);
    asm.cmp(DWORD, Gpr.RAX, Gpr.RDX);
    asm.jcc(Cond.AE, split);
    lookUps.toHost(Gpr.RAX, table, tag, tlb, unknown);
    asm.mov(QWORD, S1, Gpr.RAX);
    copyEntry(table, tag);
    restore();
    asm.ret();
    asm.bind(split);
    restore();
    LookUps.copyOrLeave(asm, copy, leave);
    asm.bind(unknown);
    restore();
    asm.jmp(leave);
  }

  private void restore() {
    asm.pop(Gpr.RDX);
    asm.pop(Gpr.RCX);
    asm.pop(Gpr.RAX);
  }

  /** Copies the entry at scratch 2 to the page at RCX, whose limit is in RDX. Destroys RAX. */
  private void copyEntry(int table, int tag) {
    Label listed = new Label();
    asm.mov(QWORD, Gpr.RAX, state(S2, 1, table + tag));
    asm.mov(QWORD, page(RefillLayout.PAGE_TAG), Gpr.RAX);
    asm.unary(UnaryOp.NEG, QWORD, Gpr.RAX);
    asm.add(QWORD, Gpr.RAX, state(S2, 1, table + TlbLayout.HOST_PAGE));
    asm.mov(QWORD, page(RefillLayout.PAGE_ADDEND), Gpr.RAX);
    asm.cmp(QWORD, page(RefillLayout.PAGE_LIMIT), 0);
    asm.mov(QWORD, page(RefillLayout.PAGE_LIMIT), Gpr.RDX);
    asm.jcc(Cond.NE, listed);
    asm.mov(DWORD, Gpr.RAX, state(RefillLayout.PAGES_KNOWN_COUNT));
    asm.mov(DWORD, state(Gpr.RAX, 4, RefillLayout.PAGES_KNOWN), Gpr.RCX);
    asm.add(DWORD, state(RefillLayout.PAGES_KNOWN_COUNT), 1);
    asm.bind(listed);
  }

  /** A field of the page at RCX. */
  private static Mem page(int field) {
    return state(Gpr.RCX, 1, RefillLayout.page(0) + field);
  }
}
