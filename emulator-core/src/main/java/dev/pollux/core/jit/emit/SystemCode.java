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
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The code of instructions that look at or change what an operating system sees: segment and
 * control registers, time, flags that are not arithmetic. Each has a common case here; whatever is
 * rare or raises an exception is left to the interpreter before anything has changed.
 */
final class SystemCode {
  private static final int CR4_TSD = 1 << 2;
  private static final int CR4_FSGSBASE = 1 << 16;
  private static final int CR4_PKE = 1 << 22;
  private static final int EFER_SCE = 1;

  /** Flags that change what translations depend on. */
  private static final int MODE_FLAGS = Eflags.TF | Eflags.AC;

  /** What SYSRET takes from R11. */
  private static final int SYSRET_FLAGS = 0x3c_7fd7;

  /** What IRET to 64-bit code takes from the stack at privilege level 0. */
  private static final int IRET_FLAGS = Eflags.ALL & ~(Eflags.VM | Eflags.FIXED);

  /** Attributes of the segments that SYSCALL and SYSRET load, and that IRET is translated for. */
  private static final int CODE_ATTR = 0xa09b;

  private static final int DATA_ATTR = 0xc093;
  private static final int LEVEL_3 = 3 << SegmentAttributes.DPL_SHIFT;

  /** Descriptors of such segments, but for their level. */
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

  private final BlockCompiler compiler;
  private final X86Assembler asm;

  SystemCode(BlockCompiler compiler) {
    this.compiler = compiler;
    this.asm = compiler.assembler();
  }

  /** A field of IRET's frame, of which each was read once. */
  private static Mem frame(int offset) {
    return state(CpuLayout.SCRATCH + 16 + offset);
  }

  /** A field of a segment register. */
  private static Mem segment(int segment, int field) {
    return state(CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + field);
  }

