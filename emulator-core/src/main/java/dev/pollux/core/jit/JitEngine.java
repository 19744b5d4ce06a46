package dev.pollux.core.jit;

import dev.pollux.core.cpu.CodeHeap;
import dev.pollux.core.cpu.CodeWrites;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.SegmentAttributes;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.NativeCall;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.cache.BlockGroup;
import dev.pollux.core.jit.cache.BlockIndex;
import dev.pollux.core.jit.cache.BlockTable;
import dev.pollux.core.jit.cache.CodeCache;
import dev.pollux.core.jit.cache.ExitTable;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.jit.cache.JumpCache;
import dev.pollux.core.jit.cache.ReadyInstructions;
import dev.pollux.core.jit.cache.SharedBlocks;
import dev.pollux.core.jit.emit.BlockCode;
import dev.pollux.core.jit.emit.BlockCompiler;
import dev.pollux.core.jit.emit.BlockDecoder;
import dev.pollux.core.jit.emit.FlagFunctions;
import dev.pollux.core.jit.emit.FlagRecipe;
import dev.pollux.core.jit.emit.Stubs;
import dev.pollux.core.jit.store.MovedFields;
import dev.pollux.core.jit.store.TranslationStore;
import dev.pollux.core.memory.CodeWatch;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.Mmu;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Executes a vCPU by translating 64-bit code to host code, and by the {@link Interpreter} for
 * everything else: code whose page the TLB does not have yet, other modes, single steps, and each
 * instruction that a translation leaves to it.
 *
 * <p>All methods but the {@link CodeWatch.Listener}'s are called on the vCPU's thread.
 */
public final class JitEngine implements ExecutionEngine, CodeWatch.Listener {
  private static final Logger log = LoggerFactory.getLogger(JitEngine.class);

  /** Room that any one translation fits into; offsets in it have 16 bits. */
  private static final int LARGEST_BLOCK = 64 << 10;

  /** Heap that is kept of a block that could not be translated, about. */
  private static final int FAILURE_BYTES = 100;

  /**
   * Bytes before a block's start and behind it in which a translation may depend on the code: what
   * it depends on is kept with it.
   */
  private static final int NEIGHBOURHOOD = 512;

  /** Blocks that are made of what can follow one that reads ports. */
  private static final int AHEAD = 32;

  private static final int[] NONE_MOVED = {};

  /** Less room for code is not filled with all blocks of a page when one is needed. */
  private static final long LEAST_WITH_STORE = 4 << 20;

  /**
   * Calls of common code until the block that makes one more is translated anew: as much time as
   * that takes. One more is a prime number, so that no loop always has the same one counted.
   */
  private static final int PATIENCE = 4092;

  // Guest register numbers.
  private static final int RAX = 0;
  private static final int RDX = 2;
  private static final int RSP = 4;

  /** Bytes that pushes or pops in a row may touch together. */
  private static final int NEAR_EDGE = 256;

  /** No way out of generated code. */
  private static final int NONE = -1;

  // An execution key: what a translation depends on besides the code.

  private static final int MODE = JitBlock.MODE;

  /** SSE instructions may execute. */
  private static final int SIMD = 1 << 2;

  /** All of their exceptions are masked. */
  private static final int SIMD_MASKED = 1 << 3;

  /** x87 instructions may execute; all of their exceptions are masked, none waits. */
  private static final int X87 = 1 << 4;

  /** AVX instructions may execute. */
  private static final int AVX = 1 << 5;

  private static final int SMAP = 1 << 6;

  private static final int CODE32 = JitBlock.CODE32;

  private static final int NO_KEY = -1;

  /** In 32-bit code: GS is as large as all memory. */
  private static final int WHOLE_GS = 1 << 8;

  private static final long RFLAGS_TF = 1 << 8;
  private static final long RFLAGS_RF = 1 << 16;
  private static final long STATUS = 0x8d5;
  private static final long RFLAGS_VM = 1 << 17;
  private static final int CR0_PE = 1;
  private static final int CR0_TS_EM = 0xc;
  private static final int CR4_OSFXSR = 1 << 9;
  private static final int CR4_OSXSAVE = 1 << 18;
  private static final int XCR0_SSE_AVX = 6;
  private static final int CR4_SMAP = 1 << 21;
  private static final int MXCSR_MASKS = 0x1f80;
  private static final int FSW_ERROR = 0x80;
  private static final long EFER_LMA = 1 << 10;
  private static final int ATTR_LONG = 1 << 13;
  private static final long PAGE_MASK = -RamBlock.PAGE_SIZE;

  private final Vcpu vcpu;
  private final CpuState state;
  private final long s;
  private final Mmu mmu;
  private final Interpreter interpreter;
  private final Decoder decoder;
  private final CodeCache cache;
  private final Stubs stubs;
  private final FlagFunctions flagFunctions;
  private final CodeWrites codeWrites;
  private final BlockCompiler compiler;
  private final BlockTable blocks;
  private final BlockIndex index;

  /** Blocks that an error kept from being translated, by {@link #failureKey}. */
  private final Set<Long> failed = new HashSet<>();

  /** Of records of translations. */
  private final long mostRecordBytes;

  private final GuestClock clock;
  private final JumpCache jumps;

  private final ExitTable exits;
  private final ReadyInstructions ready;

  /** Translations of earlier runs, or null. */
  private final TranslationStore store;

  /** What the machine's vCPUs have translated, or null. */
  private final SharedBlocks shared;

  /** Blocks of a page that an earlier run has kept, as they are read; or null. */
  private final BlockGroup kept;

  /** By what the block that is being translated is found there. */
  private int storeHash;

  private final MovedFields moved = new MovedFields();

  /** Execution keys without the mode that have jump tables, by number of their group. */
  private final int[] keys = new int[JitLayout.JUMP_GROUPS];

  private int keyCount;

  /** {@link Mmu#flushes} when the jump cache was last right. */
  private int flushesSeen;

