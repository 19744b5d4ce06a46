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
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.RefillLayout;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The page that the stack was in last: a copy of its entry of the TLB at a place that does not
 * depend on the address ({@link RefillLayout#STACK}), so that the host's address is there as soon
 * as RSP is. Only pages that may be written are copied: there is one tag for reads and writes.
 */
final class StackPage {
  private final X86Assembler asm;
  private final int[] single = new int[2 * TlbLayout.MODES];
  private final int[] several = new int[2 * TlbLayout.MODES];

  StackPage(X86Assembler asm) {
    this.asm = asm;
  }

  /** True if such an access can be looked for there. */
  static boolean has(int bytes) {
    return bytes <= RefillLayout.MOST_ON_STACK;
  }

  /**
   * From the linear address in scratch 1 to the host address there; goes on at {@code other} with
   * the linear address if the page is another. Destroys scratch 2 and the flags.
   */
  static void find(X86Assembler asm, int mode, int bytes, Label other) {
    int at = RefillLayout.stack(mode);
    asm.mov(QWORD, S2, S1);
    asm.sub(QWORD, S2, state(at + RefillLayout.STACK_TAG));
    asm.cmp(QWORD, S2, state(at + RefillLayout.stackLimit(bytes)));
    asm.jcc(Cond.AE, other);
    asm.add(QWORD, S1, state(at + RefillLayout.STACK_ADDEND));
  }

  /**
   * A function that code calls where {@link #find} has failed, for an access of as many bytes as
   * scratch 2 says: it asks the TLB, and leaves by the number in the instruction behind the call
   * ({@link CommonCalls#behind}) where that does not have the address. What is only read and lies
   * in two pages may be a copy. Destroys scratch 2 and the flags.
   */
  int single(int mode, boolean write) {
    return single[at(mode, write)];
  }

  /**
   * The same for several accesses: where the TLB does not have all that they touch it comes back
   * with SF set.
   */
  int several(int mode, boolean write) {
    return several[at(mode, write)];
  }

  private static int at(int mode, boolean write) {
    return 2 * mode + (write ? 1 : 0);
  }

  /**
   * @param fill what {@link LookUps#emitFill} has made
   * @param copy what {@link LookUps#emitCopy} has made, or null for writes
   * @param leave leaves by the number behind a call
   */
  void emit(LookUps lookUps, int mode, boolean write, Label fill, Label copy, Label leave) {
    Label split = new Label();
    Label unknown = new Label();
    single[at(mode, write)] = asm.position();
    find(lookUps, mode, write, fill, split, unknown);
    asm.bind(split);
    asm.pop(Gpr.RAX);
    LookUps.copyOrLeave(asm, copy, leave);
    asm.bind(unknown);
    asm.pop(Gpr.RAX);
    asm.jmp(leave);

    Label fail = new Label();
    several[at(mode, write)] = asm.position();
    find(lookUps, mode, write, fill, fail, fail);
    asm.bind(fail);
    asm.or(QWORD, S2, -1);
    asm.pop(Gpr.RAX);
    asm.ret();
  }

  /** Returns with SF clear, or goes on elsewhere with RAX pushed. */
  private void find(
      LookUps lookUps, int mode, boolean write, Label fill, Label split, Label unknown) {
    int table = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    asm.push(Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, S1);
    asm.and(DWORD, Gpr.RAX, RamBlock.PAGE_SIZE - 1);
    asm.add(DWORD, Gpr.RAX, S2);
    asm.cmp(DWORD, Gpr.RAX, RamBlock.PAGE_SIZE);
    asm.jcc(Cond.A, split);
    int tag = write ? TlbLayout.WRITE_TAG : TlbLayout.READ_TAG;
    lookUps.toHost(Gpr.RAX, table, tag, fill, unknown);
    asm.mov(QWORD, S1, Gpr.RAX);
    copyEntry(mode, table);
    asm.test(DWORD, S2, S2);
    asm.pop(Gpr.RAX);
    asm.ret();
  }

  /** Copies the entry at scratch 2 if its page may be written. Destroys RAX. */
  private void copyEntry(int mode, int table) {
    int at = RefillLayout.stack(mode);
    Label readOnly = new Label();
    asm.mov(QWORD, Gpr.RAX, state(S2, 1, table + TlbLayout.READ_TAG));
    asm.cmp(QWORD, Gpr.RAX, state(S2, 1, table + TlbLayout.WRITE_TAG));
    asm.jcc(Cond.NE, readOnly);
    asm.mov(QWORD, state(at + RefillLayout.STACK_TAG), Gpr.RAX);
    asm.unary(UnaryOp.NEG, QWORD, Gpr.RAX);
    asm.add(QWORD, Gpr.RAX, state(S2, 1, table + TlbLayout.HOST_PAGE));
    asm.mov(QWORD, state(at + RefillLayout.STACK_ADDEND), Gpr.RAX);
    for (int bytes : RefillLayout.STACK_BYTES) {
      asm.mov(QWORD, state(at + RefillLayout.stackLimit(bytes)), RamBlock.PAGE_SIZE - bytes + 1);
    }
    asm.bind(readOnly);
  }

  /**
   * Forgets the copy if it may be of the entry that is filled for the page in RSI. Destroys RAX.
   */
  static void forget(X86Assembler asm, int mode) {
    int at = RefillLayout.stack(mode);
    Label other = new Label();
    asm.mov(DWORD, Gpr.RAX, Gpr.RSI);
    asm.xor(DWORD, Gpr.RAX, state(at + RefillLayout.STACK_TAG));
    asm.test(DWORD, Gpr.RAX, (TlbLayout.ENTRIES - 1) << RamBlock.PAGE_BITS);
    asm.jcc(Cond.NE, other);
    for (int bytes : RefillLayout.STACK_BYTES) {
      asm.mov(QWORD, state(at + RefillLayout.stackLimit(bytes)), 0);
    }
    asm.bind(other);
  }
}
