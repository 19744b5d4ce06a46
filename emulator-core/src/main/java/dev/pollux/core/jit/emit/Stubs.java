package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.STATE;
import static dev.pollux.core.jit.emit.RegisterMap.slot;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.VectorLength;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.VectorOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.asm.Xmm;
import dev.pollux.core.mmu.AccessType;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The code between Java and blocks: the way in, the way out, and the loading of vector and x87
 * registers, which waits until a block uses them. Made once per code cache, at its start. Offsets
 * are in bytes from there.
 *
 * <p>The way in is a function of the System V ABI: RDI is the state block, RSI the code to go on
 * at, RDX has bit 0 set to load the vector registers first, bit 1 the x87 registers.
 */
public final class Stubs {
  private static final Gpr[] SAVED = {Gpr.RBX, Gpr.RBP, Gpr.R12, Gpr.R13, Gpr.R14, Gpr.R15};

  /** XSAVE's component mask for x87 state. */
  private static final int X87_COMPONENT = 1;

  // Offsets in its area; registers are in stack order there.
  private static final int AREA_FCW = 0;
  private static final int AREA_FSW = 2;
  private static final int AREA_FTW = 4;
  private static final int AREA_ST = 32;
  private static final int AREA_COMPONENTS = 512;

  /** Number of the way out with RIP set where nothing tells the software TLB's mode. */
  public static final int NO_MODE = TlbLayout.MODES;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS64);
  private final long base;
  private final boolean ymm;
  private final CommonCalls calls = new CommonCalls(asm);
  private final StackPage stackPage = new StackPage(asm);
  private final AccessedPage accessedPage = new AccessedPage(asm);
  private final int enter;
  private final int leave;
  private final int saveFlags;
  private final int[] dropped = new int[JitLayout.JUMP_TABLES];
  private final int[] lookUp = new int[JitLayout.JUMP_TABLES];
  private final int[] refill = new int[2 * TlbLayout.MODES];
  private final int[] fetch = new int[TlbLayout.MODES];
  private final int loadSimd;
  private final int loadX87;
  private final int needSimd;
  private final int needX87;
  private final int readCounter;

  /**
   * @param base where the stubs will be
   * @param ymm the guest has AVX: whole YMM registers are kept
   * @param blockTable address of the table of blocks by host memory
   */
  public Stubs(long base, boolean ymm, long blockTable) {
    this.base = base;
    this.ymm = ymm;
    loadSimd = asm.position();
    emitLoadSimd();
    loadX87 = asm.position();
    emitLoadX87();
    Label numbered = new Label();
    Label nowhere = asm.here();
    asm.mov(QWORD, state(CpuLayout.RIP), RegisterMap.S1);
    asm.mov(DWORD, RegisterMap.S2, NO_MODE);
    asm.jmp(numbered);
    enter = asm.position();
    emitEnter(nowhere);
    leave = asm.position();
    Label byNumber = asm.here();
    asm.pop(RegisterMap.S2);
    asm.mov(DWORD, RegisterMap.S2, Mem.of(RegisterMap.S2));
    asm.bind(numbered);
    asm.mov(DWORD, state(JitLayout.EXIT), RegisterMap.S2);
    Label out = asm.here();
    emitLeave();
    Label behindCall = asm.here();
    asm.pop(RegisterMap.S2);
    asm.mov(DWORD, RegisterMap.S2, Mem.of(RegisterMap.S2, JitLayout.CALL_NUMBER));
    asm.jmp(numbered);
    emitLookUps(
        new LookUps(asm, blockTable), new CommonCalls.Ways(byNumber, behindCall, numbered, out));
    calls.emitOthers(behindCall);
    saveFlags = asm.position();
    new CommonCode(asm).saveFlags();
    asm.ret();
    needSimd = emitNeed(JitLayout.SIMD_LOADED, loadSimd);
    needX87 = emitNeed(JitLayout.X87_LOADED, loadX87);
    readCounter = asm.position();
    emitReadCounter();
    asm.checkResolved();
  }

  public CodeBuffer code() {
    return asm.code();
  }

  /** Host address of the first. */
  public long address() {
    return base;
  }

  /** Address of the way in. */
  public long enter() {
    return base + enter;
  }

  /** Address of a function that returns the host's time-stamp counter. */
  public long readCounter() {
    return base + readCounter;
  }

  /** Code calls this to leave; the exit's number, u32, stands behind the call. */
  int leave() {
    return leave;
  }

  /**
   * Address of what a dropped block's code jumps to that was found through a table of the jump
   * cache: it leaves with RIP set, the exit's number being that of the software TLB's mode.
   */
  public long dropped(int table) {
    return base + dropped[table];
  }

  /** Code jumps here to go on at the address in scratch 1, which the jump cache does not know. */
  int lookUp(int table) {
    return lookUp[table];
  }

  /**
   * Code calls this where the software TLB does not know an address: {@link LookUps#emitRefill}.
   */
  int refill(int mode, boolean write) {
    return refill[2 * mode + (write ? 1 : 0)];
  }

  /**
   * A function that fills the entry for a fetch from the address in scratch 1: its offset in
   * scratch 2, or -1.
   */
  int fetch(int mode) {
    return fetch[mode];
  }

  /** Code calls this to do what {@link CommonCode#saveFlags} does. */
  int saveFlags() {
    return saveFlags;
  }

  /** What short code calls. */
  CommonCalls calls() {
    return calls;
  }

  /** What goes on where an access is not in the page of the stack. */
  StackPage stackPage() {
    return stackPage;
  }

  AccessedPage accessedPage() {
    return accessedPage;
  }

  int loadSimd() {
    return loadSimd;
  }

  int loadX87() {
    return loadX87;
  }

  /** Loads the vector registers if they are not loaded. */
  int needSimd() {
    return needSimd;
  }

  /** Loads the x87 registers if they are not loaded. */
  int needX87() {
    return needX87;
  }

  private int emitNeed(int loaded, int load) {
    int at = asm.position();
    Label there = new Label();
    asm.cmp(DWORD, state(loaded), 0);
    asm.jcc(Cond.NE, there);
    callAt(load);
    asm.bind(there);
    asm.ret();
    return at;
  }

  private void emitEnter(Label nowhere) {
    for (Gpr register : SAVED) {
      asm.push(register);
    }
    asm.sub(QWORD, Gpr.RSP, 8);
    asm.lea(QWORD, STATE, Mem.of(Gpr.RDI, RegisterMap.BIAS));
    ReturnStack.begin(asm, nowhere);
    asm.mov(QWORD, RegisterMap.S2, Gpr.RSI);
    call(0x1, loadSimd);
    call(0x2, loadX87);
    asm.movzx(DWORD, Gpr.RAX, WORD, state(JitLayout.FLAGS));
    asm.add(BYTE, Gpr.RAX, 0x7f);
    asm.op(NullaryOp.SAHF);
    for (int guest = 0; guest < 16; guest++) {
      if (RegisterMap.host(guest) != null) {
        asm.mov(QWORD, RegisterMap.host(guest), slot(guest));
      }
    }
    asm.jmp(RegisterMap.S2);
  }

  private void call(int bit, int stub) {
    Label skip = new Label();
    asm.test(DWORD, Gpr.RDX, bit);
    asm.jcc(Cond.E, skip);
    callAt(stub);
    asm.bind(skip);
  }

  private void callAt(int stub) {
    asm.code().reserve(5);
    asm.code().put8(0xe8);
    asm.code().put32(stub - (asm.position() + 4));
  }

  private void emitLookUps(LookUps lookUps, CommonCalls.Ways ways) {
    for (int mode = 0; mode < TlbLayout.MODES; mode++) {
      Label toRip = asm.here();
      asm.mov(DWORD, state(JitLayout.EXIT), mode);
      asm.jmp(ways.out());
      for (int write = 0; write < 2; write++) {
        Label fill = asm.here();
        lookUps.emitFill(mode, write != 0 ? AccessType.WRITE : AccessType.READ);
        Label copy = null;
        if (write == 0) {
          copy = asm.here();
          lookUps.emitCopy(mode, fill);
        }
        refill[2 * mode + write] = asm.position();
        lookUps.emitRefill(mode, write != 0, fill, copy, ways.byNumber());
        calls.emitProbes(mode, write != 0, fill, copy, ways.behindCall());
        stackPage.emit(lookUps, mode, write != 0, fill, copy, ways.behindCall());
        accessedPage.emit(lookUps, mode, write != 0, fill, copy, ways.behindCall());
      }
      Label fill = asm.here();
      fetch[mode] = asm.position();
      lookUps.emitFill(mode, AccessType.EXECUTE);
      for (int i = mode; i < lookUp.length; i += JitLayout.GROUP_TABLES) {
        Label find = asm.here();
        lookUp[i] = asm.position();
        lookUps.emitLookUp(i, fill, toRip);
        calls.emitJumps(i, find, ways);
        dropped[i] = asm.position();
        lookUps.emitDropped(i, toRip);
      }
    }
  }

  private void emitLeave() {
    for (int guest = 0; guest < 16; guest++) {
      if (RegisterMap.host(guest) != null) {
        asm.mov(QWORD, slot(guest), RegisterMap.host(guest));
      }
    }
    Label noSimd = new Label();
    asm.cmp(DWORD, state(JitLayout.SIMD_LOADED), 0);
    asm.jcc(Cond.E, noSimd);
    for (int i = 0; i < 16; i++) {
      if (ymm) {
        asm.avx(VectorMove.MOVUPS, VectorLength.L256, vector(i), Xmm.of(i));
      } else {
        asm.sse(VectorMove.MOVUPS, vector(i), Xmm.of(i));
      }
    }
    if (ymm) {
      asm.op(NullaryOp.VZEROUPPER);
    }
    asm.op(MemOp.STMXCSR, state(CpuLayout.MXCSR));
    asm.op(MemOp.LDMXCSR, state(JitLayout.HOST_MXCSR));
    asm.mov(DWORD, state(JitLayout.SIMD_LOADED), 0);
    asm.bind(noSimd);
    Label noX87 = new Label();
    asm.cmp(DWORD, state(JitLayout.X87_LOADED), 0);
    asm.jcc(Cond.E, noX87);
    asm.mov(DWORD, Gpr.RAX, X87_COMPONENT);
    asm.xor(DWORD, Gpr.RDX, Gpr.RDX);
    asm.wide(MemOp.XSAVE, area(0));
    asm.op(NullaryOp.FNINIT);
    asm.mov(DWORD, state(JitLayout.X87_LOADED), 0);
    emitAreaToState();
    asm.bind(noX87);
    ReturnStack.end(asm);
    asm.add(QWORD, Gpr.RSP, 8);
    for (int i = SAVED.length - 1; i >= 0; i--) {
      asm.pop(SAVED[i]);
    }
    asm.ret();
  }

  private void emitReadCounter() {
    asm.op(NullaryOp.RDTSC);
    asm.shl(QWORD, Gpr.RDX, 32);
    asm.or(QWORD, Gpr.RAX, Gpr.RDX);
    asm.ret();
  }

  /**
   * Loads the vector registers and MXCSR. The host's upper halves are zero here and stay so if the
   * guest's are: with anything in them each SSE instruction, which must keep them, would wait for
   * the one before that wrote its register.
   */
  private void emitLoadSimd() {
    asm.op(MemOp.STMXCSR, state(JitLayout.HOST_MXCSR));
    asm.op(MemOp.LDMXCSR, state(CpuLayout.MXCSR));
    asm.mov(DWORD, state(JitLayout.SIMD_LOADED), 1);
    Label clean = new Label();
    if (ymm) {
      // Flags are in memory wherever this is called.
      asm.sse(VectorMove.MOVAPS, Xmm.of(0), upper(0));
      asm.sse(VectorMove.MOVAPS, Xmm.of(1), upper(1));
      for (int i = 2; i < 16; i++) {
        asm.sse(VectorOp.ORPS, Xmm.of(i & 1), upper(i));
      }
      asm.sse(VectorOp.ORPS, Xmm.of(0), Xmm.of(1));
      asm.sse(VectorOp.PTEST, Xmm.of(0), Xmm.of(0));
      asm.jcc(Cond.E, clean);
      for (int i = 0; i < 16; i++) {
        asm.avx(VectorMove.MOVUPS, VectorLength.L256, Xmm.of(i), vector(i));
      }
      asm.ret();
    }
    asm.bind(clean);
    for (int i = 0; i < 16; i++) {
      asm.sse(VectorMove.MOVUPS, Xmm.of(i), vector(i));
    }
    asm.ret();
  }

  /** Loads the x87 registers. Flags are in memory wherever this is called. */
  private void emitLoadX87() {
    asm.push(Gpr.RAX);
    asm.push(Gpr.RCX);
    asm.push(Gpr.RDX);
    asm.movzx(DWORD, Gpr.RAX, WORD, state(CpuLayout.FCW));
    asm.mov(WORD, area(AREA_FCW), Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, BYTE, state(CpuLayout.FTW));
    asm.mov(WORD, area(AREA_FTW), Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, WORD, state(CpuLayout.FSW));
    asm.mov(WORD, area(AREA_FSW), Gpr.RAX);
    topOffset();
    for (int i = 0; i < 8; i++) {
      asm.mov(QWORD, Gpr.RAX, state(Gpr.RCX, 1, CpuLayout.FPR));
      asm.mov(QWORD, area(AREA_ST + 16 * i), Gpr.RAX);
      asm.mov(QWORD, Gpr.RAX, state(Gpr.RCX, 1, CpuLayout.FPR + 8));
      asm.mov(QWORD, area(AREA_ST + 16 * i + 8), Gpr.RAX);
      nextOffset();
    }
    asm.mov(QWORD, area(AREA_COMPONENTS), X87_COMPONENT);
    asm.mov(DWORD, Gpr.RAX, X87_COMPONENT);
    asm.xor(DWORD, Gpr.RDX, Gpr.RDX);
    asm.wide(MemOp.XRSTOR, area(0));
    asm.mov(DWORD, state(JitLayout.X87_LOADED), 1);
    asm.pop(Gpr.RDX);
    asm.pop(Gpr.RCX);
    asm.pop(Gpr.RAX);
    asm.ret();
  }

  /**
   * From the area that XSAVE has written to the state block. The pointers to the last x87
   * instruction are there already: the host's lead to generated code, which is no affair of the
   * guest's.
   */
  private void emitAreaToState() {
    asm.movzx(DWORD, Gpr.RAX, WORD, area(AREA_FCW));
    asm.mov(WORD, state(CpuLayout.FCW), Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, BYTE, area(AREA_FTW));
    asm.mov(DWORD, state(CpuLayout.FTW), Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, WORD, area(AREA_FSW));
    asm.mov(WORD, state(CpuLayout.FSW), Gpr.RAX);
    topOffset();
    for (int i = 0; i < 8; i++) {
      asm.mov(QWORD, Gpr.RAX, area(AREA_ST + 16 * i));
      asm.mov(QWORD, state(Gpr.RCX, 1, CpuLayout.FPR), Gpr.RAX);
      asm.mov(QWORD, Gpr.RAX, area(AREA_ST + 16 * i + 8));
      asm.mov(QWORD, state(Gpr.RCX, 1, CpuLayout.FPR + 8), Gpr.RAX);
      nextOffset();
    }
  }

  /**
   * Offset of the top of the x87 stack among the state block's registers, which are in physical
   * order (Intel SDM vol. 1, 8.1.2), in RCX from the status word in RAX.
   */
  private void topOffset() {
    asm.mov(DWORD, Gpr.RCX, Gpr.RAX);
    asm.shr(DWORD, Gpr.RCX, 11 - 4);
    asm.and(DWORD, Gpr.RCX, 7 << 4);
  }

  private void nextOffset() {
    asm.add(DWORD, Gpr.RCX, 1 << 4);
    asm.and(DWORD, Gpr.RCX, 7 << 4);
  }

  /** A field of the area of XSAVE and XRSTOR (Intel SDM vol. 1, 10.5.1 and 13.4). */
  private static Mem area(int offset) {
    return state(JitLayout.X87_AREA + offset);
  }

  /** The upper half of a YMM register. */
  private static Mem upper(int register) {
    return state(CpuLayout.YMM + register * CpuLayout.YMM_SIZE + 16);
  }

  private static Mem vector(int register) {
    return state(CpuLayout.YMM + register * CpuLayout.YMM_SIZE);
  }
}