  private int globalFlushesSeen;
  private int pageFlushesSeen;

  /** The guest's page that is being translated, and the start of the next. */
  private final byte[] page = new byte[RamBlock.PAGE_SIZE + Decoder.MAX_LENGTH - 1];

  /** The part of {@link #page} that the translation depends on. */
  private int firstLooked;

  private int afterLooked;

  private final BlockDecoder blockDecoder;

  private final HotBlocks hot;

  // Counted since the start, by the vCPU's thread.
  private final JitStatistics statistics = new JitStatistics();

  private int patience;

  /** Blocks are hot at once. */
  private boolean allHot;

  private final JitLog translationLog;

  /** The vCPU's loop has to look at something before anything of the guest is executed. */
  private boolean heldUp;

  /** Each block that is entered is logged. */
  private final boolean traced;

  /** Blocks jump to each other. */
  private final boolean chained;

  /**
   * How a vCPU's generated code is kept.
   *
   * @param bytes room for it, at least 1 MiB; host memory is used only where code is
   * @param split mapped twice, once to be written and once to be executed, never both at once
   */
  public record CodeMemory(long bytes, boolean split) {
    public static final CodeMemory DEFAULT = new CodeMemory(96L << 20, false);
  }

  /**
   * With {@link CodeMemory#DEFAULT}.
   *
   * @throws IOException if the host cannot execute generated code, or not for this model of CPU
   */
  public JitEngine(Vcpu vcpu, Interpreter interpreter) throws IOException {
    this(vcpu, interpreter, CodeMemory.DEFAULT);
  }

  /**
   * @throws IOException if the host cannot execute generated code, or not for this model of CPU
   */
  public JitEngine(Vcpu vcpu, Interpreter interpreter, CodeMemory memory) throws IOException {
    this(vcpu, interpreter, memory, null, null);
  }

  /**
   * @param store translations of earlier runs, which are used and added to; or null
   * @param shared translations of all of the machine's vCPUs, which are used and added to; or null
   * @throws IOException if the host cannot execute generated code, or not for this model of CPU
   */
  public JitEngine(
      Vcpu vcpu,
      Interpreter interpreter,
      CodeMemory memory,
      TranslationStore store,
      SharedBlocks shared)
      throws IOException {
    this(
        vcpu,
        interpreter,
        memory,
        CodeHeap.of(vcpu.model().topology().count()).translated(),
        store,
        shared,
        BlockCompiler::new);
  }

  /**
   * @param mostRecordBytes of memory for what is known of translations
   */
  JitEngine(
      Vcpu vcpu,
      Interpreter interpreter,
      CodeMemory memory,
      long mostRecordBytes,
      TranslationStore store,
      SharedBlocks shared,
      Function<Stubs, BlockCompiler> compiler)
      throws IOException {
    HostSupport.check(vcpu.model().features());
    this.vcpu = vcpu;
    this.state = vcpu.cpuState();
    this.s = state.address();
    this.mmu = vcpu.mmu();
    this.interpreter = interpreter;
    TraceLog traceLog = vcpu.machine().traceLog();
    this.translationLog = new JitLog(traceLog, vcpu.index());
    this.traced = traceLog.tracesBlocks();
    this.chained = !traceLog.has(TraceLog.Item.NOCHAIN);
    this.decoder = interpreter.anotherDecoder();
    this.blockDecoder = new BlockDecoder(decoder);
    this.cache = new CodeCache(memory.bytes(), memory.split());
    this.index = new BlockIndex();
    this.stubs = new Stubs(cache.nextAddress(), vcpu.model().has(CpuFeature.AVX), index.address());
    cache.append(stubs.code());
    this.flagFunctions = new FlagFunctions(cache.nextAddress());
    cache.append(flagFunctions.code());
    cache.keep();
    this.compiler = compiler.apply(stubs);
    this.mostRecordBytes = mostRecordBytes;
    this.blocks = new BlockTable(cache, mostRecordBytes);
    this.exits = blocks.exits();
    this.ready = new ReadyInstructions(interpreter, decoder);
    this.hot = new HotBlocks(s, mmu);
    addCommonExits();
    this.clock = new GuestClock(s, vcpu.machine().clocks(), stubs.readCounter());
    this.jumps = new JumpCache(s);
    this.codeWrites =
        new CodeWrites(vcpu, this::dropPage, () -> clear("many of its pages were written"));
    vcpu.machine().codeWatch().add(this);
    // What is logged of a translation needs its instructions.
    boolean stores = !translationLog.isOn() && memory.bytes() >= LEAST_WITH_STORE && store != null;
    this.store = stores && store.join(cache.kept()) ? store : null;
    this.kept = this.store == null ? null : new BlockGroup();
    this.shared = translationLog.isOn() ? null : shared;
    if (this.shared != null) {
      shared.join();
    }
    dropKeys();
    this.compiler.assembler().code().note(JitBlock.FIRST_MOVED, JitBlock.END_MOVED);
    setPatience(PATIENCE);
  }

  @Override
  public void run() {
    interpreter.attach();
    clock.stop();
    int last = NONE;
    do {
      last = advance(last);
    } while (!interpreter.mustReturn());
  }

