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
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.cpu.SegmentAttributes;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;

/**
 * What changes privilege, or what the supervisor may access: STAC, CLAC, SYSCALL, SYSRET, IRET.
 * Each has a common case here; whatever is rare or raises an exception is left to the interpreter
 * before anything has changed.
 */
final class PrivilegeCode {
  private static final int EFER_SCE = 1;

  /** Flags that change what translations depend on. */
  private static final int MODE_FLAGS = Eflags.TF | Eflags.AC;

  /** What SYSRET takes from R11. */
  private static final int SYSRET_FLAGS = 0x3c_7fd7;

  /** What IRET to 64-bit code takes from the stack at privilege level 0. */
  private static final int IRET_FLAGS = Eflags.ALL & ~(Eflags.VM | Eflags.FIXED);

  private static final int LEVEL_3 = 3 << SegmentAttributes.DPL_SHIFT;

  /** Descriptors of the flat segments that IRET is translated for, but for their level. */
  private static final long CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffL;

  private static final long DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffL;
  private static final int DESCRIPTOR_SHIFT = 40;

  // The frame that IRET pops.
  private static final int FRAME_CS = 8;
  private static final int FRAME_FLAGS = 16;
  private static final int FRAME_RSP = 24;
  private static final int FRAME_SS = 32;
  private static final int FRAME_BYTES = 40;

  private static final int SELECTOR_LDT = 4;
  private static final int R11 = 11;
  private static final int[] DATA_SEGMENTS = {
    CpuLayout.ES, CpuLayout.DS, CpuLayout.FS, CpuLayout.GS
  };

  /** Guest RAX and RCX during IRET's checks. */
  private static final Mem SAVED_RAX = state(CpuLayout.SCRATCH);

  private static final Mem SAVED_RCX = state(CpuLayout.SCRATCH + 8);

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final SegmentCode segments;
  private final JumpCode jumps;
  private final X86Assembler asm;

