package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * The returns that calls of the guest lead one to expect, on the host's own stack: for each the
 * guest's return address, and below it, from the host's call, where the code goes on that the
 * return leads to. A return of the guest to the address that lies there is a return of the host,
 * which its processor predicts; any other finds its way as indirect jumps do and leaves what is
 * expected alone.
 *
 * <pre>
 *   call:   push the guest's return address               return:   if (address != [RSP + 8]) jump elsewhere
 *           call the code of the target                             ret
 *   land:   pop the address, enter its page, jump on
 * </pre>
 *
 * <p>It is empty whenever code is entered from Java, which is where mappings, keys and blocks
 * change; and where privilege or the software TLB's mode does. When it is full all is forgotten.
 */
final class ReturnStack {
  /** Returns that are expected at most. */
  private static final int MOST = 2048;

  /** Bytes of one. */
  private static final int ENTRY = 2 * Long.BYTES;

  /** An address that no code is expected at, for the bottom. */
  private static final int NOWHERE = -16;

  private static final Fragment COMPARE_LIMIT =
      Fragment.jumping(Cond.B, asm -> asm.cmp(QWORD, Gpr.RSP, state(JitLayout.RETURN_LIMIT)));

  private static final Fragment COMPARE_EXPECTED =
      Fragment.jumping(Cond.NE, asm -> asm.cmp(QWORD, S1, Mem.of(Gpr.RSP, Long.BYTES)));

  private static final Fragment LAND =
      Fragment.of(
          asm -> {
            asm.pop(S1);
            new CommonCode(asm).enterPage();
          });

  private ReturnStack() {}

  /**
   * Begins an empty stack: what a return to the address at its bottom leads to, should the guest
   * come to it, must be at {@code bottom}. Destroys scratch 2.
   */
  static void begin(X86Assembler asm, Label bottom) {
    asm.push(NOWHERE);
    asm.lea(QWORD, S2, Mem.of(bottom));
    asm.push(S2);
    asm.mov(QWORD, state(JitLayout.HOST_SP), Gpr.RSP);
    asm.sub(QWORD, Gpr.RSP, MOST * ENTRY);
    asm.mov(QWORD, state(JitLayout.RETURN_LIMIT), Gpr.RSP);
    empty(asm);
  }

  /** Forgets all, and what {@link #begin} has pushed. */
  static void end(X86Assembler asm) {
    empty(asm);
    asm.add(QWORD, Gpr.RSP, ENTRY);
  }

  /**
   * Expects a return to the address in scratch 2; a call follows on the host. Destroys the host's
   * flags.
   */
  static void expect(BlockDraft draft, OutOfLine outOfLine) {
    X86Assembler asm = draft.asm();
    Label full = draft.label();
    Label fits = draft.label();
    COMPARE_LIMIT.appendTo(asm.code());
    asm.displacementTo(full);
    asm.bind(fits);
    asm.push(S2);
    outOfLine.defer(
        full,
        () -> {
          empty(asm);
          asm.jmpNear(fits);
        });
  }

  /** Behind that call: the guest goes on at the address that it was to return to. */
  static void land(X86Assembler asm) {
    LAND.appendTo(asm.code());
  }

  /**
   * Jumps to {@code other} unless a return is expected to the address in scratch 1; the host's is
   * one. Calls and returns may close a loop: where somebody wants the vCPU's attention it jumps,
   * too.
   */
  static void jumpUnlessExpected(X86Assembler asm, CommonCode common, Label other) {
    COMPARE_EXPECTED.appendTo(asm.code());
    asm.displacementTo(other);
    common.poll(other);
  }

  /** Nothing is expected any more. */
  static void empty(X86Assembler asm) {
    asm.mov(QWORD, Gpr.RSP, state(JitLayout.HOST_SP));
  }
}