  /**
   * Executes translated code until it leaves, or a cold block.
   *
   * @param last the way that translated code left just before, or {@link #NONE}
   * @return the way that it left now, or {@link #NONE}
   */
  private int advance(int last) {
    long clears = statistics.clears; // with the code go the meanings of its exits
    boolean usable = usable();
    heldUp = false;
    JitBlock block = usable ? lookUp(state.rip(), currentKey()) : null;
    if (heldUp) {
      return NONE;
    }
    if (block == null) {
      statistics.coldBlocks++;
      if (usable || is64BitCode()) {
        interpreter.runBlock();
      } else {
        interpreter.runSegmented(this::isFlat32BitCode);
      }
      return NONE;
    }
    if (last != NONE && statistics.clears == clears && exits.isLink(last)) {
      linkIfSame(last, block);
    }
    if (traced) {
      interpreter.logBlock(block.count());
    }
    RawMemory.putLong(s + JitLayout.PAGE, state.rip() & PAGE_MASK);
    // IRET may have set it for the instruction that comes now; no debug register is in use.
    state.setRflags(state.rflags() & ~RFLAGS_RF);
    int left = execute(block.entry(), 0);
    while (left != NONE && exits.interprets(left)) {
      left = interpretAndResume(left);
    }
    if (left != NONE && isBusy() && exits.isInBlock(left)) {
      quicken(exits.block(left));
    } else if (left != NONE && state.exitRequested() && !traced && hot.beginLook()) {
      return look(left);
    }
    return left;
  }

  /**
   * Goes on for a few blocks though somebody wants attention, and makes those of them hot that
   * deserve it.
   */
  private int look(int last) {
    int left = last;
    int mostHeated = HotBlocks.MOST_HEATED;
    try {
      for (int i = 0; i < HotBlocks.LOOK && left != NONE && state.exitRequested(); i++) {
        long rip = state.rip();
        long host = mmu.codeHostIfCached(rip);
        JitBlock block = host == -1 ? null : blocks.find(currentKey(), host, -1);
        if (isQuickOnly(block) && hot.see(host) && hot.beginHeating()) {
          mostHeated -= heatAround(block, rip & PAGE_MASK, mostHeated);
          hot.endHeating();
        }
        left = advance(left);
      }
    } finally {
      hot.endLook();
    }
    return left;
  }

  /**
   * Makes a block hot, and those that can follow it in its page.
   *
   * @param page the guest's address of the page
   * @param most blocks
   * @return how many
   */
  private int heatAround(JitBlock first, long page, int most) {
    List<JitBlock> around = new ArrayList<>();
    addIfQuick(first, around, most);
    for (int i = 0; i < around.size(); i++) {
      JitBlock from = around.get(i);
      int end = from.firstExit() + from.exits();
      for (int exit = from.firstExit(); exit < end; exit++) {
        long host = from.host() + exits.guestOffset(exit);
        if (exits.isLink(exit) && ((host ^ from.host()) & PAGE_MASK) == 0) {
          int key = from.key() & ~MODE | exits.mode(exit);
          addIfQuick(blocks.find(key, host, -1), around, most);
        }
      }
    }
    for (JitBlock block : around) {
      heat(block, page);
    }
    return around.size();
  }

  private static void addIfQuick(JitBlock block, List<JitBlock> to, int most) {
    if (isQuickOnly(block) && to.size() < most && !to.contains(block)) {
      to.add(block);
    }
  }

  /** True for a block that is quick, but not hot. */
  private static boolean isQuickOnly(JitBlock block) {
    return block != null && block.quick() && !block.hot();
  }

  private void heat(JitBlock block, long page) {
    if (!mayRenew(block)) {
      return;
    }
    if (!hot.hasPages(block.count())) {
      if (allHot || hot.mayForget()) {
        hot.forget(this::cool);
      }
      return;
    }
    BlockCompiler.AccessPages pages = hot.givePages(block.count());
    JitBlock heated = renew(block, page, pages);
    if (heated != null) {
      blocks.heat(block, heated);
      hot.add(heated, block, pages);
      renewed(heated, page);
    }
  }

  private void cool(JitBlock block, JitBlock cool) {
    if (block.valid()) {
      blocks.cool(block, cool);
    }
  }

  /** True if the block that was left just now executes often. */
  private boolean isBusy() {
    return RawMemory.getInt(s + JitLayout.CALLS_LEFT) < 0;
  }

  /** True for pushes or pops in a row that quick code executes one by one, in two pages. */
  private boolean crossesPage(int exit, Op op) {
    boolean inRow = (op == Op.PUSH || op == Op.POP) && exits.resumeAt(exit) == 0;
    int inPage = (int) state.gpr(RSP) & RamBlock.PAGE_SIZE - 1;
    return inRow && Math.min(inPage, RamBlock.PAGE_SIZE - inPage) < NEAR_EDGE;
  }

  /**
   * Translates a block anew, longer and quicker; what led to it leads there. Its old code is still
   * right, for who is in it, while the new block is valid.
   *
   * @return the new block, or the old one if that is not worth it
   */
  private JitBlock quicken(JitBlock block) {
    RawMemory.putInt(s + JitLayout.CALLS_LEFT, patience);
    return !block.hot() && mayRenew(block) ? replace(block, null) : block;
  }

  /** The same for hot code whose accesses, or some of them, have pages. */
  private JitBlock replace(JitBlock block, BlockCompiler.AccessPages pages) {
    long page = RawMemory.getLong(s + JitLayout.PAGE);
    JitBlock quick = renew(block, page, pages);
    if (quick == null) {
      return block;
    }
    blocks.replace(block, quick);
    if (pages != null) {
      hot.replace(block, quick, pages);
    }
    renewed(quick, page);
    return quick;
  }

  /** True if a block can be translated once more. */
  private boolean mayRenew(JitBlock block) {
    // What reads ports waits for devices, or measures time by them and must not be held up.
    return block.valid()
        && !block.readsPorts()
        && block.secondPage() == 0
        && cache.fits(LARGEST_BLOCK);
  }

  /**
   * Translates a block once more, or null.
   *
   * @param guestPage the guest's address of its page
   * @param pages of its accesses, or null
   */
  private JitBlock renew(JitBlock block, long guestPage, BlockCompiler.AccessPages pages) {
    long host = block.host();
    RawMemory.copyOut(host & PAGE_MASK, page, 0, RamBlock.PAGE_SIZE);
    if (!block.isOf(page)) {
      return null;
    }
    int start = block.pageOffset();
    long rip = guestPage + start;
    storeHash = block.hash();
    BlockCompiler.Context context = context(start, block.key(), 0, true, pages);
    int count = blockDecoder.decode(context, page, start, RamBlock.PAGE_SIZE);
    try {
      return compile(context, block.key(), host, count, rip);
    } catch (RuntimeException e) {
      leaveToInterpreter(rip, host, block.key(), count, e);
      blocks.dropPage(host & PAGE_MASK);
      return null;
    }
  }