  PrivilegeCode(
      BlockDraft draft,
      LiveFlags flags,
      OutOfLine outOfLine,
      MemoryCode memory,
      SegmentCode segments,
      JumpCode jumps) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.segments = segments;
    this.jumps = jumps;
    this.asm = draft.asm();
  }

  /** A field of IRET's frame, of which each was read once. */
  private static Mem frame(int offset) {
    return state(CpuLayout.SCRATCH + 16 + offset);
  }

  /** STAC and CLAC at privilege level 0. */
  void allowUserAccess(boolean allow) {
    flags.clobber();
    if (allow) {
      asm.or(DWORD, state(CpuLayout.RFLAGS), Eflags.AC);
      changeMode(TlbLayout.KERNEL);
    } else {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.AC);
      changeMode(kernelMode());
    }
  }

  /** Code that callers are expected to go on with belongs to the mode that they were in. */
  private void changeMode(int mode) {
    if (mode != draft.mode()) {
      ReturnStack.empty(asm);
      draft.setMode(mode);
    }
  }

  /** The mode of privilege level 0 while RFLAGS.AC is 0. */
  private int kernelMode() {
    return draft.context().smap() ? TlbLayout.KERNEL_SMAP : TlbLayout.KERNEL;
  }

  /** SYSCALL from privilege level 3, where the new RFLAGS.AC is 0. */
  void syscall() {
    flags.clobber();
    Label slow = outOfLine.slowExit();
    asm.test(DWORD, state(CpuLayout.EFER), EFER_SCE);
    asm.jcc(Cond.E, slow);
    asm.movzx(DWORD, S1, BYTE, state(JitLayout.FLAGS + 1));
    asm.and(DWORD, S1, 0xd5);
    asm.movzx(DWORD, S2, BYTE, state(JitLayout.FLAGS));
    asm.shl(DWORD, S2, 11);
    asm.or(DWORD, S2, S1);
    asm.mov(DWORD, S1, state(CpuLayout.RFLAGS));
    asm.and(DWORD, S1, ~Eflags.STATUS);
    asm.or(DWORD, S2, S1);
    asm.mov(QWORD, S1, state(CpuLayout.SFMASK));
    asm.unary(UnaryOp.NOT, QWORD, S1);
    asm.and(QWORD, S1, S2);
    asm.or(DWORD, S1, Eflags.FIXED);
    asm.test(DWORD, S1, Eflags.AC);
    asm.jcc(Cond.NE, slow);
    asm.mov(QWORD, RegisterMap.slot(R11), S2);
    setFlags(S1, S2);
    asm.mov(DWORD, S1, state(CpuLayout.STAR + 4));
    asm.lea(DWORD, S2, Mem.of(S1, 8));
    segments.loadFlat(0);
    draft.nextRip(Gpr.RCX);
    asm.mov(QWORD, S1, state(CpuLayout.LSTAR));
    changeMode(kernelMode());
    jumps.jumpToScratch(false);
  }

  /** SYSRET to 64-bit code that no trap or interrupt waits for. */
  void sysret() {
    flags.clobber();
    Label slow = outOfLine.slowExit();
    asm.test(DWORD, state(CpuLayout.EFER), EFER_SCE);
    asm.jcc(Cond.E, slow);
    asm.cmp(DWORD, state(CpuLayout.PENDING), 0);
    asm.jcc(Cond.NE, slow);
    segments.requireCanonical(Gpr.RCX, slow);
    asm.mov(DWORD, S1, RegisterMap.slot(R11));
    asm.and(DWORD, S1, SYSRET_FLAGS);
    asm.test(DWORD, S1, MODE_FLAGS);
    asm.jcc(Cond.NE, slow);
    asm.or(DWORD, S1, Eflags.FIXED);
    setFlags(S1, S2);
    asm.movzx(DWORD, S1, WORD, state(CpuLayout.STAR + 6));
    asm.lea(DWORD, S2, Mem.of(S1, 8));
    asm.add(DWORD, S1, 16);
    segments.loadFlat(3);
    asm.mov(QWORD, S1, Gpr.RCX);
    changeMode(TlbLayout.USER);
    jumps.jumpToScratch(false);
  }

  /** Sets whole RFLAGS from {@code value}; destroys both registers. */
  private void setFlags(Gpr value, Gpr scratch) {
    asm.mov(QWORD, state(CpuLayout.RFLAGS), value);
    asm.mov(DWORD, scratch, value);
    asm.and(DWORD, scratch, 0xd5);
    asm.shl(DWORD, scratch, 8);
    asm.shr(DWORD, value, 11);
    asm.and(DWORD, value, 1);
    asm.or(DWORD, scratch, value);
    asm.mov(WORD, state(JitLayout.FLAGS), scratch);
  }

  /**
   * IRET to 64-bit code of privilege level 0 or 3 whose segments have the descriptors that systems
   * with a flat memory give them (at level 0 SS may be null), and that no trap or interrupt waits
   * for. The descriptors are read from their table, as the processor does.
   */
  void iret() {
    flags.clobber();
    if (draft.mode() != kernelMode()) {
      // The processor's own accesses do not heed RFLAGS.AC: another table.
      outOfLine.exitHere();
      return;
    }
    Label early = outOfLine.slowExit();
    asm.test(DWORD, state(CpuLayout.RFLAGS), Eflags.NT);
    asm.jcc(Cond.NE, early);
    asm.mov(QWORD, S1, RegisterMap.SP);
    memory.probe(FRAME_BYTES, false, false);
    // Another vCPU may write there meanwhile: what is checked must be what is loaded.
    for (int at = 0; at < FRAME_BYTES; at += Long.BYTES) {
      asm.mov(QWORD, S2, Mem.of(S1, at));
      asm.mov(QWORD, frame(at), S2);
    }
    Label quiet = new Label();
    asm.mov(DWORD, S2, state(CpuLayout.PENDING));
    asm.test(DWORD, S2, S2);
    asm.jcc(Cond.E, quiet);
    asm.test(DWORD, S2, ~Interrupts.HARD);
    asm.jcc(Cond.NE, early);
    asm.test(DWORD, frame(FRAME_FLAGS), Eflags.IF);
    asm.jcc(Cond.NE, early);
    asm.bind(quiet);
    asm.test(DWORD, frame(FRAME_FLAGS), MODE_FLAGS);
    asm.jcc(Cond.NE, early);
    asm.mov(QWORD, SAVED_RAX, Gpr.RAX);
    asm.mov(QWORD, SAVED_RCX, Gpr.RCX);
    Label slow = new Label();
    outOfLine.defer(
        slow,
        () -> {
          asm.mov(QWORD, Gpr.RAX, SAVED_RAX);
          asm.mov(QWORD, Gpr.RCX, SAVED_RCX);
          asm.jmp(early);
        });
    asm.mov(QWORD, Gpr.RAX, frame(0));
    segments.requireCanonical(Gpr.RAX, slow);
    readDescriptor(FRAME_CS, Gpr.RCX, slow);
    Label user = new Label();
    asm.test(DWORD, frame(FRAME_CS), 3);
    asm.jcc(Cond.NE, user);
    returnTo(0, slow);
    asm.bind(user);
    returnTo(3, slow);
  }

  /** Reads the descriptor of a selector of the frame from the global table. */
  private void readDescriptor(int selectorAt, Gpr target, Label slow) {
    asm.movzx(DWORD, target, WORD, frame(selectorAt));
    asm.test(DWORD, target, SELECTOR_LDT);
    asm.jcc(Cond.NE, slow);
    asm.and(DWORD, target, 0xfff8);
    asm.jcc(Cond.E, slow);
    asm.mov(DWORD, S2, state(CpuLayout.GDT_LIMIT));
    asm.and(DWORD, S2, 0xffff);
    asm.lea(DWORD, S1, Mem.of(target, 7));
    asm.cmp(DWORD, S1, S2);
    asm.jcc(Cond.A, slow);
    asm.mov(QWORD, S1, state(CpuLayout.GDT_BASE));
    asm.add(QWORD, S1, target);
    memory.probe(8, false, slow);
    asm.mov(QWORD, target, Mem.of(S1));
  }

  /** The end of IRET: RCX is the descriptor of CS. */
  private void returnTo(int level, Label slow) {
    long descriptorLevel = (long) level << SegmentAttributes.DPL_SHIFT + DESCRIPTOR_SHIFT;
    asm.mov(QWORD, S2, CODE_DESCRIPTOR | descriptorLevel);
    asm.cmp(QWORD, Gpr.RCX, S2);
    asm.jcc(Cond.NE, slow);
    Label nullStack = new Label();
    Label loaded = new Label();
    if (level == 0) {
      asm.movzx(DWORD, S2, WORD, frame(FRAME_SS));
      asm.test(DWORD, S2, S2);
      asm.jcc(Cond.E, nullStack);
    }
    for (int selectorAt : new int[] {FRAME_CS, FRAME_SS}) {
      asm.mov(DWORD, S2, frame(selectorAt));
      asm.and(DWORD, S2, 3);
      asm.cmp(DWORD, S2, level);
      asm.jcc(Cond.NE, slow);
    }
    readDescriptor(FRAME_SS, Gpr.RAX, slow);
    asm.mov(QWORD, S2, DATA_DESCRIPTOR | descriptorLevel);
    asm.cmp(QWORD, Gpr.RAX, S2);
    asm.jcc(Cond.NE, slow);
    if (level == 3) {
      // Data segments of an inner level would be dropped.
      for (int segment : DATA_SEGMENTS) {
        asm.mov(DWORD, S2, SegmentCode.field(segment, CpuLayout.SEG_ATTR));
        asm.and(DWORD, S2, SegmentAttributes.PRESENT | LEVEL_3);
        asm.sub(DWORD, S2, SegmentAttributes.PRESENT);
        asm.cmp(DWORD, S2, LEVEL_3);
        asm.jcc(Cond.B, slow);
      }
    }
    segments.flatStack(level);
    if (level == 0) {
      asm.jmp(loaded);
      asm.bind(nullStack);
      segments.load(CpuLayout.SS, 0, 0);
      asm.bind(loaded);
    }
    segments.flatCode(level);
    asm.movzx(DWORD, S2, WORD, frame(FRAME_CS));
    asm.mov(DWORD, SegmentCode.field(CpuLayout.CS, CpuLayout.SEG_SELECTOR), S2);
    asm.movzx(DWORD, S2, WORD, frame(FRAME_SS));
    asm.mov(DWORD, SegmentCode.field(CpuLayout.SS, CpuLayout.SEG_SELECTOR), S2);
    asm.mov(DWORD, state(CpuLayout.NMI_BLOCKED), 0);
    asm.mov(DWORD, Gpr.RAX, frame(FRAME_FLAGS));
    asm.and(DWORD, Gpr.RAX, IRET_FLAGS);
    asm.or(DWORD, Gpr.RAX, Eflags.FIXED);
    setFlags(Gpr.RAX, S2);
    asm.mov(QWORD, RegisterMap.SP, frame(FRAME_RSP));
    asm.mov(QWORD, S1, frame(0));
    asm.mov(QWORD, Gpr.RAX, SAVED_RAX);
    asm.mov(QWORD, Gpr.RCX, SAVED_RCX);
    int before = draft.mode();
    changeMode(level == 3 ? TlbLayout.USER : kernelMode());
    jumps.jumpToScratch(true);
    draft.setMode(before);
  }
}
