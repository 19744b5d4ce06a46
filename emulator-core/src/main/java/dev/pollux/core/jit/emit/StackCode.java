package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.SP;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;

/** PUSH, POP, PUSHF, LEAVE and RET, and runs of them that look at the TLB once. */
final class StackCode {
  /** PUSHes or POPs that are executed together: what an access of theirs touches fits in a byte. */
  private static final int MOST_STACKED = 31;

  /** Guest register number. */
  private static final int RSP = 4;

  /** Of RFLAGS, never pushed. */
  private static final int RF_VM = Eflags.RF | Eflags.VM;

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final JumpCode jumps;
  private final X86Assembler asm;

  StackCode(
      BlockDraft draft, LiveFlags flags, OutOfLine outOfLine, MemoryCode memory, JumpCode jumps) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.jumps = jumps;
    this.asm = draft.asm();
  }

  /** The host's {@code [RSP + offset]}, a word: scratch 1 and a constant. */
  Mem address(int offset, boolean write) {
    flags.clobber();
    if (memory.isShared()) {
      return Mem.of(S1, memory.sharedPlace(draft.current()));
    }
    asm.lea(draft.wide(), S1, Mem.of(SP, offset));
    memory.probeStack(draft.word(), write, false);
    return Mem.of(S1);
  }

  private void addToSp(int bytes) {
    asm.lea(draft.wide(), SP, Mem.of(SP, bytes));
  }

  /** PUSH. */
  void push(Insn insn) {
    int word = draft.word();
    if (insn.hasMemory()) {
      // Both places are checked before anything changes; the value waits in the state block.
      memory.access(insn, word, false, false);
      asm.mov(draft.wide(), S1, Mem.of(S1));
      asm.mov(QWORD, state(CpuLayout.SCRATCH), S1);
      Mem top = address(-word, true);
      asm.mov(QWORD, S2, state(CpuLayout.SCRATCH));
      asm.mov(draft.wide(), top, S2);
    } else {
      store(insn, address(-word, true));
    }
    addToSp(-word);
    memory.keepsProbedIfShared();
  }

  /** PUSHF. */
  void pushFlags() {
    flags.saveAll();
    Mem top = address(-draft.word(), true);
    asm.mov(DWORD, S2, state(CpuLayout.RFLAGS));
    asm.and(DWORD, S2, ~(OpcodeInfo.STATUS_FLAGS | RF_VM));
    asm.mov(draft.wide(), top, S2);
    asm.movzx(DWORD, S2, BYTE, state(JitLayout.FLAGS + 1));
    asm.and(DWORD, S2, 0xd5);
    asm.or(DWORD, top, S2);
    asm.movzx(DWORD, S2, BYTE, state(JitLayout.FLAGS));
    asm.shl(DWORD, S2, 11);
    asm.or(DWORD, top, S2);
    addToSp(-draft.word());
  }

  /** POP. */
  void pop(Insn insn) {
    if (insn.hasMemory()) {
      outOfLine.interpretHere();
      return;
    }
    Mem top = address(0, false);
    addToSp(draft.word());
    load(insn, top);
    memory.keepsProbedIfShared();
  }

  /** LEAVE. */
  void leave() {
    int word = draft.word();
    flags.clobber();
    asm.mov(draft.wide(), S1, Gpr.RBP);
    memory.probe(word, false, false);
    asm.lea(draft.wide(), SP, Mem.of(Gpr.RBP, word));
    asm.mov(draft.wide(), Gpr.RBP, Mem.of(S1));
  }

  /** RET. */
  void ret(Insn insn) {
    asm.mov(draft.wide(), S1, address(0, false));
    returnToScratch(insn);
  }

  /** The end of RET; its target is in scratch 1. */
  private void returnToScratch(Insn ret) {
    jumps.returnToScratch(ret.kind0 == Insn.IMM ? (int) ret.imm & 0xffff : 0);
  }

  // ---- runs ----

  /** How many instructions from {@code i} on, before {@code limit}, push, or pop, all in one go. */
  int runLength(int i, int limit) {
    Op op = draft.insn(i).op;
    int end = i;
    if (op != Op.PUSH && op != Op.POP) {
      return 0;
    }
    while (end < limit && end - i < MOST_STACKED - 1 && joins(op, end)) {
      end++;
    }
    if (op == Op.POP
        && end > i
        && end < limit
        && draft.insn(end).op == Op.RET
        && !draft.interpreted()[end]) {
      end++;
    }
    return end - i;
  }

  /** PUSH or POP of a register or a constant in its usual form, RSP aside. */
  private boolean joins(Op op, int i) {
    Insn insn = draft.insn(i);
    return insn.op == op
        && !draft.interpreted()[i]
        && (insn.kind0 == Insn.IMM || insn.kind0 == Insn.GPR && insn.reg0 != RSP);
  }

  /**
   * Pushes or pops (a return may be the last) one behind the other from the current instruction on,
   * for which the TLB is looked at once. Where it does not know all of the stack that is touched
   * they are executed one by one: out of line in quick code, by the interpreter and a block that
   * begins behind the first otherwise.
   *
   * @return true if the block ends here
   */
  boolean run(int count) {
    int word = draft.word();
    int first = draft.current();
    int last = first + count - 1;
    boolean pushes = draft.insn(first).op == Op.PUSH;
    boolean returns = draft.insn(last).op == Op.RET;
    flags.clobber();
    Label joined = draft.label();
    int place = 0;
    if (memory.isShared()) {
      place = memory.sharedPlace(pushes ? last : first);
    } else {
      asm.lea(draft.wide(), S1, Mem.of(SP, pushes ? -word * count : 0));
      probeRun(first, last, joined);
    }
    for (int i = 0; i < count; i++) {
      Insn insn = draft.insn(first + i);
      if (pushes) {
        store(insn, Mem.of(S1, place + word * (count - 1 - i)));
      } else if (insn.op == Op.POP) {
        load(insn, Mem.of(S1, place + word * i));
      }
    }
    draft.moveTo(last);
    if (returns) {
      asm.mov(draft.wide(), S1, Mem.of(S1, place + word * (count - 1)));
      addToSp(word * (count - 1));
      returnToScratch(draft.insn(last));
      return true;
    }
    addToSp(pushes ? -word * count : word * count);
    memory.keepsProbedIfShared();
    asm.bind(joined);
    return false;
  }

  /**
   * From the lowest address of the run, in scratch 1, to the host address there.
   *
   * @param joined where it goes on behind the run
   */
  private void probeRun(int first, int last, Label joined) {
    int bytes = draft.word() * (last - first + 1);
    boolean pushes = draft.insn(first).op == Op.PUSH;
    if (memory.callsProbe(bytes, false)) {
      memory.probe(bytes, pushes, false);
    } else {
      Label single = draft.label();
      memory.probeStack(bytes, pushes, single);
      outOfLine.defer(single, () -> oneByOne(first, last, joined));
    }
  }

  /** Executes the run's instructions by themselves, and goes on at {@code joined}. */
  private void oneByOne(int first, int last, Label joined) {
    for (int i = first; i <= last; i++) {
      draft.moveTo(i);
      Insn insn = draft.insn(i);
      switch (insn.op) {
        case PUSH -> push(insn);
        case POP -> pop(insn);
        default -> ret(insn);
      }
      if (i < last) {
        draft.resumeHere(i);
      }
    }
    if (draft.insn(last).op != Op.RET) {
      asm.jmpNear(joined);
    }
  }

  /** Stores what PUSH pushes; may destroy scratch 2. */
  private void store(Insn push, Mem target) {
    if (push.kind0 == Insn.IMM) {
      asm.mov(draft.wide(), target, (int) push.imm);
    } else {
      Gpr host = RegisterMap.host(push.reg0);
      if (host == null) {
        asm.mov(QWORD, S2, RegisterMap.slot(push.reg0));
        host = S2;
      }
      asm.mov(draft.wide(), target, host);
    }
  }

  /** Loads what POP pops to a register; may destroy scratch 2. */
  private void load(Insn pop, Mem source) {
    Gpr host = RegisterMap.host(pop.reg0);
    asm.mov(draft.wide(), host == null ? S2 : host, source);
    if (host == null) {
      asm.mov(QWORD, RegisterMap.slot(pop.reg0), S2);
    }
  }
}