  private void renewed(JitBlock block, long guestPage) {
    long rip = guestPage + block.pageOffset();
    if (mmu.codeHostIfCached(rip) == block.host()) {
      enterTables(rip, block);
    }
    if (block.hot()) {
      statistics.heated++;
    } else {
      statistics.quickened++;
    }
  }

  /**
   * Executes until HLT or an exception, which is not delivered: {@link
   * Interpreter#exceptionVector}, RIP being that of the instruction. For tests and for comparing
   * with other processors; not while the vCPU's thread runs.
   */
  public Interpreter.Stop runBare() {
    interpreter.attach();
    clock.stop();
    // Nobody has a request, and code must not leave at each backward jump.
    state.setExitRequest(false);
    interpreter.beginBare();
    try {
      int last = NONE;
      while (true) {
        last = advance(last);
        if (interpreter.bareException()) {
          return Interpreter.Stop.EXCEPTION;
        }
        if (state.u32(CpuLayout.HALTED) != 0) {
          state.setU32(CpuLayout.HALTED, 0);
          return Interpreter.Stop.HALT;
        }
      }
    } finally {
      interpreter.endBare();
    }
  }

  /** True if a block under the present state would execute {@code insn} in host code. */
  public boolean translates(Insn insn) {
    return usable() && BlockCompiler.translates(insn, context(0, currentKey(), 0, false, null));
  }

  /**
   * After how many calls of common code a block is translated anew to need none; 0: each is
   * translated so at once; less: and is hot at once. Before the vCPU runs.
   */
  public void setPatience(int calls) {
    allHot = calls < 0;
    patience = Math.max(calls, 0);
    RawMemory.putInt(s + JitLayout.CALLS_LEFT, patience);
  }

  private BlockCompiler.Context context(
      int start, int key, long secondPage, boolean quick, BlockCompiler.AccessPages pages) {
    return new BlockCompiler.Context(
        start,
        firstTable(key),
        key & MODE,
        (key & SMAP) != 0,
        (key & SIMD) != 0,
        (key & AVX) != 0,
        (key & SIMD_MASKED) != 0,
        (key & X87) != 0,
        (key & CODE32) != 0,
        (key & WHOLE_GS) != 0,
        secondPage,
        quick,
        pages);
  }

  @Override
  public void runOne() {
    interpreter.runOne();
  }

  /**
   * Lets the interpreter execute one instruction of a block; runs on in the block if nothing speaks
   * against it.
   */
  private int interpretAndResume(int exit) {
    JitBlock block = exits.block(exit);
    int i = exits.insn(exit);
    int offset = exits.guestOffset(exit);
    Interpreter.Prepared prepared =
        ready.get(block.lookedAt(offset), exits.length(exit), JitBlock.codeSize(block.key()));
    Insn insn = prepared.insn();
    long rip = RawMemory.getLong(s + JitLayout.PAGE) + block.pageOffset() + offset;
    int flushes = mmu.flushes();
    statistics.interpreted(insn.op, !exits.always(exit));
    if (insn.op == Op.RDTSC || insn.op == Op.RDTSCP) {
      clock.adjust();
    } else if (insn.op == Op.PAUSE) {
      RawMemory.putInt(s + JitLayout.SPINS, JitLayout.MOST_SPINS);
      Thread.yield();
    }
    JitBlock code = block;
    if (block.hot()) {
      BlockCompiler.AccessPages pages = hot.without(block, i);
      code = pages != null && mayRenew(block) ? replace(block, pages) : block;
    } else if (isBusy() || crossesPage(exit, insn.op)) {
      code = quicken(block);
    }
    if (insn.op == Op.IN && portsAllowed()) {
      readPort(insn);
    } else {
      interpreter.executeOne(prepared, rip);
    }
    if (insn.info.endsBlock()
        || i == block.count() - 1
        || exits.resumeAt(exit) == 0
        || !code.valid()
        || state.rip() != rip + insn.length
        || mmu.flushes() != flushes
        || interpreter.mustReturn()
        || recordsFull()
        || !usable()
        || currentKey() != (block.key() & ~MODE | exits.modeAfter(exit))) {
      return NONE;
    }
    return execute(block.start() + exits.resumeAt(exit), block.units());
  }

  /** IN takes no look at the TSS. */
  private boolean portsAllowed() {
    return state.cpl() <= (int) (state.rflags() & Eflags.IOPL) >> Eflags.IOPL_SHIFT;
  }

  /** IN at RIP: less than the interpreter does, for guests that measure time by a device. */
  private void readPort(Insn insn) {
    int size = insn.size0;
    int port = (int) (insn.kind1 == Insn.IMM ? insn.imm & 0xff : state.gpr(RDX) & 0xffff);
    long value = vcpu.ports().read(port, size);
    long kept = size == Integer.BYTES ? 0 : state.gpr(RAX) & -1L << size * Byte.SIZE;
    state.setGpr(RAX, kept | value);
    state.setRip(state.rip() + insn.length);
  }

  /** Runs generated code until it leaves; all state is in the state block before and after. */
  private int execute(long address, int units) {
    RawMemory.putShort(s + JitLayout.FLAGS, (short) JitLayout.packFlags(state.rflags()));
    statistics.entries++;
    NativeCall.call(stubs.enter(), s, address, units);
    int exit = RawMemory.getInt(s + JitLayout.EXIT);
    int recipe = exits.recipe(exit);
    int flags = recipe != 0 ? recipe : RawMemory.getInt(s + JitLayout.FLAGS);
    state.setRflags(state.rflags() & ~STATUS | statusFlags(flags));
    if (exits.mode(exit) != mmu.mode()) {
      interpreter.modeChanged();
    }
    if (exits.isInBlock(exit)) {
      state.setRip(RawMemory.getLong(s + JitLayout.PAGE) + exits.offsetInPage(exit));
    }
    if (!exits.interprets(exit)) {
      statistics.left(exits.isLink(exit));
    }
    return exit;
  }

