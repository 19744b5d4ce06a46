package dev.pollux.core.interp;

import dev.pollux.core.cpu.CodeHeap;
import dev.pollux.core.cpu.CodeWrites;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.cpu.RegisterDump;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.CodeWatch;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.Mmu;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The interpreter of one vCPU: portable, complete, the reference for the code generator. This class
 * is what instruction handlers see: registers, operands, memory, flags.
 */
public final class Interpreter implements ExecutionEngine {
  private static final Logger log = LoggerFactory.getLogger(Interpreter.class);

  /** Bits of RFLAGS. */
  private static final int TF = 1 << 8;

  private static final int IF = 1 << 9;
  private static final int RF = 1 << 16;
  private static final int VM = 1 << 17;

  /** DR6: single step. */
  private static final int DR6_BS = 1 << 14;

  private static final int JUMP_CACHE_SIZE = 1 << 13;
  private static final int CROSSING_SIZE = 256;

  /** A copy of a template costs what some thousand instructions cost. */
  private static final int COLD_RUNS = 1000;

  private static final int PAUSES_PER_YIELD = 64;

  private final Vcpu vcpu;
  private final CpuState state;
  final Mmu mmu;

  /** Host address of the state block. */
  final long s;

  final FloatEnv floatEnv = new FloatEnv();
  // The arithmetic flags, kept so that an operation only has to store its result and its carries:
  //   ZF = flagResult == 0          CF = flagCarries bit 63     OF = bit 63 ^ bit 62     AF = bit 3
  //   SF = sign of flagResult ^ bit 0 of flagCarries
  //   PF = parity of (flagResult ^ flagCarries >> 8) & 0xff
  long flagResult;
  long flagCarries;

  private final BlockBuilder builder;
  private final CodePages codePages;

  /** How often all blocks were dropped because there were too many. */
  private int codeEmptied;

  /**
   * By linear address, one table per size of code. A block is right if it still lies where its
   * address leads.
   */
  private final Block[] jumps16 = new Block[JUMP_CACHE_SIZE];

  private final Block[] jumps32 = new Block[JUMP_CACHE_SIZE];
  private final Block[] jumps64 = new Block[JUMP_CACHE_SIZE];
  private Block[] jumps = jumps64;

  /** Blocks of one instruction that lies in two pages, by linear address. */
  private final Crossing[] crossings = new Crossing[CROSSING_SIZE];

  /** For handlers that have two values to return. */
  final long[] pair = new long[2];

  private static final class Crossing {
    private final long linear;
    private final int codeSize;
    private final byte[] bytes;
    private final Block block;

    private Crossing(long linear, int codeSize, byte[] bytes, Block block) {
      this.linear = linear;
      this.codeSize = codeSize;
      this.bytes = bytes;
      this.block = block;
    }

    /** True if the bytes fetched from {@code linear} are this instruction's. */
    private boolean matches(long at, int size, byte[] fetched, int length) {
      return at == linear
          && size == codeSize
          && bytes.length <= length
          && Arrays.equals(bytes, 0, bytes.length, fetched, 0, bytes.length);
    }
  }

  private final byte[] fetchBuffer = new byte[16];

  private int codeSize = 64;

  /**
   * Whoever runs this wants to look at 32-bit code after each instruction that may change modes.
   */
  private boolean looksAt32;

  private int cpl;

  /**
   * Something asks for a look after every instruction: TF, RF, breakpoints, an interrupt shadow, a
   * pending debug trap.
   */
  private boolean attention;

  /** Blocks are logged one by one. */
  private final boolean traced;

  private int pauses;
  private boolean bare;
  private long instructions;

  public Interpreter(Vcpu vcpu) {
    this(vcpu, COLD_RUNS);
  }

  /**
   * @param coldRuns how often a block of 16- or 32-bit code is executed before its instructions are
   *     made quick; 0: they are at once
   */
  public Interpreter(Vcpu vcpu, int coldRuns) {
    this(
        vcpu,
        new BlockBuilder(vcpu.model().features(), coldRuns),
        CodeHeap.of(vcpu.model().topology().count()).decoded());
  }

  /**
   * @param mostBytes of heap for blocks
   */
  Interpreter(Vcpu vcpu, BlockBuilder builder, long mostBytes) {
    this.vcpu = vcpu;
    this.state = vcpu.cpuState();
    this.mmu = vcpu.mmu();
    this.s = state.address();
    this.builder = builder;
    this.codePages = new CodePages(mostBytes);
    this.traced = vcpu.machine().traceLog().tracesBlocks();
    this.codeWrites = new CodeWrites(vcpu, codePages::drop, this::flushCode);
    vcpu.machine().codeWatch().add(codeListener);
  }

  // ---- the run loop ----

