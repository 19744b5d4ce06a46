package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.HostCpu;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.NativeCall;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.GeneratorHost;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.BmiOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.VectorLength;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.VectorOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.asm.Xmm;
import dev.pollux.core.jit.cache.BlockIndex;
import dev.pollux.core.jit.cache.CodeCache;
import dev.pollux.core.mmu.TlbLayout;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks compiled from small programs, executed on the host and seen through the state block. */
@ParameterizedClass
@ValueSource(booleans = {false, true})
class BlockCompilerTest {
  /** Of the code: see {@link BlockCompiler.Context#quick}. */
  @Parameter private boolean quick;

  private static final long CODE = 0x40_1000;
  private static final long DATA = 0x7012_3000;
  private static final int FLAGS_ADD_OVERFLOW = 0x80 << 8 | 1;

  private CpuState state;
  private CodeCache cache;
  private BlockIndex index;
  private Stubs stubs;
  private BlockCompiler compiler;
  private long page;
  private BlockCode code;
  private long start;

  @BeforeEach
  void open() throws Exception {
    GeneratorHost.assumeGenerator();
    state = new CpuState();
    cache = new CodeCache(1 << 20);
    index = new BlockIndex();
    stubs = new Stubs(cache.nextAddress(), false, index.address());
    cache.append(stubs.code());
    compiler = new BlockCompiler(stubs);
    page = Libc.mapAnonymous(4096, Libc.PROT_READ | Libc.PROT_WRITE);
    for (int i = 0; i < TlbLayout.ENTRIES; i++) {
      entry(i, TlbLayout.invalidTag(i), TlbLayout.invalidTag(i), 0);
    }
    entry((int) (DATA >>> 12) & (TlbLayout.ENTRIES - 1), DATA, DATA, page);
    state.setU32(CpuLayout.MXCSR, 0x1f80);
    state.setU32(JitLayout.CALLS_LEFT, Integer.MAX_VALUE);
  }

  private void entry(int index, long read, long write, long host) {
    long entry = state.address() + CpuLayout.TLB + (long) index * TlbLayout.ENTRY_SIZE;
    RawMemory.putLong(entry + TlbLayout.READ_TAG, read);
    RawMemory.putLong(entry + TlbLayout.WRITE_TAG, write);
    RawMemory.putLong(entry + TlbLayout.HOST_PAGE, host);
  }

  @AfterEach
  void close() {
    if (state != null) {
      state.close();
      cache.close();
      index.close();
      Libc.unmap(page, 4096);
    }
  }

  /** Compiles a guest program and runs it once; returns the exit it took. */
  private BlockCode.Exit run(Consumer<X86Assembler> program) {
    X86Assembler guest = new X86Assembler(CodeMode.BITS64);
    guest.org(CODE);
    program.accept(guest);
    byte[] bytes = guest.finish();
    Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
    List<Insn> insns = new ArrayList<>();
    int[] offsets = new int[bytes.length + 1];
    for (int at = 0; at < bytes.length; ) {
      Insn insn = decoder.decode(bytes, at, bytes.length, 64);
      offsets[insns.size()] = at;
      insns.add(insn);
      at += insn.length;
    }
    code =
        compiler.compile(
            new BlockCompiler.Context(
                0, 0, TlbLayout.KERNEL, false, true, true, true, true, 0, quick),
            insns.toArray(Insn[]::new),
            offsets,
            insns.size(),
            cache.nextAddress(),
            offset ->
                offset < 0 || offset >= bytes.length
                    ? null
                    : decoder.decode(bytes, (int) offset, bytes.length, 64));
    for (int i = 0; i < code.exits().size(); i++) {
      compiler.assembler().code().patch(code.exits().get(i).numberAt(), 4, TlbLayout.MODES + i);
    }
    start = cache.append(compiler.assembler().code());
    return resume(code.entryAt());
  }

  private long gpr(Gpr register) {
    return state.gpr(register.number());
  }

  private void set(Gpr register, long value) {
    state.setGpr(register.number(), value);
  }