  private long statusFlags(int left) {
    return FlagRecipe.is(left)
        ? FlagRecipe.flags(left, state, flagFunctions)
        : JitLayout.unpackFlags(left & 0xffff);
  }

  // ---- when and under which key translations apply ----

  private boolean usable() {
    return (is64BitCode() || isFlat32BitCode())
        && (state.rflags() & RFLAGS_TF) == 0
        && state.u32(CpuLayout.INTERRUPT_SHADOW) == 0
        && state.u32(CpuLayout.PENDING_DEBUG) == 0
        && innermostOrOutermost()
        && !vcpu.debugRegisters().anyEnabled()
        && mmu.tlbUsable();
  }

  private boolean is64BitCode() {
    return (state.efer() & EFER_LMA) != 0 && (state.segAttr(CpuLayout.CS) & ATTR_LONG) != 0;
  }

  /**
   * 32-bit code in protected or compatibility mode, where all of memory is in its segments, FS and
   * GS aside, at the addresses that it uses.
   */
  private boolean isFlat32BitCode() {
    return (state.cr0() & CR0_PE) != 0
        && (state.rflags() & RFLAGS_VM) == 0
        && isWhole(CpuLayout.CS, SegmentAttributes.CODE | SegmentAttributes.DB)
        && state.segBase(CpuLayout.CS) == 0
        && isFlatData(CpuLayout.SS, SegmentAttributes.DB)
        && isFlatData(CpuLayout.DS, 0)
        && isFlatData(CpuLayout.ES, 0);
  }

  private boolean isFlatData(int segment, int attributes) {
    return state.segBase(segment) == 0 && isWholeData(segment, attributes);
  }

  /** Data that can be written everywhere. */
  private boolean isWholeData(int segment, int attributes) {
    return isWhole(segment, SegmentAttributes.WRITABLE | attributes)
        && (state.segAttr(segment) & (SegmentAttributes.CODE | SegmentAttributes.EXPAND_DOWN)) == 0;
  }

  /** Present, of 4 GiB, and with all of the attributes. */
  private boolean isWhole(int segment, int attributes) {
    int all = SegmentAttributes.PRESENT | SegmentAttributes.S | attributes;
    return (state.segAttr(segment) & all) == all && state.segLimit(segment) == 0xffff_ffffL;
  }

  /** Privilege level 0 or 3. */
  private boolean innermostOrOutermost() {
    int level = state.segAttr(CpuLayout.SS) >> 5 & 3;
    return level == 0 || level == 3;
  }

  private int currentKey() {
    boolean unit = (state.cr0() & CR0_TS_EM) == 0;
    boolean simd = unit && (state.cr4() & CR4_OSFXSR) != 0;
    boolean avx =
        simd
            && (state.cr4() & CR4_OSXSAVE) != 0
            && (state.u64(CpuLayout.XCR0) & XCR0_SSE_AVX) == XCR0_SSE_AVX;
    boolean masked = (state.u32(CpuLayout.MXCSR) & MXCSR_MASKS) == MXCSR_MASKS;
    boolean x87 =
        unit
            && (state.u16(CpuLayout.FCW) & 0x3f) == 0x3f
            && (state.u16(CpuLayout.FSW) & FSW_ERROR) == 0;
    boolean smap = (state.cr4() & CR4_SMAP) != 0;
    return mmu.mode()
        | (simd ? SIMD : 0)
        | (simd && masked ? SIMD_MASKED : 0)
        | (x87 ? X87 : 0)
        | (avx ? AVX : 0)
        | (smap ? SMAP : 0)
        | (is64BitCode() ? 0 : CODE32 | (isWholeData(CpuLayout.GS, 0) ? WHOLE_GS : 0));
  }

  /** The first of a key's jump tables. */
  private int firstTable(int key) {
    int table = usualTable(key);
    return table >= 0 ? table : giveTables(freeGroup(), key);
  }

  /**
   * The first of a key's jump tables, which it gets if it has none and those are free that it has
   * elsewhere; otherwise {@link #NONE}.
   */
  private int usualTable(int key) {
    int withoutMode = key & ~MODE;
    for (int i = 0; i < keyCount; i++) {
      if (keys[i] == withoutMode) {
        return i * JitLayout.GROUP_TABLES;
      }
    }
    int group = usualGroup(withoutMode);
    return group < keys.length && keys[group] == NO_KEY ? giveTables(group, key) : NONE;
  }

  private int giveTables(int group, int key) {
    keys[group] = key & ~MODE;
    keyCount = Math.max(keyCount, group + 1);
    return group * JitLayout.GROUP_TABLES;
  }

  /** The group of jump tables that a key has elsewhere, or would have. */
  private int usualGroup(int withoutMode) {
    if (store != null) {
      return store.jumpGroup(withoutMode);
    }
    return shared != null ? shared.group(withoutMode) : keyCount;
  }

  private int freeGroup() {
    for (int i = 0; i < keys.length; i++) {
      if (keys[i] == NO_KEY) {
        return i;
      }
    }
    clear("more execution keys than jump tables");
    return 0;
  }

  // ---- finding and making blocks ----