  @Override
  public void run() {
    enter();
    try {
      do {
        executeSome();
      } while (!mustReturn());
    } finally {
      leave();
    }
  }

  @Override
  public void runOne() {
    enter();
    try {
      if (attention) {
        step();
      } else {
        executeAlone(findOne(state.rip()));
      }
    } catch (CpuException e) {
      raise(e.vector(), e.errorCode());
    } finally {
      leave();
    }
  }

  private void enter() {
    reloadFlags();
    updateMode();
  }

  private void leave() {
    syncFlags();
  }

  /** True if execution has to go back to the vCPU's loop. vCPU thread, between instructions. */
  public boolean mustReturn() {
    return state.exitRequested()
        || state.u32(CpuLayout.HALTED) != 0
        || state.u32(CpuLayout.PENDING_DEBUG) != 0
        || mayInterrupt();
  }

  /** Something pending may be taken now, as far as the engine can tell; the vCPU's loop decides. */
  private boolean mayInterrupt() {
    int pending = state.pending();
    return pending != 0
        && ((pending & ~Interrupts.HARD) != 0 || (state.rflags() & IF) != 0)
        && state.u32(CpuLayout.INTERRUPT_SHADOW) == 0;
  }

  private void executeSome() {
    if (attention || traced) {
      executeBlock(false);
      return;
    }
    try {
      execute(find(state.rip()));
    } catch (CpuException e) {
      raise(e.vector(), e.errorCode());
    }
  }

  /** Executes one block, or only its first instruction, without what is chained to it. */
  private void executeBlock(boolean single) {
    try {
      if (attention) {
        step();
      } else {
        Block block = single ? findOne(state.rip()) : find(state.rip());
        if (traced) {
          trace(block);
        }
        executeAlone(block);
      }
    } catch (CpuException e) {
      raise(e.vector(), e.errorCode());
    }
  }

  private void trace(Block block) {
    syncFlags();
    state.setRip(blockRip());
    logBlock(block.count);
  }

  /** Logs the block of {@code count} instructions at RIP; all state in the state block. */
  public void logBlock(int count) {
    TraceLog log = vcpu.machine().traceLog();
    if (log.has(TraceLog.Item.EXEC)) {
      log.write(String.format("Trace %d: %016x/%d", vcpu.index(), state.rip(), count));
    }
    if (log.has(TraceLog.Item.CPU)) {
      StringBuilder registers = new StringBuilder();
      RegisterDump.print(state, registers);
      log.write(registers.toString());
    }
  }

  // ---- for an engine that executes the same vCPU and leaves instructions to this one ----

  /** A decoder of the instructions of this vCPU. */
  public Decoder anotherDecoder() {
    return builder.anotherDecoder();
  }

  /** An instruction ready for {@link #executeOne}. */
  public static final class Prepared {
    private final Block block;

    private Prepared(Block block) {
      this.block = block;
    }

    public Insn insn() {
      return block.insns[0];
    }
  }

  /** Takes over the state block before {@link #runBlock} and {@link #executeOne}. vCPU thread. */
  public void attach() {
    updateMode();
  }

  /** Takes over the privilege level and RFLAGS.AC, which the other engine has changed; attached. */
  public void modeChanged() {
    updateMode();
  }

  /**
   * Executes one block, or one instruction where something asks for a look after each; attached,
   * all state in the state block before and after.
   */
  public void runBlock() {
    reloadFlags();
    updateMode();
    try {
      executeBlock(false);
    } finally {
      syncFlags();
    }
  }

  /**
   * Executes until code is 64-bit code, or 32-bit code of which {@code flat} is true, or somebody
   * asks for the vCPU; attached, all state in the state block before and after.
   */
  public void runSegmented(BooleanSupplier flat) {
    enter();
    looksAt32 = true;
    try {
      do {
        executeSome();
      } while (codeSize != 64
          && !(codeSize == 32 && flat.getAsBoolean())
          && !bare
          && !mustReturn());
    } finally {
      looksAt32 = false;
      leave();
    }
  }

  /** Makes an instruction, decoded alone, ready for {@link #executeOne}. */
  public Prepared prepare(Insn insn) {
    return new Prepared(BlockBuilder.single(insn));
  }