  /** CLD and STD: the host's own direction flag stays clear. */
  void direction(boolean down) {
    compiler.clobberFlags();
    if (down) {
      asm.or(DWORD, state(CpuLayout.RFLAGS), Eflags.DF);
    } else {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.DF);
    }
  }

  /**
   * RDTSC and RDTSCP: the host's counter, scaled to guest time as {@link JitLayout#CLOCK_TSC}
   * tells. RAX and RDX are destroyed before the decision: the interpreter writes them, too.
   */
  void readClock(Insn insn, boolean supervisor) {
    compiler.clobberFlags();
    Label slow = compiler.slowExit();
    if (!supervisor) {
      asm.test(DWORD, state(CpuLayout.CR4), CR4_TSD);
      asm.jcc(Cond.NE, slow);
    }
    if (insn.op == Op.RDTSCP) {
      asm.op(NullaryOp.LFENCE);
    }
    asm.op(NullaryOp.RDTSC);
    asm.shl(QWORD, Gpr.RDX, 32);
    asm.or(QWORD, Gpr.RAX, Gpr.RDX);
    asm.sub(QWORD, Gpr.RAX, state(JitLayout.CLOCK_TSC));
    asm.cmp(QWORD, Gpr.RAX, state(JitLayout.CLOCK_SPAN));
    asm.jcc(Cond.AE, slow);
    asm.mov(QWORD, Gpr.RDX, state(JitLayout.CLOCK_SCALE));
    asm.op(GprOp.IMUL, QWORD, Gpr.RAX, Gpr.RDX);
    asm.shr(QWORD, Gpr.RAX, 32);
    asm.add(QWORD, Gpr.RAX, state(JitLayout.CLOCK_NANOS));
    asm.add(QWORD, Gpr.RAX, state(CpuLayout.TSC_OFFSET));
    asm.mov(QWORD, Gpr.RDX, Gpr.RAX);
    asm.shr(QWORD, Gpr.RDX, 32);
    asm.mov(DWORD, Gpr.RAX, Gpr.RAX);
    if (insn.op == Op.RDTSCP) {
      asm.mov(DWORD, Gpr.RCX, state(CpuLayout.TSC_AUX));
    }
  }

  /** RDPKRU: the rights of user pages' protection keys. */
  void readKeyRights() {
    compiler.clobberFlags();
    Label slow = compiler.slowExit();
    asm.test(DWORD, state(CpuLayout.CR4), CR4_PKE);
    asm.jcc(Cond.E, slow);
    asm.test(DWORD, Gpr.RCX, Gpr.RCX);
    asm.jcc(Cond.NE, slow);
    asm.mov(DWORD, Gpr.RAX, state(CpuLayout.PKRU));
    asm.xor(DWORD, Gpr.RDX, Gpr.RDX);
  }

  /** MOV from a control register. */
  void readControl(Insn insn) {
    int field =
        switch (insn.reg1) {
          case 0 -> CpuLayout.CR0;
          case 2 -> CpuLayout.CR2;
          case 3 -> CpuLayout.CR3;
          default -> CpuLayout.CR4;
        };
    asm.mov(QWORD, S2, state(field));
    compiler.storeGpr(insn.reg0, 8, S2);
  }

  /** MOV from a segment register. */
  void readSelector(Insn insn) {
    if (insn.hasMemory()) {
      compiler.access(insn, 2, true, false);
      asm.mov(DWORD, S2, segment(insn.reg1, CpuLayout.SEG_SELECTOR));
      asm.mov(WORD, Mem.of(S1), S2);
    } else {
      asm.mov(DWORD, S2, segment(insn.reg1, CpuLayout.SEG_SELECTOR));
      compiler.storeGpr(insn.reg0, insn.size0, S2);
    }
  }

  /** MOV of a null selector to ES, DS, FS or GS; others need a descriptor. */
  void writeSelector(Insn insn) {
    if (insn.hasMemory()) {
      compiler.access(insn, 2, false, false);
      asm.movzx(DWORD, S2, WORD, Mem.of(S1));
    } else {
      compiler.clobberFlags();
      compiler.loadGpr(insn.reg1, S2);
      asm.movzx(DWORD, S2, WORD, S2);
    }
    asm.test(DWORD, S2, 0xfffc);
    asm.jcc(Cond.NE, compiler.slowExit());
    asm.mov(DWORD, segment(insn.reg0, CpuLayout.SEG_SELECTOR), S2);
    load(insn.reg0, 0, 0);
  }

  /** RDFSBASE and RDGSBASE. */
  void readBase(Insn insn, int segment) {
    requireFsGsBase();
    asm.mov(insn.size0 == 4 ? DWORD : QWORD, S2, segment(segment, CpuLayout.SEG_BASE));
    compiler.storeGpr(insn.reg0, insn.size0, S2);
  }

  /** WRFSBASE and WRGSBASE. */
  void writeBase(Insn insn, int segment) {
    requireFsGsBase();
    compiler.loadGpr(insn.reg0, S2);
    if (insn.size0 == 4) {
      asm.mov(DWORD, S2, S2);
    } else {
      requireCanonical(S2, compiler.slowExit());
    }
    asm.mov(QWORD, segment(segment, CpuLayout.SEG_BASE), S2);
  }

  private void requireFsGsBase() {
    compiler.clobberFlags();
    asm.test(DWORD, state(CpuLayout.CR4), CR4_FSGSBASE);
    asm.jcc(Cond.E, compiler.slowExit());
  }

  /** Leaves unless {@code address} is canonical; destroys scratch 1. */
  private void requireCanonical(Gpr address, Label slow) {
    asm.mov(QWORD, S1, address);
    asm.shl(QWORD, S1, 16);
    asm.shift(ShiftOp.SAR, QWORD, S1, 16);
    asm.cmp(QWORD, S1, address);
    asm.jcc(Cond.NE, slow);
  }

  // ---- privilege ----

  /** STAC and CLAC at privilege level 0. */
  void allowUserAccess(boolean allow) {
    compiler.clobberFlags();
    if (allow) {
      asm.or(DWORD, state(CpuLayout.RFLAGS), Eflags.AC);
      compiler.setMode(TlbLayout.KERNEL);
    } else {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.AC);
      compiler.setMode(kernelMode());
    }
  }

  /** The mode of privilege level 0 while RFLAGS.AC is 0. */
  private int kernelMode() {
    return compiler.context().smap() ? TlbLayout.KERNEL_SMAP : TlbLayout.KERNEL;
  }

  /** SYSCALL from privilege level 3, where the new RFLAGS.AC is 0. */
  void syscall() {
    compiler.clobberFlags();
    Label slow = compiler.slowExit();
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
    loadFlat(0);
    compiler.nextRip(Gpr.RCX);
    asm.mov(QWORD, S1, state(CpuLayout.LSTAR));
    compiler.setMode(kernelMode());
    compiler.jumpToScratch(false);
  }

  /** SYSRET to 64-bit code that no trap or interrupt waits for. */
  void sysret() {
    compiler.clobberFlags();
    Label slow = compiler.slowExit();
    asm.test(DWORD, state(CpuLayout.EFER), EFER_SCE);
    asm.jcc(Cond.E, slow);
    asm.cmp(DWORD, state(CpuLayout.PENDING), 0);
    asm.jcc(Cond.NE, slow);
    requireCanonical(Gpr.RCX, slow);
    asm.mov(DWORD, S1, RegisterMap.slot(R11));
    asm.and(DWORD, S1, SYSRET_FLAGS);
    asm.test(DWORD, S1, MODE_FLAGS);
    asm.jcc(Cond.NE, slow);
    asm.or(DWORD, S1, Eflags.FIXED);
    setFlags(S1, S2);
    asm.movzx(DWORD, S1, WORD, state(CpuLayout.STAR + 6));
    asm.lea(DWORD, S2, Mem.of(S1, 8));
    asm.add(DWORD, S1, 16);
    loadFlat(3);
    asm.mov(QWORD, S1, Gpr.RCX);
    compiler.setMode(TlbLayout.USER);
    compiler.jumpToScratch(false);
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

  /** Loads CS with the selector in scratch 1, SS with that in scratch 2, for a privilege level. */
  private void loadFlat(int level) {
    asm.and(DWORD, S1, 0xfffc);
    asm.and(DWORD, S2, 0xfffc);
    if (level != 0) {
      asm.or(DWORD, S1, level);
      asm.or(DWORD, S2, level);
    }
    asm.mov(DWORD, segment(CpuLayout.CS, CpuLayout.SEG_SELECTOR), S1);
    asm.mov(DWORD, segment(CpuLayout.SS, CpuLayout.SEG_SELECTOR), S2);
    flat(CpuLayout.CS, CODE_ATTR | level << SegmentAttributes.DPL_SHIFT);
    flat(CpuLayout.SS, DATA_ATTR | level << SegmentAttributes.DPL_SHIFT);
  }

  private void flat(int segment, int attr) {
    load(segment, attr, -1);
  }

  /** Everything of a segment register but the selector. */
  private void load(int segment, int attr, int limit) {
    asm.mov(DWORD, segment(segment, CpuLayout.SEG_ATTR), attr);
    asm.mov(QWORD, segment(segment, CpuLayout.SEG_BASE), 0);
    asm.mov(DWORD, segment(segment, CpuLayout.SEG_LIMIT), limit);
  }

  /**
   * IRET to 64-bit code of privilege level 0 or 3 whose segments have the descriptors that systems
   * with a flat memory give them (at level 0 SS may be null), and that no trap or interrupt waits
   * for. The descriptors are read from their table, as the processor does.
   */
  void iret() {
    compiler.clobberFlags();
    if (compiler.mode() != kernelMode()) {
      // The processor's own accesses do not heed RFLAGS.AC: another table.
      compiler.exitHere();
      return;
    }
    Label early = compiler.slowExit();
    asm.test(DWORD, state(CpuLayout.RFLAGS), Eflags.NT);
    asm.jcc(Cond.NE, early);
    asm.mov(QWORD, S1, RegisterMap.SP);
    compiler.probe(FRAME_BYTES, false, false);
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
    compiler.defer(
        slow,
        () -> {
          asm.mov(QWORD, Gpr.RAX, SAVED_RAX);
          asm.mov(QWORD, Gpr.RCX, SAVED_RCX);
          asm.jmp(early);
        });
    asm.mov(QWORD, Gpr.RAX, frame(0));
    requireCanonical(Gpr.RAX, slow);
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
    compiler.probe(8, false, false, slow);
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
        asm.mov(DWORD, S2, segment(segment, CpuLayout.SEG_ATTR));
        asm.and(DWORD, S2, SegmentAttributes.PRESENT | LEVEL_3);
        asm.sub(DWORD, S2, SegmentAttributes.PRESENT);
        asm.cmp(DWORD, S2, LEVEL_3);
        asm.jcc(Cond.B, slow);
      }
    }
    flat(CpuLayout.SS, DATA_ATTR | level << SegmentAttributes.DPL_SHIFT);
    if (level == 0) {
      asm.jmp(loaded);
      asm.bind(nullStack);
      load(CpuLayout.SS, 0, 0);
      asm.bind(loaded);
    }
    flat(CpuLayout.CS, CODE_ATTR | level << SegmentAttributes.DPL_SHIFT);
    asm.movzx(DWORD, S2, WORD, frame(FRAME_CS));
    asm.mov(DWORD, segment(CpuLayout.CS, CpuLayout.SEG_SELECTOR), S2);
    asm.movzx(DWORD, S2, WORD, frame(FRAME_SS));
    asm.mov(DWORD, segment(CpuLayout.SS, CpuLayout.SEG_SELECTOR), S2);
    asm.mov(DWORD, state(CpuLayout.NMI_BLOCKED), 0);
    asm.mov(DWORD, Gpr.RAX, frame(FRAME_FLAGS));
    asm.and(DWORD, Gpr.RAX, IRET_FLAGS);
    asm.or(DWORD, Gpr.RAX, Eflags.FIXED);
    setFlags(Gpr.RAX, S2);
    asm.mov(QWORD, RegisterMap.SP, frame(FRAME_RSP));
    asm.mov(QWORD, S1, frame(0));
    asm.mov(QWORD, Gpr.RAX, SAVED_RAX);
    asm.mov(QWORD, Gpr.RCX, SAVED_RCX);
    int before = compiler.mode();
    compiler.setMode(level == 3 ? TlbLayout.USER : kernelMode());
    compiler.jumpToScratch(true);
    compiler.setMode(before);
  }
}