  private JitBlock lookUp(long rip, int key) {
    if (mmu.flushes() != flushesSeen) {
      forgetMappings();
    }
    if (recordsFull()) {
      clear("they take all of the heap that they may");
    }
    firstTable(key); // may drop all blocks, too, so first
    long host = mmu.codeHostIfMapped(rip);
    if (host == -1) {
      return null;
    }
    JitBlock block = blocks.find(key, host, nextPage(rip));
    if (block == null) {
      block = translate(rip, key, host);
      if (block == null) {
        return null;
      }
      if (block.readsPorts()) {
        translateAhead(block, rip & PAGE_MASK, AHEAD);
      }
    }
    if (allHot && isQuickOnly(block)) {
      heat(block, rip & PAGE_MASK);
      block = blocks.find(key, host, nextPage(rip));
      if (block == null) {
        return null;
      }
    }
    enterTables(rip, block);
    return block;
  }

  /**
   * Makes what can follow a block that reads ports, and so on: a guest that measures time by a
   * device must not wait for a translation between two readings.
   *
   * @param page the guest's address of the page
   * @param most number of blocks
   * @return how many more there may be
   */
  private int translateAhead(JitBlock from, long page, int most) {
    int left = most;
    int end = from.firstExit() + from.exits();
    for (int exit = from.firstExit(); exit < end; exit++) {
      long host = from.host() + exits.guestOffset(exit);
      int key = from.key() & ~MODE | exits.mode(exit);
      if (exits.isLink(exit)
          && ((host ^ from.host()) & PAGE_MASK) == 0
          && left > 0
          && cache.fits(LARGEST_BLOCK)
          && !recordsFull()
          && blocks.find(key, host, -1) == null) {
        left--;
        JitBlock next = translate(page | host & ~PAGE_MASK, key, host);
        if (next != null && next.readsPorts()) {
          left = translateAhead(next, page, left);
        }
      }
    }
    if (chained) {
      blocks.linkAll(from);
    }
    return left;
  }

  private void enterTables(long rip, JitBlock block) {
    if (chained) {
      int table = firstTable(block.key()) + (block.key() & MODE);
      jumps.put(table, rip, block.entry(), mmu.isGlobalCode(rip));
      index.put(table, block.host(), block.entry());
    }
  }

  /** Host address of the page behind an instruction's if it may reach there and the TLB has it. */
  private long nextPage(long rip) {
    return (rip & RamBlock.PAGE_SIZE - 1) > RamBlock.PAGE_SIZE - Decoder.MAX_LENGTH
        ? mmu.codeHostIfCached((rip | RamBlock.PAGE_SIZE - 1) + 1)
        : -1;
  }

  /** True if a guest has made so many translations that all have to be dropped. */
  private boolean recordsFull() {
    return recordBytes() >= mostRecordBytes;
  }

  private JitBlock translate(long rip, int key, long host) {
    if (!cache.fits(LARGEST_BLOCK)) {
      clear("no room is left");
    }
    int start = (int) rip & RamBlock.PAGE_SIZE - 1;
    if (!watch(host) || failed.contains(failureKey(host, key))) {
      return null;
    }
    RawMemory.copyOut(host & PAGE_MASK, page, 0, RamBlock.PAGE_SIZE);
    JitBlock dropped = blocks.findDropped(key, host, page);
    if (dropped != null) {
      return revive(dropped);
    }
    if (store != null) {
      storeHash = TranslationStore.hash(key, rip, host);
      JitBlock woken = wake(rip, key, host);
      if (woken != null) {
        return woken;
      }
    }
    if (shared != null) {
      JitBlock taken = take(key, host);
      if (taken != null) {
        return taken;
      }
    }
    BlockCompiler.Context context = context(start, key, 0, patience == 0, null);
    int count = blockDecoder.decode(context, page, start, RamBlock.PAGE_SIZE);
    if (count == 0) {
      long nextPage = mmu.codeHostIfMapped((rip | RamBlock.PAGE_SIZE - 1) + 1);
      if (nextPage == -1 || !watch(nextPage)) {
        return null;
      }
      JitBlock known = blocks.find(key, host, nextPage);
      if (known != null) {
        return known;
      }
      RawMemory.copyOut(nextPage, page, RamBlock.PAGE_SIZE, Decoder.MAX_LENGTH - 1);
      if (!blockDecoder.decodeOne(context.codeSize(), page, start, page.length)
          || start + blockDecoder.insns()[0].length <= RamBlock.PAGE_SIZE) {
        return null;
      }
      context = context(start, key, nextPage, patience == 0, null);
      count = 1;
    }
    try {
      JitBlock block = compile(context, key, host, count, rip);
      statistics.translations += block == null ? 0 : 1;
      return block;
    } catch (RuntimeException e) {
      leaveToInterpreter(rip, host, key, count, e);
      return null;
    }
  }

  /**
   * A mistake in the translator must not end the machine: the interpreter can do everything. It is
   * told once for each block, with what it takes to repeat it.
   */
  private void leaveToInterpreter(long rip, long host, int key, int count, RuntimeException error) {
    statistics.failures++;
    failed.add(failureKey(host, key));
    int start = (int) rip & RamBlock.PAGE_SIZE - 1;
    int end = start + blockDecoder.insns()[count - 1].nextOffset;
    log.warn(
        "internal error: cannot translate the code at {} (key {}, {}); the interpreter executes it",
        "%016x".formatted(rip),
        Integer.toHexString(key),
        HexFormat.of().formatHex(page, start, end),
        error);
  }

  /** Tells blocks apart; host addresses have 47 bits. */
  private static long failureKey(long host, int key) {
    return host << 9 | key;
  }

  /**
   * Puts back a block whose page was written while its own bytes stayed, or came back; null if they
   * have changed just now.
   */
  private JitBlock revive(JitBlock block) {
    firstLooked = block.firstLooked();
    afterLooked = block.firstLooked() + block.lookedLength();
    if (!markLooked(block.host(), 0)) {
      return null;
    }
    blocks.revive(block);
    statistics.revivedBlocks++;
    return block;
  }