  /**
   * Executes one instruction, which lies at {@code rip}, delivering what it raises; attached, all
   * state in the state block before (but for RIP) and after.
   */
  public void executeOne(Prepared prepared, long rip) {
    RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, rip);
    reloadFlags();
    try {
      executeAlone(prepared.block);
    } catch (CpuException e) {
      raise(e.vector(), e.errorCode());
    } finally {
      syncFlags();
    }
  }

  private void executeAlone(Block block) {
    int i = 0;
    try {
      Node[] nodes = block.nodes;
      for (i = 0; i < nodes.length; i++) {
        nodes[i].execute(this);
      }
      instructions += block.count;
      if (block.end.next(this, block) != null) {
        state.setRip(blockRip());
      }
    } catch (CpuException e) {
      leaveBlock(block, i, block.offsets[i]);
      throw asStackFault(e, block.insns[i]);
    } catch (BlockExit e) {
      leaveBlock(block, i, e == BlockExit.DROPPED ? block.offsetBehind(i) : block.offsets[i]);
    }
  }

  /** A stack access to an address that is not canonical raises #SS instead of #GP. */
  private CpuException asStackFault(CpuException e, Insn insn) {
    return e.vector() == CpuException.GP && mmu.takeNonCanonical() && isStackAccess(insn)
        ? vcpu.exception(CpuException.SS, 0)
        : e;
  }

  private void raise(int vector, int errorCode) {
    if (bare) {
      bareVector = vector;
      bareError = errorCode;
      return;
    }
    syncFlags();
    vcpu.delivery().exception(vector, errorCode);
    reloadFlags();
    updateMode();
  }

  /**
   * Executes a block and what is chained to it, until the next one has to be looked for or somebody
   * asks for the vCPU.
   */
  private void execute(Block first) {
    Block block = first;
    int i = 0;
    try {
      do {
        Node[] nodes = block.nodes;
        int count = nodes.length;
        for (i = 0; i < count; i++) {
          nodes[i].execute(this);
        }
        instructions += block.count;
        block = block.end.next(this, block);
      } while (block != null && RawMemory.getIntVolatile(s + CpuLayout.EXIT_REQUEST) == 0);
      if (block != null) {
        state.setRip(blockRip());
      }
    } catch (CpuException e) {
      leaveBlock(block, i, block.offsets[i]);
      throw asStackFault(e, block.insns[i]);
    } catch (BlockExit e) {
      leaveBlock(block, i, e == BlockExit.DROPPED ? block.offsetBehind(i) : block.offsets[i]);
    }
  }

  /**
   * @param i the node that was not executed, or not to its end
   * @param offset of what is executed next
   */
  private void leaveBlock(Block block, int i, int offset) {
    state.setRip(truncate(blockRip() + offset));
    // The count of the whole block was added before its end was executed. Instructions without a
    // node count as executed.
    instructions -= i == block.nodes.length ? 1 : -i;
  }

  /** The address that was not canonical belongs to a stack access (#SS instead of #GP). */
  private boolean isStackAccess(Insn insn) {
    boolean stack = insn.info != null && insn.info.has(OpcodeInfo.Property.STACK);
    // Bit strings and masked moves do not access the operand's own address, but near it.
    if (insn.hasMemory()
        && insn.info.op != Op.LEA
        && (!stack || effectiveAddress(insn) == mmu.faultAddress())) {
      return insn.segment == CpuLayout.SS;
    }
    return stack;
  }

  /** Executes one instruction with everything that may go with it. */
  private void step() {
    long linear =
        codeSize == 64 ? state.rip() : state.segBase(CpuLayout.CS) + state.rip() & 0xffff_ffffL;
    long flags = state.rflags();
    if ((flags & RF) == 0 && breakpointAt(linear)) {
      return;
    }
    int shadow = state.u32(CpuLayout.INTERRUPT_SHADOW);
    state.setU32(CpuLayout.INTERRUPT_SHADOW, 0);
    long rip = state.rip();
    try {
      executeAlone(findOne(rip));
    } catch (CpuException e) {
      state.setU32(CpuLayout.INTERRUPT_SHADOW, shadow);
      throw e;
    }
    if (vcpu.exclusionWanted()) { // the instruction has not been executed
      state.setU32(CpuLayout.INTERRUPT_SHADOW, shadow);
      return;
    }
    if ((flags & RF) != 0 && lastOp != Op.IRET) {
      state.setRflags(state.rflags() & ~RF);
    }
    if ((flags & TF) != 0 && !withoutSingleStep()) {
      state.setU32(CpuLayout.PENDING_DEBUG, state.u32(CpuLayout.PENDING_DEBUG) | DR6_BS);
    }
    updateMode();
  }

  /**
   * True after an instruction that the single-step trap does not follow: one that has loaded SS,
   * one that has cleared TF on its way to a handler (Intel SDM vol. 3, 18.3.1.4), and those that
   * have seen to the trap themselves.
   */
  private boolean withoutSingleStep() {
    if (state.u32(CpuLayout.INTERRUPT_SHADOW) == CpuLayout.SHADOW_MOV_SS) {
      return true;
    }
    return switch (lastOp) {
      case INT, INT3, INTO, INT1 -> (state.rflags() & TF) == 0;
      case SYSCALL, SYSRET -> true;
      default -> false;
    };
  }

  private Op lastOp = Op.NOP;

  /** Raises #DB for an instruction breakpoint; true if there was one. */
  private boolean breakpointAt(long linear) {
    int hits = vcpu.debugRegisters().instructionHits(linear);
    if (hits == 0) {
      return false;
    }
    vcpu.debugRegisters().setCause(hits);
    raise(CpuException.DB, 0);
    return true;
  }

  // ---- finding blocks ----

  long blockRip() {
    return RawMemory.getLong(s + CpuLayout.REG_BLOCK * 8);
  }

  void advanceBlock(long distance) {
    RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, blockRip() + distance);
  }

  private static int jumpIndex(long linear) {
    return (int) (linear ^ linear >>> 13) & JUMP_CACHE_SIZE - 1;
  }

  /**
   * Goes to {@code rip}: the block there if that is known without a fault and without decoding, the
   * block register set; null otherwise, RIP in the state block set.
   */
  Block jump(long rip) {
    if (codeSize == 64) {
      Block block = jumps[jumpIndex(rip)];
      if (block != null && block.linear == rip && block.hostAddress == mmu.codeHostIfCached(rip)) {
        RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, rip);
        return block;
      }
      state.setRip(rip);
      return null;
    }
    return jumpSegmented(truncate(rip));
  }

  /**
   * The block after a system instruction if it can be entered at once; null where the run loop has
   * to look first.
   */
  Block nextAfterSystem() {
    return attention || mustReturn() || looksAt32 && codeSize == 32 ? null : jump(state.rip());
  }

  private Block jumpSegmented(long rip) {
    long linear = state.segBase(CpuLayout.CS) + rip & 0xffff_ffffL;
    Block block = jumps[jumpIndex(linear)];
    if (block != null
        && block.linear == linear
        && block.hostAddress == mmu.codeHostIfCached(linear)
        && rip + block.length - 1 <= state.segLimit(CpuLayout.CS)) {
      RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, rip);
      return block;
    }
    state.setRip(rip);
    return null;
  }

  /**
   * The block at {@code rip}, decoded if need be, the block register set. Raises the faults of the
   * fetch.
   */
  private Block find(long rip) {
    RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, rip);
    long linear = rip;
    if (codeSize != 64) {
      linear = state.segBase(CpuLayout.CS) + rip & 0xffff_ffffL;
    }
    long host = mmu.codeHost(linear);
    Block block = host == 0 ? null : findInPage(host);
    if (block == null || codeSize != 64 && rip + block.length - 1 > state.segLimit(CpuLayout.CS)) {
      return findOne(rip);
    }
    if (block != Block.NOT_YET) {
      block.linear = linear;
      jumps[jumpIndex(linear)] = block;
    }
    return block;
  }

  private Block findInPage(long host) {
    if (codePages.full()) {
      flushCode();
      codeEmptied++;
    }
    Block block = codePages.find(host, codeSize);
    if (block == null) {
      RamBlock ram = vcpu.machine().blockAt(host);
      long offset = host - ram.hostAddress();
      if (!vcpu.watchCode(ram, offset >> RamBlock.PAGE_BITS)) {
        return Block.NOT_YET;
      }
      block = builder.build(host, codeSize, BlockBuilder.MAX_INSNS);
      if (block == null) {
        return null;
      }
      ram.markCode(offset, block.length);
      if (!builder.stillReads(host, block.length)) {
        return null; // written just now; not tried again here, which a writer could keep up for
        // ever
      }
      codePages.add(block);
      if (vcpu.machine().traceLog().has(TraceLog.Item.IN_ASM)) {
        logDecoded(block);
      }
    }
    return block;
  }

  private void logDecoded(Block block) {
    byte[] code = new byte[block.length];
    RawMemory.copyOut(block.hostAddress, code, 0, code.length);
    vcpu.machine()
        .traceLog()
        .write("----------------\nIN:\n" + builder.listing(code, blockRip(), block.codeSize));
  }

  /**
   * A block of the one instruction at {@code rip}, wherever it lies: in two pages, beyond the
   * segment's limit in part, not in RAM. Its bytes are looked at each time.
   */
  private Block findOne(long rip) {
    RawMemory.putLong(s + CpuLayout.REG_BLOCK * 8, rip);
    long linear = codeSize == 64 ? rip : state.segBase(CpuLayout.CS) + rip & 0xffff_ffffL;
    byte[] bytes = fetchBuffer;
    Crossing known = crossings[jumpIndex(linear) & CROSSING_SIZE - 1];
    for (int length = 0; length < Decoder.MAX_LENGTH; ) {
      int fetched = fetch(rip, length, bytes);
      length += fetched;
      if (known != null && known.matches(linear, codeSize, bytes, length)) {
        lastOp = known.block.insns[0].op;
        return known.block;
      }
      Block block = builder.buildOne(bytes, length, codeSize);
      if (block != null) {
        lastOp = block.insns[0].op;
        crossings[jumpIndex(linear) & CROSSING_SIZE - 1] =
            new Crossing(linear, codeSize, Arrays.copyOf(bytes, block.length), block);
        return block;
      }
    }
    throw fault(CpuException.GP, 0);
  }

  /**
   * Fetches bytes of code from {@code rip + from} to the end of the page or the longest
   * instruction; at least one.
   */
  private int fetch(long rip, int from, byte[] bytes) {
    long offset = truncate(rip + from);
    long linear = offset;
    int count = Decoder.MAX_LENGTH - from;
    if (codeSize != 64) {
      long limit = state.segLimit(CpuLayout.CS);
      if (offset > limit) {
        throw fault(CpuException.GP, 0);
      }
      count = (int) Math.min(count, limit - offset + 1);
      linear = state.segBase(CpuLayout.CS) + offset & 0xffff_ffffL;
    }
    count = (int) Math.min(count, RamBlock.PAGE_SIZE - (linear & RamBlock.PAGE_SIZE - 1));
    long host = mmu.codeHost(linear);
    if (host != 0) {
      RawMemory.copyOut(host, bytes, from, count);
    } else {
      long physical = mmu.fetchPhysical();
      for (int i = 0; i < count; i++) {
        bytes[from + i] = (byte) vcpu.machine().memory().read(physical + i, 1);
      }
    }
    return count;
  }

  // ---- code that is written ----

  private final CodeWatch.Listener codeListener = this::codeWritten;
  private final CodeWrites codeWrites;

  private void codeWritten(RamBlock block, long page) {
    codeWrites.add(block.hostAddress() + (page << RamBlock.PAGE_BITS));
  }

  /** How often all blocks were dropped because there were too many. vCPU thread. */
  int codeEmptied() {
    return codeEmptied;
  }

  /** Heap that blocks take, about. vCPU thread. */
  long codeBytes() {
    return codePages.bytes();
  }

  @Override
  public void flushTlb() {}

  @Override
  public void flushCode() {
    codePages.clear();
    Arrays.fill(crossings, null);
    for (Block[] table : new Block[][] {jumps16, jumps32, jumps64}) {
      Arrays.fill(table, null);
    }
  }

  @Override
  public void close() {
    log.debug("CPU {}: {} instructions interpreted", vcpu.index(), instructions);
    vcpu.machine().codeWatch().remove(codeListener);
  }

  // ---- modes ----

  /** Takes over what system instructions may have changed. */
  private void updateMode() {
    mmu.updateMode();
    cpl = state.segAttr(CpuLayout.SS) >> 5 & 3;
    int attr = state.segAttr(CpuLayout.CS);
    if ((attr & 1 << 13) != 0 && (state.efer() & 1 << 10) != 0) {
      codeSize = 64;
      jumps = jumps64;
    } else if ((attr & 1 << 14) != 0) {
      codeSize = 32;
      jumps = jumps32;
    } else {
      codeSize = 16;
      jumps = jumps16;
    }
    attention =
        (state.rflags() & (TF | RF)) != 0
            || state.u32(CpuLayout.INTERRUPT_SHADOW) != 0
            || vcpu.debugRegisters().anyEnabled();
  }

  void executeSystem(InsnHandler handler, Insn insn) {
    syncFlags();
    state.setRip(nextRip(insn));
    handler.execute(this, insn);
    reloadFlags();
    updateMode();
  }

  // ---- without a vCPU thread ----

  /** How {@link #runBare} ended. */
  public enum Stop {
    /** HLT was executed. */
    HALT,
    /** An exception was raised, RIP is that of the instruction. */
    EXCEPTION,
    /** The number of instructions was reached. */
    LIMIT
  }

  private int bareVector = -1;
  private int bareError;

  /** Vector of the exception that {@link #runBare} stopped at. */
  public int exceptionVector() {
    return bareVector;
  }

  public int exceptionError() {
    return bareError;
  }

  /**
   * Executes up to {@code limit} instructions and returns at HLT or, unless {@code deliver} is set,
   * at the first exception with RIP at the instruction that raised it. Whole blocks are executed as
   * long as they fit. For tests and for comparing with other processors; not while the vCPU's
   * thread runs.
   */
  public Stop runBare(long limit, boolean deliver) {
    long start = instructions;
    bareVector = -1;
    bare = !deliver;
    enter();
    try {
      while (true) {
        long left = limit - (instructions - start);
        if (left <= 0) {
          return Stop.LIMIT;
        }
        // What waits is looked at here. A request would end a repeated instruction early; of one
        // that has written over itself the new bytes would be executed then.
        state.setExitRequest(false);
        executeBlock(left < BlockBuilder.MAX_INSNS);
        if (bareException()) {
          return Stop.EXCEPTION;
        }
        if (state.u32(CpuLayout.HALTED) != 0) {
          state.setU32(CpuLayout.HALTED, 0);
          return Stop.HALT;
        }
        if (deliver && (state.u32(CpuLayout.PENDING_DEBUG) != 0 || mayInterrupt())) {
          syncFlags();
          vcpu.delivery().deliverPending();
          reloadFlags();
          updateMode();
        }
      }
    } finally {
      bare = false;
      leave();
    }
  }

  /** From here to {@link #endBare} exceptions are noted and not delivered. */
  public void beginBare() {
    bareVector = -1;
    bare = true;
  }

  public void endBare() {
    bare = false;
  }

  /** True after an exception that was noted only: {@link #exceptionVector}. */
  public boolean bareException() {
    if (bare && bareVector < 0 && state.u32(CpuLayout.PENDING_DEBUG) != 0) {
      bareVector = CpuException.DB;
    }
    return bareVector >= 0;
  }

  // ---- for handlers ----

  public Vcpu vcpu() {
    return vcpu;
  }

  public CpuState state() {
    return state;
  }

  public Mmu mmu() {
    return mmu;
  }

  /** Size of code: 16, 32 or 64. */
  public int codeSize() {
    return codeSize;
  }

  public int cpl() {
    return cpl;
  }

  /** Virtual-8086 mode. */
  public boolean virtual8086() {
    return (state.rflags() & VM) != 0;
  }

  /**
   * A repeated instruction stops between two elements, to be gone on with when the vCPU has looked
   * at what waits.
   */
  public boolean interrupted() {
    return RawMemory.getIntVolatile(s + CpuLayout.EXIT_REQUEST) != 0 || attention;
  }

  /**
   * PAUSE: the guest waits for another vCPU, which may be waiting for this one's host processor.
   */
  void pause() {
    if (++pauses % PAUSES_PER_YIELD == 0) {
      Thread.yield();
    } else {
      Thread.onSpinWait();
    }
  }

  /** The exception to throw: {@code throw cpu.fault(GP, 0)}. */
  public CpuException fault(int vector, int errorCode) {
    return vcpu.exception(vector, errorCode);
  }

  /** An exception without an error code. */
  public CpuException fault(int vector) {
    return vcpu.exception(vector, 0);
  }

  /** RIP of the instruction after {@code insn}. */
  public long nextRip(Insn insn) {
    return truncate(RawMemory.getLong(s + CpuLayout.REG_BLOCK * 8) + insn.nextOffset);
  }

  /** RIP of {@code insn} itself. */
  public long rip(Insn insn) {
    return truncate(RawMemory.getLong(s + CpuLayout.REG_BLOCK * 8) + insn.nextOffset - insn.length);
  }

  private long truncate(long rip) {
    return switch (codeSize) {
      case 16 -> rip & 0xffff;
      case 32 -> rip & 0xffff_ffffL;
      default -> rip;
    };
  }

  // ---- general registers ----

  public long gpr64(int register) {
    return RawMemory.getLong(s + register * 8L);
  }

  public int gpr32(int register) {
    return RawMemory.getInt(s + register * 8L);
  }

  public void setGpr64(int register, long value) {
    RawMemory.putLong(s + register * 8L, value);
  }

  /** Clears the upper half, as every 32-bit write does. */
  public void setGpr32(int register, int value) {
    RawMemory.putLong(s + register * 8L, value & 0xffff_ffffL);
  }

  /** The low {@code size} bytes of a register, zero-extended. */
  public long gpr(int register, int size) {
    long address = s + register * 8L;
    return switch (size) {
      case 1 -> RawMemory.getByte(address) & 0xffL;
      case 2 -> RawMemory.getShort(address) & 0xffffL;
      case 4 -> RawMemory.getInt(address) & 0xffff_ffffL;
      default -> RawMemory.getLong(address);
    };
  }

  /**
   * Writes the low {@code size} bytes of a register by the rules of 64-bit mode: 4 bytes clear the
   * rest, 1 and 2 keep it.
   */
  public void setGpr(int register, int size, long value) {
    long address = s + register * 8L;
    switch (size) {
      case 1 -> RawMemory.putByte(address, (byte) value);
      case 2 -> RawMemory.putShort(address, (short) value);
      case 4 -> RawMemory.putLong(address, value & 0xffff_ffffL);
      default -> RawMemory.putLong(address, value);
    }
  }

  /** Host address of an XMM or YMM register's 32 bytes. */
  public long vectorAddress(int register) {
    return s + CpuLayout.YMM + register * (long) CpuLayout.YMM_SIZE;
  }

  // ---- operands ----

  /**
   * Reads operand {@code i} of kind GPR, GPR8H or MEM, of 1 to 8 bytes, zero-extended, or an
   * immediate as it is extended.
   */
  public long read(Insn insn, int i) {
    int size = insn.size(i);
    return switch (insn.kind(i)) {
      case Insn.GPR -> gpr(insn.reg(i), size);
      case Insn.GPR8H -> RawMemory.getByte(s + insn.reg(i) * 8L + 1) & 0xffL;
      case Insn.MEM -> mmu.read(address(insn, size, false), size);
      case Insn.IMM -> insn.imm;
      default -> throw new IllegalStateException(insn.toString());
    };
  }

  /** Writes operand {@code i} of kind GPR, GPR8H or MEM, of 1 to 8 bytes. */
  public void write(Insn insn, int i, long value) {
    int size = insn.size(i);
    switch (insn.kind(i)) {
      case Insn.GPR -> setGpr(insn.reg(i), size, value);
      case Insn.GPR8H -> RawMemory.putByte(s + insn.reg(i) * 8L + 1, (byte) value);
      case Insn.MEM -> mmu.write(address(insn, size, true), size, value);
      default -> throw new IllegalStateException(insn.toString());
    }
  }

  /** The effective address (offset in its segment) of the memory operand. */
  public long effectiveAddress(Insn insn) {
    long ea = gpr64(insn.base) + (gpr64(insn.index) << insn.scale) + insn.disp;
    if (insn.ripRelative) {
      ea += RawMemory.getLong(s + CpuLayout.REG_BLOCK * 8) + insn.nextOffset;
    }
    return switch (insn.addrSize) {
      case 2 -> ea & 0xffff;
      case 4 -> ea & 0xffff_ffffL;
      default -> ea;
    };
  }

  /**
   * The linear address of the memory operand, its segment checked for an access of {@code size}
   * bytes. Paging is checked by the access itself; operands of more than 8 bytes call {@link
   * Mmu#probeWrite} before the first of several writes.
   */
  public long address(Insn insn, int size, boolean write) {
    return linear(insn.segment, effectiveAddress(insn), size, write);
  }

  /** The linear address of an offset in a segment, checked for an access of {@code size} bytes. */
  public long linear(int segment, long offset, int size, boolean write) {
    if (codeSize == 64) {
      return segment >= CpuLayout.FS ? offset + state.segBase(segment) : offset;
    }
    return SegmentAccess.linear(this, segment, offset, size, write);
  }

  // ---- the stack ----

  /** Width of the stack pointer in bytes: 2, 4 or 8. */
  public int stackWidth() {
    if (codeSize == 64) {
      return 8;
    }
    return (state.segAttr(CpuLayout.SS) & 1 << 14) != 0 ? 4 : 2;
  }

  /** Pushes the low {@code size} bytes; RSP changes once nothing can fault any more. */
  public void push(int size, long value) {
    if (codeSize == 64) {
      long rsp = gpr64(RSP) - size;
      mmu.write(rsp, size, value);
      setGpr64(RSP, rsp);
    } else {
      int width = stackWidth();
      long sp = Alu.zeroExtend(gpr64(RSP) - size, width);
      mmu.write(linear(CpuLayout.SS, sp, size, true), size, value);
      setGpr(RSP, width, sp);
    }
  }

  /** PUSH in 64-bit mode. */
  void push64(long value) {
    long rsp = gpr64(RSP) - 8;
    mmu.write64(rsp, value);
    setGpr64(RSP, rsp);
  }

  /**
   * What a pop of {@code size} bytes would give, zero-extended, {@code offset} bytes above the top
   * of the stack.
   */
  public long peek(int size, long offset) {
    if (codeSize == 64) {
      return mmu.read(gpr64(RSP) + offset, size);
    }
    long sp = Alu.zeroExtend(gpr64(RSP) + offset, stackWidth());
    return mmu.read(linear(CpuLayout.SS, sp, size, false), size);
  }

  /** Moves the stack pointer, by its width. */
  public void addStack(long bytes) {
    int width = stackWidth();
    setGpr(RSP, width, gpr64(RSP) + bytes);
  }

  /** Pops {@code size} bytes, zero-extended. */
  public long pop(int size) {
    long value = peek(size, 0);
    addStack(size);
    return value;
  }

  static final int RAX = 0;
  static final int RCX = 1;
  static final int RDX = 2;
  static final int RBX = 3;
  static final int RSP = 4;
  static final int RBP = 5;
  static final int RSI = 6;
  static final int RDI = 7;

  // ---- flags ----

  /** CF, PF, AF, ZF, SF and OF at their places in RFLAGS. */
  public int statusFlags() {
    long carries = flagCarries;
    long result = flagResult;
    return (int) (carries >>> 63)
        | Alu.parity(result ^ carries >>> 8)
        | (int) (carries & 8) << 1
        | (result == 0 ? Alu.ZF : 0)
        | (int) ((result ^ carries << 63) >>> 63) << 7
        | (int) ((carries ^ carries << 1) >>> 63) << 11;
  }

  /** Sets all six arithmetic flags from their places in {@code flags}; other bits are ignored. */
  public void setStatusFlags(int flags) {
    boolean zero = (flags & Alu.ZF) != 0;
    long cf = flags & 1;
    long of = flags >>> 11 & 1;
    // A result of 0 has even parity, 1 has odd parity.
    boolean flipParity = zero == ((flags & Alu.PF) == 0);
    flagResult = zero ? 0 : 1;
    flagCarries =
        cf << 63
            | (cf ^ of) << 62
            | (flags & Alu.AF) >>> 1
            | (flipParity ? 1 << 8 : 0)
            | flags >>> 7 & 1;
  }

  boolean carry() {
    return flagCarries < 0;
  }

  boolean zero() {
    return flagResult == 0;
  }

  /** Condition 0 to 15 as in Jcc, SETcc and CMOVcc. */
  public boolean condition(int cond) {
    long c = flagCarries;
    long r = flagResult;
    return switch (cond) {
      case 0 -> (c ^ c << 1) < 0;
      case 1 -> (c ^ c << 1) >= 0;
      case 2 -> c < 0;
      case 3 -> c >= 0;
      case 4 -> r == 0;
      case 5 -> r != 0;
      case 6 -> c < 0 || r == 0;
      case 7 -> c >= 0 && r != 0;
      case 8 -> (r ^ c << 63) < 0;
      case 9 -> (r ^ c << 63) >= 0;
      case 10 -> Alu.parity(r ^ c >>> 8) != 0;
      case 11 -> Alu.parity(r ^ c >>> 8) == 0;
      case 12 -> (r ^ c << 63 ^ c ^ c << 1) < 0;
      case 13 -> (r ^ c << 63 ^ c ^ c << 1) >= 0;
      case 14 -> r == 0 || (r ^ c << 63 ^ c ^ c << 1) < 0;
      default -> r != 0 && (r ^ c << 63 ^ c ^ c << 1) >= 0;
    };
  }

  /** Flags of a result with carries from {@link Alu#addCarries} or {@link Alu#subCarries}. */
  void setFlags(long result, long carries, int size) {
    int unused = 64 - size * 8;
    flagResult = result << unused >> unused;
    flagCarries = carries << unused & 3L << 62 | carries & 8;
  }

  /** Changes CF and leaves the other flags. */
  void setCarryOnly(boolean carry) {
    long of = flagCarries ^ flagCarries << 1;
    long cf = carry ? 1L << 63 : 0;
    flagCarries = flagCarries & ~(3L << 62) | cf | (cf ^ of) >>> 1 & 1L << 62;
  }

  /** Flags of INC and DEC: all but CF. */
  void setFlagsButCarry(long result, long carries, int size) {
    int unused = 64 - size * 8;
    long c = carries << unused;
    long cf = flagCarries & 1L << 63;
    flagResult = result << unused >> unused;
    flagCarries = cf | (cf ^ c ^ c << 1) >>> 1 & 1L << 62 | carries & 8;
  }

  /** Flags of a shift's result; {@code cf} and {@code of} are 0 or 1. */
  void setShiftFlags(long result, int size, long cf, long of) {
    flagResult = Alu.signExtend(result, size);
    flagCarries = cf << 63 | (cf ^ of) << 62;
  }

  /** CF and OF (0 or 1) of a rotation; the others stay. */
  void setRotateFlags(long cf, long of) {
    flagCarries = flagCarries & ~(3L << 62) | cf << 63 | (cf ^ of) << 62;
  }

  /** Flags of IMUL: CF and OF are one, the others undefined. */
  void setProductFlags(long result, int size, boolean overflow) {
    flagResult = Alu.signExtend(result, size);
    flagCarries = overflow ? 1L << 63 : 0;
  }

  /** Flags of AND, OR, XOR, TEST. */
  void setLogicFlags(long result, int size) {
    flagResult = Alu.signExtend(result, size);
    flagCarries = 0;
  }

  /** Whole RFLAGS. */
  public long rflags() {
    return state.rflags() & ~(long) Alu.STATUS | statusFlags();
  }

  private void syncFlags() {
    state.setRflags(rflags());
  }

  private void reloadFlags() {
    setStatusFlags((int) state.rflags());
  }
}
