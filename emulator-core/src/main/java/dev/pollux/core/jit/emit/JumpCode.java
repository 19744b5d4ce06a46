package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.SP;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * How code goes on elsewhere: at a place in the block's page, which is linked, or at any address,
 * through the jump cache. Live flags are in memory before that, but for a place in the page. Where
 * the guest calls and its return is expected these jumps are calls of the host: {@link
 * ReturnStack}.
 */
final class JumpCode {
  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final X86Assembler asm;

  /** Of a call that is being emitted, what the host returns to, or null. */
  private Label landing;

  JumpCode(BlockDraft draft, LiveFlags flags, OutOfLine outOfLine) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.asm = draft.asm();
  }

  /** True if a jump from an instruction to another place may close a loop. */
  static boolean polls(long from, long offset) {
    return offset <= from;
  }

  // ---- calls ----

  /**
   * The end of a call of a guest address known now. The guest's return address, in scratch 2, has
   * been pushed.
   */
  void callTo(long offset) {
    if (offset != draft.nextOffset()) { // code that looks where it is does not return there
      expectReturn();
    }
    jumpTo(offset);
    land();
  }

  /** The same with the address in a register, or at {@link CpuLayout#SCRATCH} if that is null. */
  void callAddress(Gpr address) {
    expectReturn();
    if (address != null) {
      asm.mov(draft.wide(), S1, address);
    } else {
      asm.mov(QWORD, S1, state(CpuLayout.SCRATCH));
    }
    jumpToScratch(false);
    land();
  }

  private void expectReturn() {
    if (draft.quick() && draft.inPage(draft.nextOffset())) {
      ReturnStack.expect(draft, outOfLine);
      landing = draft.label();
    }
  }

  /** What is behind the host's call. */
  private void land() {
    if (landing != null) {
      asm.bind(landing);
      landing = null;
      ReturnStack.land(asm);
      flags.areInMemory();
      jumpTo(draft.nextOffset());
    }
  }

  // ---- to an address known now ----

  /** Goes on at a guest address known now. Live flags are in memory, or dead. */
  void jumpTo(long offset) {
    if (draft.inPage(offset)) {
      Label stub = draft.label();
      keepOpening();
      if (landing == null) {
        asm.jmpNear(stub);
      } else {
        asm.call(stub);
      }
      linkLater(stub, asm.position() - 4, offset);
      return;
    }
    long target = draft.context().start() + offset;
    int page = (int) target & -4096;
    int inPage = (int) target & 4095;
    if (!draft.quick() || page + inPage != target) {
      draft.address(S1, offset);
      jumpToScratch(false);
      return;
    }
    asm.mov(draft.wide(), S1, state(JitLayout.PAGE));
    asm.add(draft.wide(), S1, page);
    asm.mov(QWORD, state(JitLayout.PAGE), S1);
    if (inPage != 0) {
      asm.or(QWORD, S1, inPage);
    }
    // Behind the last of 32-bit addresses comes the first: there loops need no jump backwards.
    if (draft.context().code32() || polls(draft.offset(), offset)) {
      draft.common().compareRequest();
      unlessFound(null);
    }
    draft.common().findTarget(table());
    unlessFound(null);
    goToTarget();
  }

  /**
   * Called before a jump that may be patched: what is overwritten at the entry while the block is
   * dropped holds none.
   */
  void keepOpening() {
    int missing = draft.entryAt() + BlockCode.OPENING - asm.position();
    if (missing > 0) {
      asm.nop(missing);
    }
  }

  /**
   * The jump to {@code stub} whose displacement is at {@code jumpAt} is to be patched to go to the
   * code of a place in the block's page; to its poll if the jump may close a loop.
   */
  void linkLater(Label stub, int jumpAt, long offset) {
    boolean polls = polls(draft.offset(), offset);
    boolean inHost = flags.place() == LiveFlags.Place.HOST;
    int recipe = flags.pendingRecipe();
    outOfLine.defer(
        stub,
        () -> {
          int at = asm.position();
          if (inHost) {
            draft.callStub(draft.stubs().saveFlags());
          } else {
            flags.putRecipe(recipe);
          }
          draft.add(new BlockCode.Link(draft.leave(), draft.mode(), jumpAt, at, offset, polls));
        });
  }

  // ---- to an address that the code works out ----

  /**
   * The end of a return that takes {@code drop} bytes more off the stack; its target is in scratch
   * 1.
   */
  void returnToScratch(int drop) {
    int popped = draft.word() + drop;
    if (!draft.quick() && !draft.context().code32() && drop == 0) {
      asm.mov(DWORD, S2, CommonCode.LATER);
      outOfLine.interpretAt(asm.position() - Integer.BYTES);
      draft.jumpToStub(draft.stubs().calls().ret(number()));
      return;
    }
    asm.lea(draft.wide(), SP, Mem.of(SP, popped));
    Label other = draft.label();
    ReturnStack.jumpUnlessExpected(asm, draft.common(), other);
    asm.ret();
    outOfLine.defer(other, () -> branchToScratch(popped));
  }

  /**
   * Goes on at the address in scratch 1, with which the guest's branch itself faults unless it is
   * canonical. No such address is in the jump cache, so that only a miss has to look.
   *
   * @param popped what the branch has added to RSP
   */
  void branchToScratch(int popped) {
    if (draft.context().code32()) { // there is nothing beyond the limit of CS
      jumpToScratch(false);
      return;
    }
    if (!draft.quick() && popped == 0) {
      draft.callStub(draft.stubs().calls().branch(number()));
      outOfLine.interpretAt(draft.exitNumber());
      return;
    }
    Label miss = draft.label();
    Label bad = draft.label();
    jumpToScratch(false, miss);
    outOfLine.defer(
        miss,
        () -> {
          CommonCalls.compareCanonical(asm);
          asm.jcc(Cond.NE, bad);
          draft.jumpToStub(draft.stubs().lookUp(number()));
        });
    outOfLine.defer(
        bad,
        () -> {
          if (popped != 0) {
            asm.lea(QWORD, SP, Mem.of(SP, -popped));
          }
          outOfLine.exitHere();
        });
  }

  /**
   * Goes on at the guest address in scratch 1, through the jump cache.
   *
   * @param resumes RFLAGS.RF may be set: the next instruction ends that, which shows where an
   *     interrupt comes before it
   */
  void jumpToScratch(boolean resumes) {
    jumpToScratch(resumes, null);
  }

  /**
   * @param miss where it goes on if the jump cache does not know the address; null: where that is
   *     looked up
   */
  private void jumpToScratch(boolean resumes, Label miss) {
    if (!draft.quick() && !resumes && miss == null) {
      draft.jumpToStub(draft.stubs().calls().jump(number()));
      return;
    }
    CommonCode common = draft.common();
    common.findTarget(table());
    unlessFound(miss);
    common.compareRequest();
    unlessFound(miss);
    if (resumes) {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.RF);
    }
    common.enterPage();
    goToTarget();
  }

  /**
   * Jumps where not equal: to {@code miss}, or if that is null to where addresses are looked up.
   */
  private void unlessFound(Label miss) {
    if (miss != null) {
      asm.jcc(Cond.NE, miss);
    } else if (landing == null) {
      draft.jumpToStubIfNotEqual(draft.stubs().lookUp(number()));
    } else {
      Label unknown = draft.label();
      Label behind = landing;
      asm.jcc(Cond.NE, unknown);
      outOfLine.defer(
          unknown,
          () -> {
            draft.callStub(draft.stubs().lookUp(number()));
            asm.jmpNear(behind);
          });
    }
  }

  /** Goes to the code that the jump cache has. */
  private void goToTarget() {
    if (landing == null) {
      draft.common().jumpToTarget(table());
    } else {
      draft.common().callTarget(table());
    }
  }

  /** Number of the jump cache's table. */
  private int number() {
    return draft.context().table() + draft.mode();
  }

  /** Its place in the state block. */
  private int table() {
    return JitLayout.jumpTable(number());
  }
}