  @Test
  void registersInAllPlaces() {
    for (int i = 0; i < 16; i++) {
      state.setGpr(i, 0x1000 + i);
    }
    run(
        a -> {
          for (int i = 0; i < 16; i++) {
            a.add(QWORD, Gpr.of(i), Gpr.of((i + 5) & 15));
          }
        });
    long[] expected = new long[16];
    for (int i = 0; i < 16; i++) {
      expected[i] = 0x1000 + i;
    }
    for (int i = 0; i < 16; i++) {
      expected[i] += expected[(i + 5) & 15];
    }
    for (int i = 0; i < 16; i++) {
      assertEquals(expected[i], state.gpr(i), Gpr.of(i).toString());
    }
  }

  @Test
  void narrowWritesKeepOrClearTheRest() {
    set(Gpr.R10, -1);
    set(Gpr.R11, -1);
    set(Gpr.R14, -1);
    set(Gpr.RBX, -1);
    set(Gpr.RSP, -1);
    run(
        a -> {
          a.mov(DWORD, Gpr.R10, 5);
          a.mov(BYTE, Gpr.R11, 5);
          a.xor(DWORD, Gpr.R14, Gpr.R14);
          a.mov(BYTE, Gpr.BH, 9);
          a.mov(BYTE, Gpr.RSP, 7);
        });
    assertEquals(5, gpr(Gpr.R10));
    assertEquals(-256 + 5, gpr(Gpr.R11));
    assertEquals(0, gpr(Gpr.R14));
    assertEquals(-1 - 0xff00 + 0x900, gpr(Gpr.RBX));
    assertEquals(-256 + 7, gpr(Gpr.RSP));
  }

  @Test
  void highBytes() {
    set(Gpr.RAX, 0x1122_3344_5566_7788L);
    set(Gpr.RBX, 0x0102_0304_0506_0708L);
    run(
        a -> {
          a.add(BYTE, Gpr.AH, Gpr.BH);
          a.mov(BYTE, Gpr.BH, Gpr.RAX);
          a.movzx(DWORD, Gpr.RCX, BYTE, Gpr.AH);
        });
    assertEquals(0x1122_3344_5566_7e88L, gpr(Gpr.RAX));
    assertEquals(0x0102_0304_0506_8808L, gpr(Gpr.RBX));
    assertEquals(0x7e, gpr(Gpr.RCX));
  }

  @Test
  void memoryThroughTheTlb() {
    RawMemory.putLong(page + 0x18, 0x1234);
    set(Gpr.RSI, DATA);
    set(Gpr.R15, 3);
    set(Gpr.R10, DATA + 0x100);
    run(
        a -> {
          a.mov(QWORD, Gpr.R11, Mem.of(Gpr.RSI, Gpr.R15, 8, 0));
          a.mov(QWORD, Mem.of(Gpr.R10, 8), Gpr.R11);
          a.add(QWORD, Mem.of(Gpr.R10, 8), 1);
          a.lea(QWORD, Gpr.R14, Mem.of(Gpr.R10, Gpr.R15, 4, 2));
        });
    assertEquals(0x1234, gpr(Gpr.R11));
    assertEquals(0x1235, RawMemory.getLong(page + 0x108));
    assertEquals(DATA + 0x100 + 12 + 2, gpr(Gpr.R14));
  }

  @Test
  void missesLeaveBeforeAnythingChanged() {
    set(Gpr.RSI, DATA + 0x1000);
    set(Gpr.RAX, 1);
    BlockCode.Exit exit =
        run(
            a -> {
              a.add(QWORD, Gpr.RAX, 1);
              a.add(QWORD, Gpr.RAX, Mem.of(Gpr.RSI));
            });
    assertEquals(1, ((BlockCode.Interpret) exit).insn());
    assertEquals(2, gpr(Gpr.RAX));
  }

