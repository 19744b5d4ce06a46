package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.SP;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;

/** The guest's jumps, calls and returns within a segment. */
final class BranchCode {
  private static final int ADDRESS_SIZE_PREFIX = 0x67;

  /** Bits of a program's addresses with page tables of four levels. */
  private static final int USER_BITS = 47;

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final StackCode stack;
  private final JumpCode jumps;
  private final X86Assembler asm;

  BranchCode(
      BlockDraft draft,
      LiveFlags flags,
      OutOfLine outOfLine,
      MemoryCode memory,
      StackCode stack,
      JumpCode jumps) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.stack = stack;
    this.jumps = jumps;
    this.asm = draft.asm();
  }

  /** JMP. */
  void jump(Insn insn) {
    if (insn.kind0 == Insn.REL) {
      flags.saveForNext();
      jumps.jumpTo(draft.nextOffset() + insn.imm);
      return;
    }
    target(insn);
    jumps.branchToScratch(0);
  }

  /** The target of an indirect branch in scratch 1. */
  private void target(Insn insn) {
    if (insn.hasMemory()) {
      memory.access(insn, draft.word(), false, false);
      asm.mov(draft.wide(), S1, Mem.of(S1));
    } else {
      flags.clobber();
      Gpr host = RegisterMap.host(insn.reg0);
      if (host == null) {
        asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
      } else {
        asm.mov(draft.wide(), S1, host);
      }
    }
  }

  /**
   * JCC. Flags that only the jump's target may read are saved on the way there. Without that the
   * conditional jump itself is what leads to the target's code one day.
   */
  void conditionalJump(Insn insn) {
    long offset = draft.nextOffset() + insn.imm;
    flags.restore(insn);
    Label taken = draft.label();
    jumps.keepOpening();
    asm.jcc(Cond.of(insn.cond), taken);
    if (!flags.savesForTarget() && draft.inPage(offset)) {
      jumps.linkLater(taken, asm.position() - 4, offset);
      return;
    }
    outOfLine.defer(
        taken,
        () -> {
          flags.saveForTarget();
          jumps.jumpTo(offset);
        });
  }

  /** JRCXZ and LOOP: the count is in the same register on the host. */
  void countedJump(Insn insn) {
    int next = draft.nextOffset();
    flags.saveForNext();
    Label zero = draft.label();
    Label taken = draft.label();
    Label on = draft.label();
    if (insn.op == Op.LOOP) {
      asm.lea(insn.addrSize == 4 ? DWORD : QWORD, Gpr.RCX, Mem.of(Gpr.RCX, -1));
    }
    if (insn.addrSize == 4) {
      asm.code().reserve(1);
      asm.code().put8(ADDRESS_SIZE_PREFIX);
    }
    asm.jcxz(zero);
    if (insn.op == Op.LOOP) {
      asm.jmpNear(taken);
      asm.bind(zero);
    } else {
      asm.jmpShort(on);
      asm.bind(zero);
      asm.jmpNear(taken);
      asm.bind(on);
    }
    outOfLine.defer(taken, () -> jumps.jumpTo(next + insn.imm));
    jumps.jumpTo(next);
  }

  /** CALL. */
  void call(Insn insn) {
    boolean direct = insn.kind0 == Insn.REL;
    Gpr kept = direct ? null : keptTarget(insn);
    if (!direct) {
      target(insn);
      if (kept == null) {
        asm.mov(QWORD, state(CpuLayout.SCRATCH), S1);
      }
      if (!draft.context().code32()) {
        requireCanonical();
      }
    }
    int word = draft.word();
    Mem top = stack.address(-word, true);
    draft.nextRip(S2);
    asm.mov(draft.wide(), top, S2);
    asm.lea(draft.wide(), SP, Mem.of(SP, -word));
    if (direct) {
      jumps.callTo(draft.nextOffset() + insn.imm);
    } else {
      jumps.callAddress(kept);
    }
  }

  /**
   * The host register that has the target of an indirect call still when all is pushed, or null.
   */
  private static Gpr keptTarget(Insn insn) {
    Gpr host = insn.hasMemory() ? null : RegisterMap.host(insn.reg0);
    return host == SP ? null : host;
  }

  /** Leaves unless the address in scratch 1 is canonical; a program's is in the lower half, too. */
  private void requireCanonical() {
    if (draft.mode() == TlbLayout.USER) {
      asm.mov(QWORD, S2, S1);
      asm.shr(QWORD, S2, USER_BITS);
    } else {
      CommonCalls.compareCanonical(asm);
    }
    asm.jcc(Cond.NE, outOfLine.slowExit());
  }
}
