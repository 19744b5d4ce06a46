package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * MOVS and STOS, upwards, with addresses as wide as the code. A repeated one is the host's own on
 * as many elements as lie in one page at both ends, after which the registers are right and what
 * waits is looked at; then the next run. An element that crosses a page, a page that the TLB does
 * not know and the direction downwards are the interpreter's, which goes on where the registers
 * say.
 */
final class StringCode {
  private static final int RFLAGS_DF = 1 << 10;

  /** Guest RSI and what the host's repeat needs meanwhile. */
  private static final Mem SOURCE = state(CpuLayout.SCRATCH);

  private static final Mem SOURCE_HOST = state(CpuLayout.SCRATCH + 8);
  private static final Mem SOURCE_ROOM = state(CpuLayout.SCRATCH + 16);

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final X86Assembler asm;

  /** Size of addresses and of the count. */
  private OpSize wide = QWORD;

  StringCode(BlockDraft draft, LiveFlags flags, OutOfLine outOfLine, MemoryCode memory) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.asm = draft.asm();
  }

  void emit(Insn insn) {
    wide = draft.wide();
    flags.clobber();
    Label slow = outOfLine.slowExit();
    asm.test(DWORD, state(CpuLayout.RFLAGS), RFLAGS_DF);
    asm.jcc(Cond.NE, slow);
    boolean moves = insn.op == Op.MOVS;
    if (insn.rep == 0) {
      once(insn, moves);
      return;
    }
    Label done = new Label();
    asm.test(wide, Gpr.RCX, Gpr.RCX);
    asm.jcc(Cond.E, done);
    Label top = asm.here();
    run(insn, moves, slow);
    asm.test(wide, Gpr.RCX, Gpr.RCX);
    asm.jcc(Cond.E, done);
    asm.cmp(DWORD, state(CpuLayout.EXIT_REQUEST), 0);
    asm.jcc(Cond.E, top);
    asm.jmp(slow);
    asm.bind(done);
  }

  private void once(Insn insn, boolean moves) {
    int bytes = insn.size0;
    OpSize size = BlockCompiler.size(bytes);
    if (moves) {
      source(insn);
      memory.probe(bytes, false, false);
      asm.mov(size, S2, Mem.of(S1));
      asm.mov(QWORD, SOURCE, S2);
    }
    asm.mov(wide, S1, Gpr.RDI);
    memory.probe(bytes, true, false);
    if (moves) {
      asm.mov(QWORD, S2, SOURCE);
      asm.mov(size, Mem.of(S1), S2);
      asm.lea(wide, Gpr.RSI, Mem.of(Gpr.RSI, bytes));
    } else {
      asm.mov(size, Mem.of(S1), Gpr.RAX);
    }
    asm.lea(wide, Gpr.RDI, Mem.of(Gpr.RDI, bytes));
  }

  /** The linear address of the source in scratch 1. */
  private void source(Insn insn) {
    asm.mov(wide, S1, Gpr.RSI);
    memory.addSegmentBase(insn);
  }

  /**
   * Elements from the linear address in {@code address} to the end of its page, in it. If they have
   * several bytes sets ZF where there is none.
   */
  private void room(Gpr address, int bytes) {
    asm.or(DWORD, address, -4096);
    asm.unary(UnaryOp.NEG, DWORD, address);
    if (bytes > 1) {
      asm.shr(DWORD, address, Integer.numberOfTrailingZeros(bytes));
    }
  }

  /** One run of a repeated instruction; RCX is not 0. */
  private void run(Insn insn, boolean moves, Label slow) {
    int bytes = insn.size0;
    int shift = Integer.numberOfTrailingZeros(bytes);
    if (moves) {
      source(insn);
      asm.mov(QWORD, S2, S1);
      room(S2, bytes);
      if (bytes > 1) {
        asm.jcc(Cond.E, slow);
      }
      asm.mov(QWORD, SOURCE_ROOM, S2);
      memory.probe(bytes, false, false);
      asm.mov(QWORD, SOURCE_HOST, S1);
    }
    asm.mov(wide, S1, Gpr.RDI);
    memory.probe(bytes, true, false);
    asm.mov(DWORD, S2, Gpr.RDI);
    room(S2, bytes);
    if (moves) {
      asm.cmp(QWORD, S2, SOURCE_ROOM);
      asm.cmov(Cond.A, QWORD, S2, SOURCE_ROOM);
    }
    asm.cmp(wide, S2, Gpr.RCX);
    asm.cmov(Cond.A, wide, S2, Gpr.RCX);
    // Guest RDI and RCX as they will be wait in the scratch registers, RSI in memory.
    asm.xchg(QWORD, Gpr.RDI, S1);
    asm.xchg(QWORD, Gpr.RCX, S2);
    asm.sub(wide, S2, Gpr.RCX);
    asm.lea(wide, S1, Mem.of(S1, Gpr.RCX, 1 << shift, 0));
    if (moves) {
      asm.lea(wide, Gpr.RSI, Mem.of(Gpr.RSI, Gpr.RCX, 1 << shift, 0));
      asm.mov(QWORD, SOURCE, Gpr.RSI);
      asm.mov(QWORD, Gpr.RSI, SOURCE_HOST);
    }
    asm.rep(moves ? StringOp.MOVS : StringOp.STOS, BlockCompiler.size(bytes));
    asm.mov(QWORD, Gpr.RDI, S1);
    asm.mov(QWORD, Gpr.RCX, S2);
    if (moves) {
      asm.mov(QWORD, Gpr.RSI, SOURCE);
    }
  }
}
