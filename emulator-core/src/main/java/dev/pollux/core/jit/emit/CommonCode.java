package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;

/** The pieces that nearly every block has, as {@link Fragment}s. */
final class CommonCode {
  /** In place of a number of 32 bits that is filled in later; none of its bytes is zero. */
  static final int LATER = 0x7fff_ffff;

  /** Bytes of a near conditional jump's opcode, behind which its displacement follows. */
  private static final int JCC_OPCODE = 2;

  private static final int FIELD = 4;

  private static final Fragment SAVE_FLAGS =
      Fragment.of(
          asm -> {
            asm.mov(QWORD, S1, Gpr.RAX);
            asm.op(NullaryOp.LAHF);
            asm.setcc(Cond.O, Gpr.RAX);
            asm.mov(WORD, state(JitLayout.FLAGS), Gpr.RAX);
            asm.mov(QWORD, Gpr.RAX, S1);
          });

  private static final Fragment RESTORE_FLAGS =
      Fragment.of(
          asm -> {
            asm.mov(QWORD, S2, Gpr.RAX);
            asm.movzx(DWORD, Gpr.RAX, WORD, state(JitLayout.FLAGS));
            asm.add(BYTE, Gpr.RAX, 0x7f);
            asm.op(NullaryOp.SAHF);
            asm.mov(QWORD, Gpr.RAX, S2);
          });

  private static final Fragment POLL =
      Fragment.jumping(Cond.NE, asm -> asm.cmp(DWORD, state(CpuLayout.EXIT_REQUEST), 0));

  private static final Fragment COMPARE_REQUEST =
      Fragment.of(asm -> asm.cmp(DWORD, state(CpuLayout.EXIT_REQUEST), 0));

  private static final Fragment[] FIND_TO_READ = new Fragment[TlbLayout.MODES];
  private static final Fragment[] FIND_TO_WRITE = new Fragment[TlbLayout.MODES];
  private static final Fragment[] ADD_HOST_PAGE = new Fragment[TlbLayout.MODES];

  static {
    for (int mode = 0; mode < TlbLayout.MODES; mode++) {
      int table = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
      FIND_TO_READ[mode] = findPage(table + TlbLayout.READ_TAG);
      FIND_TO_WRITE[mode] = findPage(table + TlbLayout.WRITE_TAG);
      ADD_HOST_PAGE[mode] =
          Fragment.of(asm -> asm.add(QWORD, S1, state(S2, 1, table + TlbLayout.HOST_PAGE)));
    }
  }

  private static Fragment findPage(int tag) {
    return Fragment.jumping(
        Cond.A,
        asm -> {
          asm.mov(QWORD, S2, S1);
          asm.shr(QWORD, S2, 12 - TlbLayout.ENTRY_BITS);
          asm.and(DWORD, S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
          asm.xor(QWORD, S1, state(S2, 1, tag));
          asm.cmp(QWORD, S1, LATER);
        });
  }

  private static final Fragment FIND_TARGET =
      Fragment.open(
          asm -> {
            asm.imul(DWORD, S2, S1, JitLayout.JUMP_HASH);
            asm.shr(DWORD, S2, JitLayout.JUMP_HASH_SHIFT);
            asm.and(DWORD, S2, -(1 << JitLayout.JUMP_ENTRY_BITS));
            asm.cmp(QWORD, S1, state(S2, 1, LATER));
          });

  private static final Fragment ENTER_PAGE =
      Fragment.of(
          asm -> {
            asm.and(QWORD, S1, -4096);
            asm.mov(QWORD, state(JitLayout.PAGE), S1);
          });

  private static final Fragment JUMP_TO_TARGET = Fragment.open(asm -> asm.jmp(state(S2, 1, LATER)));
  private static final Fragment CALL_TARGET = Fragment.open(asm -> asm.call(state(S2, 1, LATER)));

  private final X86Assembler asm;
  private final CodeBuffer code;

  CommonCode(X86Assembler asm) {
    this.asm = asm;
    this.code = asm.code();
  }

  /** Puts the host's flags into {@link JitLayout#FLAGS} and keeps them. Destroys scratch 1. */
  void saveFlags() {
    SAVE_FLAGS.appendTo(code);
  }

  /** Puts {@link JitLayout#FLAGS} into the host's flags. Destroys scratch 2. */
  void restoreFlags() {
    RESTORE_FLAGS.appendTo(code);
  }

  /** Jumps to {@code leave} if somebody wants the vCPU's attention. */
  void poll(Label leave) {
    POLL.appendTo(code);
    asm.displacementTo(leave);
  }

  /**
   * The first part of the way from the linear address in scratch 1 to the host address there; for
   * the second part scratch 2 must stay.
   *
   * <pre>
   *   entry = TLB of the mode + ((address >> 12) % ENTRIES) * ENTRY_SIZE     scratch 2
   *   offset = address ^ entry.tag             a small number if the page is the same
   *   if (offset >u 4096 - bytes) jump slow    wrong page, or the access crosses into the next
   *   host = entry.hostPage + offset           {@link #addHostPage}
   * </pre>
   */
  void findPage(int mode, int bytes, boolean write, Label slow) {
    int end = (write ? FIND_TO_WRITE : FIND_TO_READ)[mode].appendTo(code);
    code.patch(end - JCC_OPCODE - FIELD, FIELD, 4096 - bytes);
    asm.displacementTo(slow);
  }

  /** The second part. */
  void addHostPage(int mode) {
    ADD_HOST_PAGE[mode].appendTo(code);
  }

  /**
   * From the guest address in scratch 1 to the offset of its entry in a jump table: scratch 2. Sets
   * ZF if the entry is that address's.
   */
  void findTarget(int table) {
    FIND_TARGET.appendTo(code);
    code.reserve(FIELD);
    code.put32(table - RegisterMap.BIAS);
  }

  /** Compares the request for the vCPU's attention with 0. */
  void compareRequest() {
    COMPARE_REQUEST.appendTo(code);
  }

  /** The page of the address in scratch 1, which is destroyed, is where code executes now. */
  void enterPage() {
    ENTER_PAGE.appendTo(code);
  }

  /** Jumps to the code of the entry at scratch 2. */
  void jumpToTarget(int table) {
    toTarget(JUMP_TO_TARGET, table);
  }

  /** Calls it. */
  void callTarget(int table) {
    toTarget(CALL_TARGET, table);
  }

  private void toTarget(Fragment how, int table) {
    how.appendTo(code);
    code.reserve(FIELD);
    code.put32(table + Long.BYTES - RegisterMap.BIAS);
  }
}