  @Test
  void pageCrossingMisses() {
    set(Gpr.RSI, DATA + 0xffd);
    BlockCode.Exit exit = run(a -> a.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RSI)));
    assertEquals(0, ((BlockCode.Interpret) exit).insn());
  }

  @Test
  void flagsSurviveMemoryAccessesAndTheWayOut() {
    set(Gpr.RAX, Long.MAX_VALUE);
    set(Gpr.RSI, DATA);
    RawMemory.putLong(page, 10);
    run(
        a -> {
          a.add(QWORD, Gpr.RAX, 1);
          a.mov(QWORD, Gpr.RCX, Mem.of(Gpr.RSI));
          a.setcc(Cond.O, Gpr.RBX);
          a.alu(AluOp.ADC, QWORD, Gpr.RCX, Mem.of(Gpr.RSI));
        });
    assertEquals(1, gpr(Gpr.RBX) & 0xff);
    assertEquals(20, gpr(Gpr.RCX));
    // 10 + 10 carries out of bit 3; 20 has even parity.
    assertEquals(0x14, JitLayout.unpackFlags(state.u16(JitLayout.FLAGS)));
  }

  @Test
  void flagsComeIn() {
    state.setU16(JitLayout.FLAGS, FLAGS_ADD_OVERFLOW);
    run(
        a -> {
          a.setcc(Cond.O, Gpr.RAX);
          a.setcc(Cond.S, Gpr.RBX);
          a.setcc(Cond.B, Gpr.RCX);
        });
    assertEquals(1, gpr(Gpr.RAX));
    assertEquals(1, gpr(Gpr.RBX));
    assertEquals(0, gpr(Gpr.RCX));
  }

  @Test
  void stack() {
    set(Gpr.RSP, DATA + 0x800);
    set(Gpr.R14, 0x77);
    BlockCode.Exit exit =
        run(
            a -> {
              a.push(Gpr.R14);
              a.push(-2);
              a.pop(Gpr.RAX);
              Label next = new Label();
              a.call(next);
              a.bind(next);
            });
    assertEquals(BlockCode.Link.class, exit.getClass());
    assertEquals(-2, gpr(Gpr.RAX));
    assertEquals(DATA + 0x800 - 16, gpr(Gpr.RSP));
    assertEquals(0x77, RawMemory.getLong(page + 0x7f8));
    assertEquals(state.rip(), RawMemory.getLong(page + 0x7f0));
  }

  @Test
  void divisionThatWouldTrapIsLeftToTheInterpreter() {
    set(Gpr.RAX, 100);
    set(Gpr.RBX, 7);
    run(a -> a.unary(UnaryOp.DIV, QWORD, Gpr.RBX));
    assertEquals(14, gpr(Gpr.RAX));
    assertEquals(2, gpr(Gpr.RDX));
    set(Gpr.RBX, 0);
    assertEquals(
        BlockCode.Interpret.class, run(a -> a.unary(UnaryOp.DIV, QWORD, Gpr.RBX)).getClass());
    set(Gpr.RBX, -1);
    assertEquals(
        BlockCode.Interpret.class, run(a -> a.unary(UnaryOp.IDIV, DWORD, Gpr.RBX)).getClass());
    set(Gpr.RAX, -100);
    set(Gpr.RDX, -1);
    set(Gpr.R15, 7);
    run(a -> a.unary(UnaryOp.IDIV, QWORD, Gpr.R15));
    assertEquals(-14, gpr(Gpr.RAX));
    assertEquals(-2, gpr(Gpr.RDX));
  }

  @Test
  void twoResultsInAnyRegisters() {
    set(Gpr.RDX, 0xffff_ffff_0000_0001L);
    int[][] registers = {{14, 15, 10}, {15, 14, 14}, {11, 11, 0}, {0, 14, 15}, {10, 1, 11}};
    for (int[] r : registers) {
      for (int i = 0; i < 16; i++) {
        if (i != 2) {
          state.setGpr(i, 0x1234_5678_9abc_def0L + i);
        }
      }
      long factor = state.gpr(r[2]);
      run(a -> a.bmi(BmiOp.MULX, QWORD, Gpr.of(r[0]), Gpr.of(r[1]), Gpr.of(r[2])));
      long high = Math.unsignedMultiplyHigh(factor, gpr(Gpr.RDX));
      assertEquals(high, state.gpr(r[0]));
      assertEquals(r[0] == r[1] ? high : factor * gpr(Gpr.RDX), state.gpr(r[1]));
    }
  }

  private long ripAfter(Consumer<X86Assembler> program) {
    BlockCode.Exit exit = run(program);
    assertEquals(BlockCode.Link.class, exit.getClass());
    return state.rip() - CODE;
  }

  @Test
  void countedJumps() {
    Consumer<X86Assembler> far = a -> a.db(0xe3, 0x40);
    set(Gpr.RCX, 0);
    assertEquals(0x42, ripAfter(far));
    set(Gpr.RCX, 1L << 40);
    assertEquals(2, ripAfter(far));
    assertEquals(0x43, ripAfter(a -> a.db(0x67, 0xe3, 0x40)), "ECX is zero");
    assertEquals(1L << 40, gpr(Gpr.RCX));
    Consumer<X86Assembler> loop = a -> a.db(0xe2, 0x40);
    set(Gpr.RCX, 2);
    assertEquals(0x42, ripAfter(loop));
    assertEquals(2, ripAfter(loop));
    assertEquals(0x42, ripAfter(loop));
    assertEquals(-1, gpr(Gpr.RCX));
    set(Gpr.RCX, 0xff_0000_0001L);
    assertEquals(3, ripAfter(a -> a.db(0x67, 0xe2, 0x40)));
    assertEquals(0, gpr(Gpr.RCX));
  }

  private void startWithAvx() throws Exception {
    assumeTrue(HostCpu.get().features().contains(CpuFeature.AVX), "the host has no AVX");
    cache.clear();
    stubs = new Stubs(cache.nextAddress(), true, index.address());
    cache.append(stubs.code());
    compiler = new BlockCompiler(stubs);
  }

  private void setYmm(int register, long each) {
    for (int part = 0; part < 4; part++) {
      state.setU64(CpuLayout.YMM + register * CpuLayout.YMM_SIZE + 8 * part, each + part);
    }
  }

  private long ymm(int register, int part) {
    return state.u64(CpuLayout.YMM + register * CpuLayout.YMM_SIZE + 8 * part);
  }

  @Test
  void wholeVectorRegistersComeInAndOut() throws Exception {
    startWithAvx();
    for (int i = 0; i < 16; i++) {
      setYmm(i, 0x100L * i + 0x1000);
    }
    RawMemory.putLong(page + 0x18, 5);
    set(Gpr.RSI, DATA);
    run(
        a -> {
          // An SSE instruction keeps the upper half, an AVX instruction of 128 bits clears it.
          a.sse(VectorOp.PADDQ, Xmm.of(1), Xmm.of(2));
          a.avx(VectorOp.PADDQ, VectorLength.L128, Xmm.of(3), Xmm.of(4), Xmm.of(5));
          a.avx(VectorOp.XORPS, VectorLength.L256, Xmm.of(6), Xmm.of(7), Mem.of(Gpr.RSI));
        });
    assertEquals(0x1100 + 0x1200, ymm(1, 0));
    assertEquals(0x1103, ymm(1, 3));
    assertEquals(0x1401 + 0x1501, ymm(3, 1));
    assertEquals(0, ymm(3, 2));
    assertEquals(0x1702, ymm(6, 2));
    assertEquals(0x1703 ^ 5, ymm(6, 3));
    assertEquals(0x1f03, ymm(15, 3));
  }

  @Test
  void upperHalvesOfOneRegisterAreEnoughToBeLoaded() throws Exception {
    startWithAvx();
    for (int i = 0; i < 16; i++) {
      state.setU64(CpuLayout.YMM + i * CpuLayout.YMM_SIZE + 24, 1L << 63);
      run(a -> a.sse(VectorOp.XORPS, Xmm.of(0), Xmm.of(1)));
      assertEquals(1L << 63, ymm(i, 3), "register " + i);
      run(a -> a.op(NullaryOp.VZEROUPPER));
      assertEquals(0, ymm(i, 3), "register " + i);
    }
  }

  @Test
  void alignedMovesOfAllEncodingsLeaveWhereTheHostWouldFault() throws Exception {
    startWithAvx();
    set(Gpr.RSI, DATA + 16);
    BlockCode.Exit exit =
        run(a -> a.avx(VectorMove.MOVAPS, VectorLength.L256, Xmm.of(1), Mem.of(Gpr.RSI)));
    assertEquals(0, ((BlockCode.Interpret) exit).insn());
    exit = run(a -> a.avx(VectorMove.MOVAPS, VectorLength.L128, Xmm.of(1), Mem.of(Gpr.RSI, 16)));
    assertEquals(BlockCode.Link.class, exit.getClass());
    exit = run(a -> a.sse(VectorMove.MOVDQA, Mem.of(Gpr.RSI, 8), Xmm.of(1)));
    assertEquals(0, ((BlockCode.Interpret) exit).insn());
  }

  @Test
  void conditionalJumpsLeaveEitherWay() {
    set(Gpr.RAX, 5);
    BlockCode.Exit exit =
        run(
            a -> {
              Label out = new Label();
              a.cmp(QWORD, Gpr.RAX, 5);
              a.jcc(Cond.E, out);
              a.mov(DWORD, Gpr.RBX, 1);
              a.bind(out);
            });
    assertEquals(0, gpr(Gpr.RBX));
    assertEquals(BlockCode.Link.class, exit.getClass());
  }

  @Test
  void jumpsThatCloseALoopLookForRequestsAtTheStart() {
    BlockCode.Exit exit = run(a -> a.db(0x74, 0xfe)); // JE to itself
    assertEquals(false, ((BlockCode.Link) exit).polls());
    state.setU16(JitLayout.FLAGS, JitLayout.packFlags(1 << 6));
    exit = resume(code.entryAt());
    assertEquals(true, ((BlockCode.Link) exit).polls());
    assertEquals(CODE, state.rip());

    state.setRip(0);
    state.setExitRequest(true);
    assertEquals(exit, resume(code.entryAt()), "entered past the poll");
    assertEquals(BlockCode.Start.class, resume(0).getClass());
  }

  @Test
  void indirectJumpsLookForRequests() {
    run(a -> a.mov(DWORD, Gpr.RBX, 7));
    long other = start + code.entryAt();
    long target = CODE + 0x1234;
    long jumpEntry =
        state.address() + JitLayout.jumpTable(TlbLayout.KERNEL) + JitLayout.jumpEntry(target);
    set(Gpr.RAX, target);
    set(Gpr.RBX, 0);
    assertNull(run(a -> a.jmp(Gpr.RAX)));
    assertEquals(target, state.rip());

    RawMemory.putLong(jumpEntry, target);
    RawMemory.putLong(jumpEntry + 8, other);
    state.setRip(0);
    state.setExitRequest(true);
    resume(code.entryAt());
    assertEquals(target, state.rip());
    assertEquals(0, gpr(Gpr.RBX), "left before the target's code");
    state.setExitRequest(false);
    resume(code.entryAt());
    assertEquals(7, gpr(Gpr.RBX));
  }

  @Test
  void repeatedStringInstructionsStopWhereTheTlbKnowsNoMore() {
    set(Gpr.RDI, DATA + 0xff0);
    set(Gpr.RCX, 5);
    set(Gpr.RAX, 0x1122_3344);
    BlockCode.Exit exit = run(a -> a.rep(StringOp.STOS, DWORD));
    assertEquals(0, ((BlockCode.Interpret) exit).insn());
    assertEquals(1, gpr(Gpr.RCX));
    assertEquals(DATA + 0x1000, gpr(Gpr.RDI));
    assertEquals(0x1122_3344, RawMemory.getInt(page + 0xffc));

    set(Gpr.RSI, DATA + 0xff0);
    set(Gpr.RDI, DATA + 0x10);
    set(Gpr.RCX, 2);
    exit = run(a -> a.rep(StringOp.MOVS, QWORD));
    assertEquals(BlockCode.Link.class, exit.getClass());
    assertEquals(0, gpr(Gpr.RCX));
    assertEquals(DATA + 0x1000, gpr(Gpr.RSI));
    assertEquals(DATA + 0x20, gpr(Gpr.RDI));
    assertEquals(0x1122_3344_1122_3344L, RawMemory.getLong(page + 0x18));
  }

  @Test
  void overlappingMovesRepeatTheFirstElements() {
    RawMemory.putByte(page, (byte) 7);
    set(Gpr.RSI, DATA);
    set(Gpr.RDI, DATA + 1);
    set(Gpr.RCX, 100);
    run(a -> a.rep(StringOp.MOVS, BYTE));
    assertEquals(7, RawMemory.getByte(page + 100));
    assertEquals(0, RawMemory.getByte(page + 101));
  }

  @Test
  void stringInstructionsDownwardsAreLeftToTheInterpreter() {
    state.setRflags(0x402);
    set(Gpr.RDI, DATA + 8);
    set(Gpr.RCX, 1);
    assertEquals(BlockCode.Interpret.class, run(a -> a.rep(StringOp.STOS, BYTE)).getClass());
    assertEquals(DATA + 8, gpr(Gpr.RDI));
  }

  @Test
  void bitStringsReachBeyondTheirOperandInBothDirections() {
    set(Gpr.RSI, DATA + 0x100);
    set(Gpr.RCX, -3);
    set(Gpr.R10, 70);
    state.setU16(JitLayout.FLAGS, 0x40 << 8);
    run(
        a -> {
          a.bit(BitOp.BTS, QWORD, Mem.of(Gpr.RSI), Gpr.RCX);
          a.bit(BitOp.BTS, DWORD, Mem.of(Gpr.RSI), Gpr.R10);
          a.bit(BitOp.BT, QWORD, Mem.of(Gpr.RSI), Gpr.RCX);
        });
    assertEquals(1L << 61, RawMemory.getLong(page + 0xf8));
    assertEquals(1 << 6, RawMemory.getInt(page + 0x108));
    assertEquals(0x41, JitLayout.unpackFlags(state.u16(JitLayout.FLAGS)) & 0x41, "CF set, ZF kept");
  }

  @Test
  void timeIsReadWithinItsSpanOnly() {
    state.setU64(JitLayout.CLOCK_SPAN, Long.MAX_VALUE);
    state.setU64(JitLayout.CLOCK_NANOS, 0x12_3456_7890L);
    state.setU64(CpuLayout.TSC_OFFSET, 1);
    state.setU32(CpuLayout.TSC_AUX, 3);
    BlockCode.Exit exit = run(a -> a.op(NullaryOp.RDTSCP));
    assertEquals(BlockCode.Link.class, exit.getClass());
    assertEquals(0x12, gpr(Gpr.RDX));
    assertEquals(0x3456_7891, gpr(Gpr.RAX));
    assertEquals(3, gpr(Gpr.RCX));
    state.setU64(JitLayout.CLOCK_SPAN, 0);
    assertEquals(BlockCode.Interpret.class, run(a -> a.op(NullaryOp.RDTSC)).getClass());
  }

  @Test
  void onlyNullSelectorsAreLoaded() {
    state.setSeg(CpuLayout.DS, 0x18, 5, 6, 7);
    set(Gpr.RAX, 0xffff_0003L);
    set(Gpr.RBX, -1);
    run(
        a -> {
          a.mov(DWORD, Gpr.RBX, Seg.DS);
          a.mov(Seg.DS, Gpr.RAX);
        });
    assertEquals(0x18, gpr(Gpr.RBX));
    assertEquals(3, state.segSelector(CpuLayout.DS));
    assertEquals(0, state.segAttr(CpuLayout.DS));
    set(Gpr.RAX, 8);
    assertEquals(BlockCode.Interpret.class, run(a -> a.mov(Seg.DS, Gpr.RAX)).getClass());
  }

  @Test
  void segmentBasesNeedTheirEnableBitAndACanonicalAddress() {
    set(Gpr.RAX, 0x1234_5678_9abcL);
    assertEquals(
        BlockCode.Interpret.class, run(a -> a.wrsegbase(QWORD, Seg.FS, Gpr.RAX)).getClass());
    state.setU64(CpuLayout.CR4, 1 << 16);
    run(
        a -> {
          a.wrsegbase(QWORD, Seg.FS, Gpr.RAX);
          a.rdsegbase(DWORD, Seg.FS, Gpr.R15);
        });
    assertEquals(0x1234_5678_9abcL, state.segBase(CpuLayout.FS));
    assertEquals(0x5678_9abcL, gpr(Gpr.R15));
    set(Gpr.RAX, 1L << 63);
    assertEquals(
        BlockCode.Interpret.class, run(a -> a.wrsegbase(QWORD, Seg.GS, Gpr.RAX)).getClass());
  }

  private static void pushAndPop(X86Assembler a) {
    a.push(Gpr.RAX);
    a.push(Gpr.R15);
    a.push(-5);
    a.pop(Gpr.R14);
    a.pop(Gpr.RBX);
    a.pop(Gpr.RCX);
    a.ret();
  }

  @Test
  void runsOfPushesAndPops() {
    set(Gpr.RSP, DATA + 0x100);
    set(Gpr.RAX, 11);
    set(Gpr.R15, 22);
    RawMemory.putLong(page + 0x100, 0x1234);
    assertNull(run(BlockCompilerTest::pushAndPop));
    assertEquals(-5, gpr(Gpr.R14));
    assertEquals(22, gpr(Gpr.RBX));
    assertEquals(11, gpr(Gpr.RCX));
    assertEquals(DATA + 0x108, gpr(Gpr.RSP));
    assertEquals(0x1234, state.rip());
    assertEquals(-5, RawMemory.getLong(page + 0xe8));
  }

  @Test
  void runsOfPushesStopWhereTheTlbKnowsNoMore() {
    RawMemory.putLong(page + 0x10, 0x1234);
    set(Gpr.RSP, DATA + 0x10);
    set(Gpr.RAX, 11);
    set(Gpr.R15, 22);
    BlockCode.Exit exit = run(BlockCompilerTest::pushAndPop);
    if (quick) {
      assertEquals(2, ((BlockCode.Interpret) exit).insn());
      assertEquals(DATA, gpr(Gpr.RSP));
      assertEquals(22, RawMemory.getLong(page));
      assertEquals(11, RawMemory.getLong(page + 8));
    } else {
      assertLeavesBeforeRun(exit, 0);
      assertEquals(DATA + 0x10, gpr(Gpr.RSP));
      assertEquals(0, RawMemory.getLong(page + 8));
    }

    // As if the interpreter had pushed: the pops cross into the page that the TLB knows.
    set(Gpr.RSP, DATA - 8);
    exit = resume(code.resumeAfter(2));
    if (!quick) {
      assertLeavesBeforeRun(exit, 3);
      return;
    }
    assertEquals(3, ((BlockCode.Interpret) exit).insn());
    set(Gpr.RSP, DATA);
    set(Gpr.R14, -5);
    assertNull(resume(code.resumeAfter(3)));
    assertEquals(22, gpr(Gpr.RBX));
    assertEquals(11, gpr(Gpr.RCX));
    assertEquals(DATA + 0x18, gpr(Gpr.RSP));
  }

  /** Left at the first of a run, in which short code cannot go on. */
  private void assertLeavesBeforeRun(BlockCode.Exit exit, int first) {
    assertEquals(first, ((BlockCode.Interpret) exit).insn());
    assertEquals(0, code.resumeAfter(first));
  }

  /** Enters the code of the last {@link #run} again; null if it leaves for where RIP tells. */
  private BlockCode.Exit resume(int offset) {
    state.setU64(JitLayout.PAGE, CODE);
    NativeCall.call(stubs.enter(), state.address(), start + offset, 0);
    int number = state.u32(JitLayout.EXIT) - TlbLayout.MODES;
    if (number < 0) {
      return null;
    }
    BlockCode.Exit exit = code.exits().get(number);
    if (exit instanceof BlockCode.Link link) {
      state.setRip(state.u64(JitLayout.PAGE) + link.target());
    }
    return exit;
  }
}