  /** Has writes to code in a page of host memory told; false if the page cannot be read yet. */
  private boolean watch(long host) {
    RamBlock ram = vcpu.machine().blockAt(host);
    return vcpu.watchCode(ram, host - ram.hostAddress() >> RamBlock.PAGE_BITS);
  }

  /** Notes that code is made of bytes of one page. */
  private void mark(long host, int length) {
    RamBlock ram = vcpu.machine().blockAt(host);
    ram.markCode(host - ram.hostAddress(), length);
  }

  /**
   * Marks what the translation depends on; false if that has changed since it was decoded, as
   * another vCPU is writing there.
   */
  private boolean markLooked(long host, long secondPage) {
    long first = (host & PAGE_MASK) + firstLooked;
    int length = Math.min(afterLooked, RamBlock.PAGE_SIZE) - firstLooked;
    int beyond = afterLooked - RamBlock.PAGE_SIZE;
    mark(first, length);
    if (beyond > 0) {
      mark(secondPage, beyond);
    }
    return RawMemory.equal(page, firstLooked, first, length)
        && (beyond <= 0 || RawMemory.equal(page, RamBlock.PAGE_SIZE, secondPage, beyond));
  }

  /**
   * The block of an earlier run of the code at {@code host}, or null. With it wakes what else there
   * is of its page.
   */
  private JitBlock wake(long rip, int key, long host) {
    PageWaker waker = new PageWaker(host);
    // There are so many blocks in a page that the other vCPUs would wait for long.
    heldUp |= !vcpu.stepOut(() -> wakePage(key, host, waker));
    waker.portReaders.forEach(block -> translateAhead(block, rip & PAGE_MASK, AHEAD));
    return waker.any ? blocks.find(key, host, -1) : null;
  }

  private void wakePage(int key, long host, PageWaker waker) {
    for (int group : store.find(storeHash)) {
      if (store.read(group, kept) && kept.has(storeHash, key, host, page)) {
        store.use(group);
        waker.any = true;
        blocks.wake(kept, group, host & PAGE_MASK, page, waker);
        return;
      }
    }
  }

  /** What happens to the blocks of an earlier run that were made of a page. */
  private final class PageWaker implements BlockTable.Waker {
    private final long host;
    private final List<JitBlock> portReaders = new ArrayList<>();

    /** The page has some. */
    private boolean any;

    PageWaker(long host) {
      this.host = host;
    }

    @Override
    public long mayWake(JitBlock block, int jumpTable) {
      firstLooked = block.firstLooked();
      afterLooked = firstLooked + block.lookedLength();
      boolean fits = cache.fits(2 * LARGEST_BLOCK) && usualTable(block.key()) == jumpTable;
      return fits && markLooked(host, 0) ? stubs.dropped(jumpTable + (block.key() & MODE)) : 0;
    }

    @Override
    public boolean awake(JitBlock block) {
      if (chained) {
        index.put(firstTable(block.key()) + (block.key() & MODE), block.host(), block.entry());
      }
      if (block.readsPorts()) {
        portReaders.add(block);
      }
      statistics.storedBlocks++;
      return chained;
    }
  }

  /** A copy of what another vCPU has made of the code at {@code host}, or null. */
  private JitBlock take(int key, long host) {
    int table = firstTable(key);
    JitBlock found = blocks.findShared(shared, key, host, table, page);
    if (found == null) {
      return null;
    }
    firstLooked = found.firstLooked();
    afterLooked = firstLooked + found.lookedLength();
    if (!markLooked(host, 0)) {
      return null;
    }
    JitBlock block = blocks.takeShared(stubs.dropped(table + (key & MODE)));
    if (chained) {
      blocks.linkAll(block);
    }
    statistics.sharedBlocks++;
    return block;
  }

  /** Makes a block of the first {@code count} instructions of {@link #blockDecoder}. */
  private JitBlock compile(BlockCompiler.Context context, int key, long host, int count, long rip) {
    int start = context.start();
    Insn[] insns = blockDecoder.insns();
    firstLooked = start;
    afterLooked = start + insns[count - 1].nextOffset;
    moved.restart();
    for (int i = 0; i < count; i++) {
      moved.add(insns[i], start + blockDecoder.offsets()[i], page);
    }
    long address = cache.nextAddress();
    BlockCode code =
        compiler.compile(
            context,
            insns,
            blockDecoder.offsets(),
            count,
            address,
            offset -> neighbour(context.codeSize(), start, offset));
    if (!markLooked(host, context.secondPage())) {
      return null;
    }
    boolean isHot = context.pages() != null;
    boolean keeps = store != null && context.secondPage() == 0 && !isHot;
    int[] fields = keeps ? moved.of(compiler.assembler().code(), page) : null;
    int[] gaps = fields == null ? NONE_MOVED : moved.gaps(firstLooked, afterLooked);
    int firstExit = exits.next();
    int exit = firstExit;
    for (BlockCode.Exit way : code.exits()) {
      compiler.assembler().code().patch(way.numberAt(), 4, exit++);
    }
    long codeEnd = cache.append(compiler.assembler().code()) + compiler.assembler().position();
    JitBlock block =
        blocks.add(
            new JitBlock.Parts(
                key,
                host,
                context.secondPage(),
                insns[count - 1].nextOffset,
                count,
                address,
                code.entryAt(),
                (code.simd() ? 1 : 0)
                    | (code.x87() ? 2 : 0)
                    | (readsPorts(insns, count) ? JitBlock.READS_PORTS : 0)
                    | (isHot ? JitBlock.HOT : 0),
                stubs.dropped(context.table() + context.mmuMode()),
                page,
                firstLooked,
                afterLooked,
                fields == null ? 0 : storeHash,
                firstExit,
                fields == null ? NONE_MOVED : fields,
                gaps,
                fields == null ? 0 : groupOf(host),
                context.quick(),
                (int) (codeEnd - address),
                code));
    exits.add(block, code, insns);
    if (shared != null && context.secondPage() == 0 && !isHot) {
      shared.add(block, context.table(), cache, exits);
    }
    if (chained) {
      blocks.linkAll(block);
    }
    translationLog.translated(block, code, insns, rip, (int) (codeEnd - address));
    return block;
  }

  /** The group that a block is kept in: that of the others that its page has now. */
  private int groupOf(long host) {
    int group = blocks.groupOf(host);
    return group != 0 ? group : store.newGroup();
  }

  private static boolean readsPorts(Insn[] insns, int count) {
    for (int i = 0; i < count; i++) {
      if (insns[i].op == Op.IN) {
        return true;
      }
    }
    return false;
  }

  /** An instruction near the block, whose translation depends on it, too. */
  private Insn neighbour(int codeSize, int start, long offset) {
    long at = start + offset;
    if (Math.abs(offset) > NEIGHBOURHOOD || at < 0 || at >= RamBlock.PAGE_SIZE) {
      return null;
    }
    Insn insn = decoder.decode(page, (int) at, RamBlock.PAGE_SIZE, codeSize);
    if (insn != null) {
      moved.add(insn, (int) at, page);
      firstLooked = Math.min(firstLooked, (int) at);
      afterLooked = Math.max(afterLooked, (int) at + insn.length);
    }
    return insn;
  }

  private void linkIfSame(int exit, JitBlock to) {
    JitBlock from = exits.block(exit);
    if (chained
        && from.valid()
        && to.key() == (from.key() & ~MODE | exits.mode(exit))
        && to.host() == from.host() + exits.guestOffset(exit)) {
      blocks.link(exit, to);
    }
  }

  // ---- dropping ----

  private void clear(String why) {
    statistics.clears++;
    keep();
    translationLog.dropped("all code dropped: " + why);
    dropAll();
    failed.clear();
    jumps.clear();
  }

  private void dropAll() {
    blocks.clear();
    index.clear();
    cache.clear();
    hot.forget();
    addCommonExits();
    dropKeys();
  }

  /** Gives what this run has translated to the store. */
  private void keep() {
    if (store != null) {
      store.keep(
          blocks,
          key -> {
            int table = usualTable(key);
            int usual = store.jumpGroup(key & ~MODE) * JitLayout.GROUP_TABLES;
            return table == usual ? table : NONE;
          });
    }
  }

  private void dropKeys() {
    Arrays.fill(keys, NO_KEY);
    keyCount = 0;
  }

  /** The ways out that are in no block come first. */
  private void addCommonExits() {
    for (int mode = 0; mode <= Stubs.NO_MODE; mode++) {
      exits.addToRip(mode);
    }
  }

  /** Translations of addresses were dropped: forgets the jumps that may know of them. */
  private void forgetMappings() {
    statistics.forgottenMappings++;
    int flushes = mmu.flushes() - flushesSeen;
    int pages = mmu.pageFlushes() - pageFlushesSeen;
    if (mmu.globalFlushes() != globalFlushesSeen || pages > Mmu.RECENT_PAGES) {
      jumps.clear();
    } else {
      for (int i = pageFlushesSeen; i != mmu.pageFlushes(); i++) {
        jumps.forgetPage(mmu.flushedPage(i));
      }
      if (flushes != pages) {
        jumps.forgetLocal();
      }
    }
    flushesSeen += flushes;
    pageFlushesSeen += pages;
    globalFlushesSeen = mmu.globalFlushes();
  }

  @Override
  public void flushTlb() {
    interpreter.flushTlb();
    jumps.clear();
  }

  @Override
  public void flushCode() {
    interpreter.flushCode();
    clear("the machine asks for it");
  }

  private void dropPage(long hostPage) {
    int dropped = blocks.dropPage(hostPage);
    if (dropped != 0) {
      statistics.droppedBlocks += dropped;
      translationLog.dropped(dropped + " blocks dropped by a write to their page");
    }
  }

  @Override
  public void codeWritten(RamBlock block, long page) {
    codeWrites.add(block.hostAddress() + (page << RamBlock.PAGE_BITS));
  }

  /** Blocks that an internal error has left to the interpreter so far. vCPU thread. */
  public long failedTranslations() {
    return statistics.failures;
  }

  /** How often all blocks were dropped. vCPU thread. */
  long clears() {
    return statistics.clears;
  }

  /** Blocks translated a second time because they execute often. vCPU thread. */
  long quickened() {
    return statistics.quickened;
  }

  /** Blocks translated once more because they execute most of the time. vCPU thread. */
  long heated() {
    return statistics.heated;
  }

  /** How often generated code was entered. vCPU thread. */
  long entries() {
    return statistics.entries;
  }

  /** Memory that is kept of translations, also of dropped ones. vCPU thread. */
  long recordBytes() {
    return blocks.recordBytes() + (long) FAILURE_BYTES * failed.size();
  }

  /** Blocks so far that another vCPU had translated. vCPU thread. */
  public long sharedTranslations() {
    return statistics.sharedBlocks;
  }

  /** Blocks translated so far. vCPU thread. */
  public long translations() {
    return statistics.translations;
  }

  /** Blocks taken from translations of earlier runs so far. vCPU thread. */
  public long storedTranslations() {
    return statistics.storedBlocks;
  }

  /**
   * For people: blocks, cache, ways out of generated code and what was left to the interpreter,
   * most often first. Any thread; a momentary view.
   */
  public String describe() {
    StringBuilder text = new StringBuilder();
    text.append(
        "blocks %d, code %d KiB of %d%n"
            .formatted(blocks.size(), cache.used() >> 10, cache.length() >> 10));
    statistics.print(text);
    return text.toString();
  }

  @Override
  public void close() {
    translationLog.closed(this::describe);
    vcpu.machine().codeWatch().remove(this);
    keep();
    if (store != null) {
      store.leave();
      kept.close();
    }
    if (shared != null) {
      shared.leave();
    }
    interpreter.close();
    cache.close();
    blocks.close();
    index.close();
  }
}
