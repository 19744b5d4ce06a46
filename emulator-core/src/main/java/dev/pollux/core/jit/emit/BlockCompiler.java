package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.SP;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.mmu.TlbLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Translates one block of guest code: 64-bit code, or 32-bit code in flat segments.
 *
 * <p>Between two guest instructions every guest register is where {@link RegisterMap} says; flags
 * that are live are in the host's flags, in {@link JitLayout#FLAGS}, or in both, as {@link #flags}
 * tracks. An access that the software TLB does not know leaves before its instruction has changed
 * anything; the interpreter executes that one instruction, with all that can go wrong in it, and
 * the code is entered again behind it.
 *
 * <p>One compiler serves one vCPU; not thread-safe.
 */
@SuppressWarnings("this-escape") // its parts only keep the reference
public class BlockCompiler {
  /** How many instructions of other blocks are looked at to find out what becomes of flags. */
  private static final int LOOK_AHEAD = 6;

  private static final int ADDRESS_SIZE_PREFIX = 0x67;
  private static final int CALL = 0xe8;
  private static final int JMP = 0xe9;
  private static final int EXIT_NUMBER = 4;
  private static final int JNE = 0x850f;

  /** PUSHes or POPs that are executed together: what an access of theirs touches fits in a byte. */
  private static final int MOST_STACKED = 31;

  private static final int RFLAGS_IF = 1 << 9;

  /** Guest register number. */
  private static final int RSP = 4;

  private static final int RFLAGS_RF_VM = 3 << 16;

  /** Where the guest's live status flags are. */
  private enum Flags {
    /** In the host's flags only. */
    HOST,
    /** In the state block only. */
    MEMORY,
    BOTH,
    /** Nowhere; nothing will read them. {@link #source} tells them where they can be seen. */
    DEAD
  }

  private static final Mem FLAG_RECIPE = state(JitLayout.FLAGS);
  private static final Mem FLAG_OPERAND_A = state(JitLayout.FLAG_OPERANDS);
  private static final Mem FLAG_OPERAND_B = state(JitLayout.FLAG_OPERANDS + 8);

  /**
   * What a translation depends on besides the guest's code.
   *
   * @param start offset of the first instruction in its page; where the page is, the code learns
   *     from {@link JitLayout#PAGE} when it executes
   * @param table number of the jump cache's first table for this execution key; that of a mode is
   *     as many behind it
   * @param mmuMode the software TLB's mode at the start
   * @param smap supervisor accesses to user pages need RFLAGS.AC
   * @param simd vector instructions may execute
   * @param avx those with a VEX prefix, too
   * @param floatingPoint all SIMD floating-point exceptions are masked
   * @param x87 x87 instructions may execute, all their exceptions being masked
   * @param code32 it is 32-bit code, and CS, SS, DS and ES begin at 0 and have 4 GiB
   * @param wholeGs GS has 4 GiB, too; of 32-bit code
   * @param secondPage host address of the second page of a block of one instruction that lies in
   *     two, or 0
   * @param quick what nearly every block has is inline; otherwise it is called, so that the code is
   *     short
   */
  public record Context(
      int start,
      int table,
      int mmuMode,
      boolean smap,
      boolean simd,
      boolean avx,
      boolean floatingPoint,
      boolean x87,
      boolean code32,
      boolean wholeGs,
      long secondPage,
      boolean quick) {
    /** Of 64-bit code. */
    public Context(
        int start,
        int table,
        int mmuMode,
        boolean smap,
        boolean simd,
        boolean avx,
        boolean floatingPoint,
        boolean x87,
        long secondPage,
        boolean quick) {
      this(
          start,
          table,
          mmuMode,
          smap,
          simd,
          avx,
          floatingPoint,
          x87,
          false,
          false,
          secondPage,
          quick);
    }

    /** Bits of the code. */
    public int codeSize() {
      return code32 ? 32 : 64;
    }

    /** The privilege level is 0: code of levels 1 and 2 is not translated. */
    boolean supervisor() {
      return mmuMode != TlbLayout.USER;
    }

    /** True if {@code insn} is the last of its block. */
    public boolean endsBlock(Insn insn) {
      return !Translatable.continues(insn, this);
    }
  }

  /** Tells of guest code near a block. */
  @FunctionalInterface
  public interface Neighbours {
    /** The instruction at an offset from the block's start if it lies in the same page, or null. */
    Insn at(long offset);
  }

  /** Code out of line, emitted behind the block. */
  private record Deferred(Label label, int mode, Runnable emit) {}

  /**
   * A failed probe of the TLB: fill it and try again, or leave for the interpreter.
   *
   * @param retry offset of the probe
   * @param recipe of flags that are nowhere, or 0
   */
  private record Refill(
      Label label, int retry, int mode, int insn, int bytes, boolean write, int recipe) {}

  /**
   * A way out to the interpreter for one instruction, emitted behind all else.
   *
   * @param recipe of flags that are nowhere, or 0
   */
  private record SlowExit(Label label, int mode, int insn, int recipe) {}

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS64);
  private final Reencoder reencoder = new Reencoder(asm.code());
  private final SystemCode system = new SystemCode(this);
  private final StringCode strings = new StringCode(this);
  private final Stubs stubs;
  private final CommonCode common = new CommonCode(asm);
  private final List<Deferred> deferred = new ArrayList<>();
  private final List<SlowExit> slowExits = new ArrayList<>();
  private final List<Refill> refills = new ArrayList<>();
  private final List<Label> labels = new ArrayList<>();
  private final List<BlockCode.Exit> exits = new ArrayList<>();

  /** Offsets of the displacements that lead to stubs, and how many. */
  private int[] stubJumps = new int[64];

  private int stubJumpCount;

  private Context context;

  /** Size of addresses, and of what PUSH, POP, CALL and RET move; the same in bytes. */
  private OpSize wide;

  private int word;
  private Insn[] insns;
  private int[] offsets;
  private boolean[] interpreted;
  private FlagsPlan plan;
  private Neighbours neighbours;
  private Flags flags;

  /** Tells the flags where they are not in memory, or null if there only the host's can be seen. */
  private FlagSource source;

  /** By instruction: offset of the code that follows it. */
  private int[] resume;

  /** The software TLB's mode where code is being emitted. */
  private int mode;

  private int current;
  private int entryAt;
  private int codeOffset;
  private int labelsUsed;

  /**
   * @param stubs the common code that blocks leave through
   */
  public BlockCompiler(Stubs stubs) {
    this.stubs = stubs;
  }

  Context context() {
    return context;
  }

  /** The software TLB's mode at the present place. */
  int mode() {
    return mode;
  }

  /** From the present place on code runs in another mode of the software TLB. */
  void setMode(int mode) {
    this.mode = mode;
  }

  /** Size of addresses in the block's code. */
  OpSize wide() {
    return wide;
  }

  /** Puts the address of the guest instruction behind the current one in a register. */
  void nextRip(Gpr target) {
    address(target, offsets[current] + insns[current].length);
  }

  /** Puts the address of a place near the block in a register. Flags stay. */
  private void address(Gpr target, long offset) {
    asm.mov(wide, target, state(JitLayout.PAGE));
    long inPage = context.start() + offset;
    if (inPage == (int) inPage) {
      asm.lea(wide, target, Mem.of(target, (int) inPage));
    } else {
      asm.lea(wide, target, Mem.of(target, (int) offset));
      asm.lea(wide, target, Mem.of(target, (int) (inPage - (int) offset)));
    }
  }

  /** True if {@code insn} is translated in a block of that context, not left to the interpreter. */
  public static boolean translates(Insn insn, Context context) {
    return Translatable.translates(insn, context);
  }

  /** The code made by the last {@link #compile}. */
  public X86Assembler assembler() {
    return asm;
  }

  /**
   * Translates instructions that follow each other.
   *
   * @param offsets of each, relative to the first, in bytes
   * @param count how many, at least 1
   * @param address where the code will execute
   */
  public BlockCode compile(
      Context context,
      Insn[] insns,
      int[] offsets,
      int count,
      long address,
      Neighbours neighbours) {
    this.context = context;
    wide = context.code32() ? DWORD : QWORD;
    word = context.codeSize() / 8;
    this.insns = insns;
    this.offsets = offsets;
    this.neighbours = neighbours;
    asm.restart();
    deferred.clear();
    slowExits.clear();
    refills.clear();
    labelsUsed = 0;
    exits.clear();
    stubJumpCount = 0;

    interpreted = new boolean[count];
    boolean simd = false;
    boolean x87 = false;
    for (int i = 0; i < count; i++) {
      Insn insn = insns[i];
      interpreted[i] = !Translatable.translates(insn, context);
      if (!interpreted[i]) {
        simd |= insn.info.has(Property.SIMD);
        x87 |= insn.info.has(Property.X87) || insn.info.has(Property.MMX);
      }
    }
    plan = new FlagsPlan(insns, offsets, count, interpreted, successors);
    codeOffset = (int) (address - stubs.address());
    asm.org(address);

    flags = Flags.MEMORY;
    source = null;
    mode = context.mmuMode();
    if (context.quick()) {
      Label leave = label();
      common.poll(leave);
      defer(leave, this::leaveAtStart);
    } else {
      callStub(stubs.calls().poll());
      exits.add(new BlockCode.Start(CommonCalls.behind(asm), mode));
    }
    entryAt = asm.position();
    if (context.secondPage() != 0) {
      checkSecondPage();
    }
    if (context.quick()) {
      loadUnit(simd, JitLayout.SIMD_LOADED, stubs.loadSimd());
      loadUnit(x87, JitLayout.X87_LOADED, stubs.loadX87());
    } else {
      callIf(simd, stubs.needSimd());
      callIf(x87, stubs.needX87());
    }

    int bodyAt = asm.position();
    resume = new int[count];
    int[] ends = new int[count];
    int[] modes = new int[count];
    boolean ended = false;
    for (int i = 0; i < count; i++) {
      current = i;
      Insn insn = insns[i];
      int run = stackRun(i, count);
      if (run > 1) {
        Arrays.fill(modes, i, i + run, mode);
        ended = stackRun(insn.op == Op.PUSH, run);
        Arrays.fill(ends, i, i + run, asm.position());
        i += run - 1;
      } else if (interpreted[i]) {
        interpret();
        ended = insn.info == null || insn.info.endsBlock();
      } else {
        ended = translate(insn);
      }
      resume[i] = keepsOperands(i) ? 0 : asm.position();
      modes[i] = mode;
      ends[i] = asm.position();
    }
    if (!ended) {
      int last = count - 1;
      saveFlags(plan.after(last));
      jumpTo(offsets[last] + insns[last].length);
    }
    for (int i = 0; i < deferred.size(); i++) {
      Deferred outOfLine = deferred.get(i);
      asm.bind(outOfLine.label());
      mode = outOfLine.mode();
      outOfLine.emit().run();
    }
    refills.forEach(this::refill);
    for (int i = 0; i < slowExits.size(); i++) {
      SlowExit slow = slowExits.get(i);
      asm.bind(slow.label());
      exits.add(new BlockCode.Interpret(exit(), slow.mode(), slow.insn(), slow.recipe()));
    }
    asm.checkResolved();
    return new BlockCode(
        exits,
        resume,
        modes,
        interpreted,
        entryAt,
        bodyAt,
        ends,
        Arrays.copyOf(stubJumps, stubJumpCount),
        simd,
        x87);
  }

  /**
   * Leaves unless the page behind the block's start is still mapped to the memory that the end of
   * its instruction was taken from: whoever jumped here has looked at the first page only.
   */
  private void checkSecondPage() {
    int table = CpuLayout.TLB + mode * TlbLayout.TABLE_SIZE;
    Label miss = label();
    asm.mov(QWORD, S1, state(JitLayout.PAGE));
    asm.add(QWORD, S1, 4096);
    asm.mov(QWORD, S2, S1);
    asm.shr(QWORD, S2, 12 - TlbLayout.ENTRY_BITS);
    asm.and(DWORD, S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
    asm.cmp(QWORD, S1, state(S2, 1, table + TlbLayout.EXEC_TAG));
    asm.jcc(Cond.NE, miss);
    asm.mov(QWORD, S1, context.secondPage());
    asm.cmp(QWORD, S1, state(S2, 1, table + TlbLayout.HOST_PAGE));
    asm.jcc(Cond.NE, miss);
    defer(miss, this::leaveAtStart);
  }

  private void callIf(boolean used, int stub) {
    if (used) {
      callStub(stub);
    }
  }

  /**
   * Loads a unit's guest registers where the block is entered and they are not loaded yet. Flags
   * are in memory here.
   */
  private void loadUnit(boolean used, int loaded, int stub) {
    if (used) {
      Label load = label();
      Label back = label();
      asm.cmp(DWORD, state(loaded), 0);
      asm.jcc(Cond.E, load);
      asm.bind(back);
      defer(
          load,
          () -> {
            callStub(stub);
            asm.jmpNear(back);
          });
    }
  }

  // ---- flags ----

  /** What code in the same page does with the flags, as far as a few instructions tell. */
  private final FlagsPlan.Successors successors =
      new FlagsPlan.Successors() {
        @Override
        public int liveAt(long offset) {
          int live = OpcodeInfo.STATUS_FLAGS;
          int read = 0;
          long at = offset;
          for (int n = 0; n < LOOK_AHEAD && live != 0; n++) {
            Insn insn = neighbours.at(at);
            if (insn == null || insn.info == null || insn.info.endsBlock() || !isPlain(insn)) {
              break;
            }
            read |= insn.flagsRead() & live;
            if (FlagsPlan.writes(insn)) {
              // What it leaves alone may have to be there, so that the flags are right behind it.
              read |= live & ~FlagsPlan.killed(insn);
            }
            live &= ~FlagsPlan.killed(insn);
            at += insn.length;
          }
          return read | live;
        }

        @Override
        public int changedWhenSeen(long from, long offset) {
          int changed = 0;
          int whenSeen = polls(from, offset) ? 0 : FlagsPlan.UNSEEN;
          long at = offset;
          while (true) {
            Insn insn = neighbours.at(at);
            if (Translatable.destroysFlags(insn)) {
              whenSeen = changed;
            }
            if (FlagsPlan.writes(insn)) {
              return whenSeen;
            }
            changed |= RegistersWritten.by(insn);
            at += insn.length;
          }
        }
      };

  private boolean isPlain(Insn insn) {
    return Translatable.isPlain(insn, context);
  }

  /**
   * Makes sure that the state block has the flags if any of {@code live} is. The host's flags stay.
   */
  private void saveFlags(int live) {
    if (savesFlags(live)) {
      if (context.quick()) {
        common.saveFlags();
      } else {
        callStub(stubs.saveFlags());
      }
      flags = Flags.BOTH;
    }
  }

  private boolean savesFlags(int live) {
    return flags == Flags.HOST && (live != 0 || source != null && source.saved());
  }

  /**
   * Called before code that destroys the host's flags: saves them if they are live before the
   * current instruction.
   */
  void clobberFlags() {
    saveFlags(plan.before(current));
    if (flags == Flags.BOTH) {
      flags = Flags.MEMORY;
    } else if (flags == Flags.HOST) {
      flags = Flags.DEAD;
    }
  }

  /**
   * Puts the flags into the host's flags if the current instruction needs them there. Uses scratch
   * 2.
   */
  private void restoreFlags(Insn insn) {
    if (plan.needsFlags(current, insn) && flags == Flags.MEMORY) {
      if (context.quick()) {
        common.restoreFlags();
      } else {
        callStub(stubs.calls().restoreFlags());
      }
      flags = Flags.BOTH;
    }
  }

  private void wrote(Insn insn) {
    if (FlagsPlan.writes(insn)) {
      flags = Flags.HOST;
      source = plan.source(current);
    }
  }

  /**
   * True if an instruction keeps what its flags are told from behind it: the interpreter does not.
   */
  private boolean keepsOperands(int insn) {
    FlagSource kept = plan.source(insn);
    return kept != null && !kept.stored() && kept.keepsOperands();
  }

  /**
   * Keeps what the current instruction's flags may have to be told from, just before it executes.
   * Destroys scratch 2; the host's flags stay.
   */
  private void keepOperands(Insn insn) {
    FlagSource kept = plan.source(current);
    if (kept == null) {
      return;
    }
    keep(kept.before0(), FLAG_OPERAND_A);
    keep(kept.before1(), FLAG_OPERAND_B);
    if (kept.immediate()) {
      asm.mov(QWORD, FLAG_OPERAND_B, (int) insn.imm);
    }
    if (kept.stored()) {
      asm.mov(DWORD, FLAG_RECIPE, kept.recipe());
    }
  }

  /** The same just behind it. */
  private void keepResult() {
    if (plan.source(current) != null) {
      keep(plan.source(current).after1(), FLAG_OPERAND_B);
    }
  }

  private void keep(int register, Mem place) {
    if (register != FlagSource.NONE) {
      Gpr host = RegisterMap.host(register);
      if (host == null) {
        asm.mov(QWORD, S2, RegisterMap.slot(register));
        host = S2;
      }
      asm.mov(QWORD, place, host);
    }
  }

  private void putRecipe(int recipe) {
    if (recipe != 0) {
      asm.mov(DWORD, FLAG_RECIPE, recipe);
    }
  }

  /** What has to be put in the place of the flags on a way out from here; 0 if they are there. */
  private int pendingRecipe() {
    if (flags != Flags.DEAD) {
      return 0;
    }
    if (source == null) {
      throw new IllegalStateException("no way to tell the flags at " + insns[current]);
    }
    return source.stored() ? 0 : source.recipe();
  }

  // ---- instructions ----

  /** Leaves for the interpreter at the current instruction. */
  private void interpret() {
    clobberFlags();
    exitHere();
    flags = Flags.MEMORY;
  }

  /**
   * Every write to code by this vCPU has had its effect by now. That another vCPU has written is a
   * request to this one, which the interpreter's way looks at.
   */
  private void serialize() {
    clobberFlags();
    common.poll(slowExit());
  }

  /** Emits the current instruction; true if it ended the block. */
  private boolean translate(Insn insn) {
    if (Translatable.destroysFlags(insn)) {
      clobberFlags();
    }
    switch (insn.op) {
      case NOP, ENDBR32, ENDBR64, PREFETCH, PREFETCHNTA, PREFETCHT0, PREFETCHT1, PREFETCHT2 -> {}
      case PAUSE -> {
        clobberFlags();
        asm.op(NullaryOp.PAUSE);
        asm.sub(DWORD, state(JitLayout.SPINS), 1);
        asm.jcc(Cond.S, slowExit());
      }
      case SERIALIZE -> serialize();
      case JMP -> {
        jump(insn);
        return true;
      }
      case JCC -> conditionalJump(insn);
      case JCXZ, LOOP -> {
        countedJump(insn);
        return true;
      }
      case CALL -> {
        call(insn);
        return true;
      }
      case RET -> {
        ret(insn);
        return true;
      }
      case SWAPGS -> swapGs();
      case STAC, CLAC -> system.allowUserAccess(insn.op == Op.STAC);
      case SYSCALL -> {
        system.syscall();
        return true;
      }
      case SYSRET -> {
        system.sysret();
        return true;
      }
      case IRET -> {
        system.iret();
        return true;
      }
      case CLI -> {
        clobberFlags();
        asm.and(DWORD, state(CpuLayout.RFLAGS), ~RFLAGS_IF);
      }
      case STI -> enableInterrupts();
      case PUSHF -> pushFlags();
      case PUSH -> push(insn);
      case POP -> pop(insn);
      case LEAVE -> leave();
      case LEA -> lea(insn);
      case BSWAP -> bswap(insn);
      case DIV, IDIV -> divide(insn);
      case MOVS, STOS -> strings.emit(insn);
      case CLD, STD -> system.direction(insn.op == Op.STD);
      case RDTSC, RDTSCP -> system.readClock(insn, context.supervisor());
      case RDPKRU -> system.readKeyRights();
      case MOV_CR -> system.readControl(insn);
      case MOV_SREG -> {
        if (insn.kind0 == Insn.SEG) {
          system.writeSelector(insn);
        } else {
          system.readSelector(insn);
        }
      }
      case RDFSBASE -> system.readBase(insn, CpuLayout.FS);
      case RDGSBASE -> system.readBase(insn, CpuLayout.GS);
      case WRFSBASE -> system.writeBase(insn, CpuLayout.FS);
      case WRGSBASE -> system.writeBase(insn, CpuLayout.GS);
      case BT, BTS, BTR, BTC -> bitTest(insn);
      default -> ordinary(insn);
    }
    return context.endsBlock(insn);
  }

  private void swapGs() {
    Mem active = state(CpuLayout.SEG + CpuLayout.GS * CpuLayout.SEG_SIZE + CpuLayout.SEG_BASE);
    Mem other = state(CpuLayout.KERNEL_GS_BASE);
    asm.mov(QWORD, S1, active);
    asm.mov(QWORD, S2, other);
    asm.mov(QWORD, other, S1);
    asm.mov(QWORD, active, S2);
  }

  /**
   * With nothing pending there is nothing that the interrupt shadow would hold up: what comes later
   * is seen at the next poll, and that is behind the next instruction, which belongs to the same
   * block.
   */
  private void enableInterrupts() {
    clobberFlags();
    asm.cmp(DWORD, state(CpuLayout.PENDING), 0);
    asm.jcc(Cond.NE, slowExit());
    asm.or(DWORD, state(CpuLayout.RFLAGS), RFLAGS_IF);
  }

  private void pushFlags() {
    saveFlags(OpcodeInfo.STATUS_FLAGS);
    stackAddress(-word, true);
    asm.mov(DWORD, S2, state(CpuLayout.RFLAGS));
    asm.and(DWORD, S2, ~(OpcodeInfo.STATUS_FLAGS | RFLAGS_RF_VM));
    asm.mov(wide, Mem.of(S1), S2);
    asm.movzx(DWORD, S2, BYTE, state(JitLayout.FLAGS + 1));
    asm.and(DWORD, S2, 0xd5);
    asm.or(DWORD, Mem.of(S1), S2);
    asm.movzx(DWORD, S2, BYTE, state(JitLayout.FLAGS));
    asm.shl(DWORD, S2, 11);
    asm.or(DWORD, Mem.of(S1), S2);
    asm.lea(wide, SP, Mem.of(SP, -word));
  }

  /**
   * A bit test. With a register as bit number the operand in memory is the one that holds the bit,
   * in either direction; there the number's upper part is added to the address.
   */
  private void bitTest(Insn insn) {
    if (!insn.hasMemory() || insn.kind1 == Insn.IMM) {
      ordinary(insn);
      return;
    }
    int bytes = insn.size0;
    clobberFlags();
    effectiveAddress(insn, S1, QWORD);
    loadGpr(insn.reg1, S2);
    if (bytes < 8) {
      asm.movsx(QWORD, S2, size(bytes), S2);
    }
    asm.shift(ShiftOp.SAR, QWORD, S2, Integer.numberOfTrailingZeros(bytes * 8));
    asm.lea(QWORD, S1, Mem.of(S1, S2, bytes, 0));
    addSegmentBase(insn);
    probe(bytes, insn.op != Op.BT, false);
    loadGpr(insn.reg1, S2);
    asm.and(DWORD, S2, bytes * 8 - 1);
    if (plan.needsFlags(current, insn)) {
      asm.mov(QWORD, state(CpuLayout.SCRATCH), S2);
      restoreFlags(insn);
      asm.mov(QWORD, S2, state(CpuLayout.SCRATCH));
    }
    reencoder.emit(insn, S2.number(), Reencoder.Rm.AT_SCRATCH, 0, 0, false);
    wrote(insn);
  }

  private void ordinary(Insn insn) {
    if (insn.info.hasModRm) {
      withModRm(insn);
      keepResult();
    } else if (insn.info.opcodeGpr) {
      opcodeRegister(insn);
    } else if (insn.hasMemory()) {
      absolute(insn);
    } else {
      restoreFlags(insn);
      keepOperands(insn);
      reencoder.emitWithoutModRm(insn);
      wrote(insn);
      keepResult();
    }
    if (Translatable.movesX87Pointers(insn)) {
      keepX87Pointers(insn);
    }
  }

  /**
   * Stores what FNSTENV tells of the last x87 instruction, the current one, as the interpreter
   * does: nobody can see the host's. Behind it, as it may have faulted; none changes its operand's
   * address. Destroys scratch 1 and 2; the host's flags stay.
   */
  private void keepX87Pointers(Insn insn) {
    if (insn.hasMemory()) {
      effectiveAddress(insn, S1, insn.addrSize == 4 ? DWORD : QWORD);
      asm.mov(QWORD, state(CpuLayout.FDP), S1);
      keepSelector(insn.segment, CpuLayout.FDS);
    }
    if (!nextReplacesX87Pointers()) {
      address(S1, offsets[current]);
      asm.mov(QWORD, state(CpuLayout.FIP), S1);
      asm.mov(DWORD, state(CpuLayout.FOP), (insn.opcode & 7) << 8 | insn.modRm & 0xff);
      keepSelector(CpuLayout.CS, CpuLayout.FCS);
    }
  }

  private void keepSelector(int segment, int place) {
    int selector = CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + CpuLayout.SEG_SELECTOR;
    asm.movzx(DWORD, S1, WORD, state(selector));
    asm.mov(DWORD, state(place), S1);
  }

  /** True if the next instruction is executed, whatever comes, and stores its own. */
  private boolean nextReplacesX87Pointers() {
    int next = current + 1;
    return next < interpreted.length
        && !interpreted[next]
        && Translatable.movesX87Pointers(insns[next])
        && !insns[next].hasMemory();
  }

  /** MOV of an immediate to a register, XCHG with the accumulator. */
  private void opcodeRegister(Insn insn) {
    if (insn.op == Op.MOV) {
      OpSize size = size(insn.size0);
      if (insn.kind0 == Insn.GPR8H) {
        asm.mov(BYTE, S1, insn.imm & 0xff);
        insertHighByte(insn.reg0, S1);
        return;
      }
      Gpr host = RegisterMap.host(insn.reg0);
      long value = insn.size0 == 8 ? insn.imm : insn.imm & (1L << insn.size0 * 8) - 1;
      if (host != null) {
        asm.mov(size, host, value);
      } else {
        asm.mov(size, S1, value);
        asm.mov(insn.size0 == 4 ? QWORD : size, RegisterMap.slot(insn.reg0), S1);
      }
    } else if (insn.op == Op.XCHG) {
      OpSize size = size(insn.size0);
      Gpr host = RegisterMap.host(insn.reg0);
      if (host != null) {
        asm.xchg(size, host, Gpr.RAX);
      } else {
        asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
        asm.xchg(size, S1, Gpr.RAX);
        asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
      }
    } else if (insn.op == Op.INC || insn.op == Op.DEC) { // of 32-bit code: no register in memory
      restoreFlags(insn);
      keepOperands(insn);
      asm.unary(
          insn.op == Op.INC ? UnaryOp.INC : UnaryOp.DEC,
          size(insn.size0),
          RegisterMap.host(insn.reg0));
      wrote(insn);
      keepResult();
    } else {
      throw new IllegalStateException(insn.toString());
    }
  }

  /** MOV between the accumulator and an absolute address. */
  private void absolute(Insn insn) {
    access(insn, insn.memSize(), insn.memOperand == 0, false);
    if (insn.memOperand == 0) {
      asm.mov(size(insn.size0), Mem.of(S1), Gpr.RAX);
    } else {
      asm.mov(size(insn.size0), Gpr.RAX, Mem.of(S1));
    }
  }

  private void bswap(Insn insn) {
    OpSize size = size(insn.size0);
    Gpr host = RegisterMap.host(insn.reg0);
    if (host != null) {
      asm.bswap(size, host);
    } else {
      asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
      asm.bswap(size, S1);
      asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
    }
  }

  private void lea(Insn insn) {
    Gpr host = RegisterMap.host(insn.reg0);
    Gpr target = host != null ? host : S1;
    effectiveAddress(insn, target, insn.opSize == 4 ? DWORD : QWORD);
    if (host == null) {
      asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
    }
  }

  /**
   * An instruction with a ModRM byte: the same instruction again on the registers that hold the
   * guest's.
   */
  private void withModRm(Insn insn) {
    int regOperand = insn.info.regOperand;
    int rmOperand = insn.info.rmOperand;
    int vvvvOperand = insn.info.vvvvOperand;
    boolean memory = insn.hasMemory();
    if (memory) {
      access(
          insn, insn.memSize(), Translatable.writesMemory(insn), Translatable.mustBeAligned(insn));
    }
    restoreFlags(insn);
    keepOperands(insn);

    boolean byteRegister = false;
    int reg = insn.modRm >> 3 & 7;
    boolean regFromS2 = false;
    if (regOperand >= 0) {
      reg = insn.reg(regOperand);
      int kind = insn.kind(regOperand);
      if (kind == Insn.GPR || kind == Insn.GPR8H) {
        Gpr host = kind == Insn.GPR8H ? null : RegisterMap.host(reg);
        if (host != null) {
          reg = host.number();
        } else {
          load(insn, regOperand, S2);
          reg = S2.number();
          regFromS2 = true;
        }
        byteRegister = insn.size(regOperand) == 1 && reg >= 4;
      }
    }

    int vvvv = vvvvOperand >= 0 ? insn.reg(vvvvOperand) : 0;
    Gpr vvvvScratch = null;
    if (vvvvOperand >= 0 && insn.kind(vvvvOperand) == Insn.GPR) {
      Gpr host = RegisterMap.host(vvvv);
      if (host == null) {
        if (regFromS2 && insn.op == Op.MULX) {
          // It is written, after everything has been read.
          vvvvScratch = S1;
        } else {
          // ModRM.reg may be the same scratch: no instruction reads both of them.
          vvvvScratch = S2;
          load(insn, vvvvOperand, S2);
        }
        host = vvvvScratch;
      }
      vvvv = host.number();
    }

    Reencoder.Rm kind = memory ? Reencoder.Rm.AT_SCRATCH : Reencoder.Rm.REGISTER;
    int rm = insn.modRm & 7;
    if (memory && keepMemory(insn)) {
      kind = Reencoder.Rm.REGISTER;
      rm = S1.number();
    }
    boolean rmFromS1 = false;
    if (!memory && rmOperand >= 0) {
      rm = insn.reg(rmOperand);
      int operandKind = insn.kind(rmOperand);
      if (operandKind == Insn.GPR || operandKind == Insn.GPR8H) {
        Gpr host = operandKind == Insn.GPR8H ? null : RegisterMap.host(rm);
        if (host != null) {
          rm = host.number();
          byteRegister |= insn.size(rmOperand) == 1 && rm >= 4;
        } else if (operandKind == Insn.GPR && usableInPlace(insn, rmOperand)) {
          kind = Reencoder.Rm.SLOT;
          rm = CpuLayout.GPR + 8 * rm;
        } else {
          load(insn, rmOperand, S1);
          rm = S1.number();
          rmFromS1 = true;
        }
      }
    }

    reencoder.emit(insn, reg, kind, rm, vvvv, byteRegister);
    wrote(insn);
    // Of two results in one register the one of ModRM.reg stays.
    if (vvvvScratch != null && Translatable.writes(insn, vvvvOperand)) {
      store(insn, vvvvOperand, vvvvScratch);
    }
    if (regFromS2 && Translatable.writes(insn, regOperand)) {
      store(insn, regOperand, S2);
    }
    if (rmFromS1 && Translatable.writes(insn, rmOperand)) {
      store(insn, rmOperand, S1);
    }
  }

  /**
   * If the flags may have to be told from the memory operand's value, loads that into scratch 1, in
   * place of its address, keeps it and returns true.
   */
  private boolean keepMemory(Insn insn) {
    FlagSource kept = plan.source(current);
    if (kept == null || kept.memory() == FlagSource.NONE) {
      return false;
    }
    asm.mov(size(insn.memSize()), S1, Mem.of(S1));
    asm.mov(QWORD, kept.memory() == FlagRecipe.SAVED_A ? FLAG_OPERAND_A : FLAG_OPERAND_B, S1);
    return true;
  }

  /**
   * True where an instruction may use a guest register's slot as a memory operand in place of the
   * register.
   */
  private static boolean usableInPlace(Insn insn, int operand) {
    if (insn.info.operands.get(operand).addressing() != OperandSpec.Addressing.RM) {
      return false;
    }
    return switch (insn.op) {
      case BT, BTS, BTR, BTC, XCHG, XADD -> false;
      default ->
          !Translatable.writes(insn, operand) || insn.size(operand) == 8 || insn.size(operand) == 1;
    };
  }

  /** Copies a guest general register to a scratch register. Flags stay. */
  void loadGpr(int guest, Gpr scratch) {
    Gpr host = RegisterMap.host(guest);
    if (host == null) {
      asm.mov(QWORD, scratch, RegisterMap.slot(guest));
    } else {
      asm.mov(QWORD, scratch, host);
    }
  }

  /**
   * Writes a guest general register of 2, 4 or 8 bytes. Flags stay.
   *
   * @param value zero-extended to 8 bytes
   */
  void storeGpr(int guest, int bytes, Gpr value) {
    Gpr host = RegisterMap.host(guest);
    OpSize size = bytes == 2 ? WORD : QWORD;
    if (host == null) {
      asm.mov(size, RegisterMap.slot(guest), value);
    } else {
      asm.mov(size, host, value);
    }
  }

  /** Loads a guest general register, or its second byte, into a scratch register. Flags stay. */
  private void load(Insn insn, int operand, Gpr scratch) {
    int guest = insn.reg(operand);
    if (insn.kind(operand) == Insn.GPR8H) {
      asm.rorx(QWORD, scratch, RegisterMap.host(guest), 8);
    } else if (Translatable.reads(insn, operand)) {
      asm.mov(QWORD, scratch, RegisterMap.slot(guest));
    }
  }

  private void store(Insn insn, int operand, Gpr scratch) {
    int guest = insn.reg(operand);
    if (insn.kind(operand) == Insn.GPR8H) {
      insertHighByte(guest, scratch);
    } else {
      asm.mov(QWORD, RegisterMap.slot(guest), scratch);
    }
  }

  private void insertHighByte(int guest, Gpr value) {
    Gpr host = RegisterMap.host(guest);
    asm.rorx(QWORD, host, host, 8);
    asm.mov(BYTE, host, value);
    asm.rorx(QWORD, host, host, 56);
  }

  // ---- division: the host must not raise #DE ----

  /**
   * Executes a division natively where it cannot fail: unsigned with the upper half below the
   * divisor; signed with a dividend that fits its lower half and a divisor other than 0 and -1. The
   * interpreter has the rest. The flags are the host's, which may depend on those before.
   */
  private void divide(Insn insn) {
    OpSize size = size(insn.size0);
    if (insn.hasMemory()) {
      access(insn, insn.memSize(), false, false);
      asm.mov(size, S1, Mem.of(S1));
    } else {
      Gpr host = RegisterMap.host(insn.reg0);
      clobberFlags();
      if (host == null) {
        asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
      } else {
        asm.mov(QWORD, S1, host);
      }
    }
    Label slow = slowExit();
    if (insn.op == Op.DIV) {
      asm.cmp(size, Gpr.RDX, S1);
      asm.jcc(Cond.AE, slow);
    } else {
      asm.lea(size, S2, Mem.of(S1, 1));
      asm.cmp(size, S2, 1);
      asm.jcc(Cond.BE, slow);
      asm.mov(size, S2, Gpr.RAX);
      asm.shift(ShiftOp.SAR, size, S2, insn.size0 * 8 - 1);
      asm.cmp(size, S2, Gpr.RDX);
      asm.jcc(Cond.NE, slow);
    }
    restoreFlags(insn);
    asm.unary(insn.op == Op.DIV ? UnaryOp.DIV : UnaryOp.IDIV, size, S1);
    wrote(insn);
  }

  // ---- stack ----

  private void push(Insn insn) {
    if (insn.hasMemory()) {
      // Both places are checked before anything changes; the value waits in the state block.
      access(insn, word, false, false);
      asm.mov(wide, S1, Mem.of(S1));
      asm.mov(QWORD, state(CpuLayout.SCRATCH), S1);
      stackAddress(-word, true);
      asm.mov(QWORD, S2, state(CpuLayout.SCRATCH));
      asm.mov(wide, Mem.of(S1), S2);
    } else {
      stackAddress(-word, true);
      store(insn, Mem.of(S1));
    }
    asm.lea(wide, SP, Mem.of(SP, -word));
  }

  /** How many instructions from {@code i} on push, or pop, all of it in one go. */
  private int stackRun(int i, int count) {
    Op op = insns[i].op;
    int end = i;
    if (op != Op.PUSH && op != Op.POP) {
      return 0;
    }
    while (end < count && end - i < MOST_STACKED - 1 && insns[end].op == op && joinsStackRun(end)) {
      end++;
    }
    if (op == Op.POP && end > i && end < count && insns[end].op == Op.RET && !interpreted[end]) {
      end++;
    }
    return end - i;
  }

  /** PUSH or POP of a register or a constant in its usual form, RSP aside. */
  private boolean joinsStackRun(int i) {
    Insn insn = insns[i];
    return !interpreted[i]
        && (insn.kind0 == Insn.IMM || insn.kind0 == Insn.GPR && insn.reg0 != RSP);
  }

  /**
   * Pushes or pops (a return may be the last) one behind the other, for which the TLB is looked at
   * once. Where it does not know all of the stack that is touched they are executed one by one: out
   * of line in quick code, by the interpreter and a block that begins behind the first otherwise.
   *
   * @return true if the block ends here
   */
  private boolean stackRun(boolean pushes, int count) {
    int first = current;
    int last = first + count - 1;
    boolean returns = insns[last].op == Op.RET;
    clobberFlags();
    Flags during = flags;
    boolean called = callsProbe(word * count, false);
    Label single = called ? null : label();
    Label joined = label();
    asm.lea(wide, S1, Mem.of(SP, pushes ? -word * count : 0));
    if (called) {
      probe(word * count, pushes, false);
    } else {
      probe(word * count, pushes, false, single);
    }
    for (int i = 0; i < count; i++) {
      Insn insn = insns[first + i];
      if (pushes) {
        store(insn, Mem.of(S1, word * (count - 1 - i)));
      } else if (insn.op == Op.POP) {
        load(insn, Mem.of(S1, word * i));
      }
    }
    if (!called) {
      FlagSource sourceDuring = source;
      defer(
          single,
          () -> {
            Flags was = flags;
            source = sourceDuring;
            for (current = first; current <= last; current++) {
              flags = during;
              translate(insns[current]);
              if (current < last) {
                resume[current] = asm.position();
              }
            }
            if (!returns) {
              asm.jmpNear(joined);
            }
            flags = was;
          });
    }
    current = last;
    if (returns) {
      asm.mov(wide, S1, Mem.of(S1, word * (count - 1)));
      asm.lea(wide, SP, Mem.of(SP, word * (count - 1)));
      returnToScratch(insns[last]);
      return true;
    }
    asm.lea(wide, SP, Mem.of(SP, pushes ? -word * count : word * count));
    asm.bind(joined);
    return false;
  }

  /** Stores what PUSH pushes; may destroy scratch 2. */
  private void store(Insn push, Mem target) {
    if (push.kind0 == Insn.IMM) {
      asm.mov(wide, target, (int) push.imm);
    } else {
      Gpr host = RegisterMap.host(push.reg0);
      if (host == null) {
        asm.mov(QWORD, S2, RegisterMap.slot(push.reg0));
        host = S2;
      }
      asm.mov(wide, target, host);
    }
  }

  /** Loads what POP pops to a register; may destroy scratch 2. */
  private void load(Insn pop, Mem source) {
    Gpr host = RegisterMap.host(pop.reg0);
    asm.mov(wide, host == null ? S2 : host, source);
    if (host == null) {
      asm.mov(QWORD, RegisterMap.slot(pop.reg0), S2);
    }
  }

  private void pop(Insn insn) {
    if (insn.hasMemory()) {
      interpret();
      return;
    }
    stackAddress(0, false);
    asm.lea(wide, SP, Mem.of(SP, word));
    load(insn, Mem.of(S1));
  }

  private void leave() {
    clobberFlags();
    asm.mov(wide, S1, Gpr.RBP);
    probe(word, false, false);
    asm.lea(wide, SP, Mem.of(Gpr.RBP, word));
    asm.mov(wide, Gpr.RBP, Mem.of(S1));
  }

  /** Host address of {@code [RSP + offset]}, a word, in scratch 1. */
  private void stackAddress(int offset, boolean write) {
    clobberFlags();
    asm.lea(wide, S1, Mem.of(SP, offset));
    probe(word, write, false);
  }

  // ---- branches ----

  private void jump(Insn insn) {
    int next = offsets[current] + insn.length;
    if (insn.kind0 == Insn.REL) {
      saveFlags(plan.after(current));
      jumpTo(next + insn.imm);
      return;
    }
    target(insn);
    branchToScratch(0);
  }

  /** The target of an indirect branch in scratch 1. */
  private void target(Insn insn) {
    if (insn.hasMemory()) {
      access(insn, word, false, false);
      asm.mov(wide, S1, Mem.of(S1));
    } else {
      clobberFlags();
      Gpr host = RegisterMap.host(insn.reg0);
      if (host == null) {
        asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
      } else {
        asm.mov(wide, S1, host);
      }
    }
  }

  /**
   * Flags that only the jump's target may read are saved on the way there. Without that the
   * conditional jump itself is what leads to the target's code one day.
   */
  private void conditionalJump(Insn insn) {
    long offset = offsets[current] + insn.length + insn.imm;
    restoreFlags(insn);
    Label taken = label();
    keepOpening();
    asm.jcc(Cond.of(insn.cond), taken);
    int jumpAt = asm.position() - 4;
    Flags atBranch = flags;
    FlagSource sourceAtBranch = source;
    int branch = current;
    boolean saves = savesFlags(plan.taken(branch));
    if (!saves && inPage(offset)) {
      linkLater(taken, jumpAt, offset);
      return;
    }
    defer(
        taken,
        () -> {
          Flags was = flags;
          flags = atBranch;
          source = sourceAtBranch;
          current = branch;
          saveFlags(plan.taken(branch));
          jumpTo(offset);
          flags = was;
        });
  }

  /** JRCXZ and LOOP: the count is in the same register on the host. */
  private void countedJump(Insn insn) {
    int next = offsets[current] + insn.length;
    saveFlags(plan.after(current));
    Label zero = label();
    Label taken = label();
    Label on = label();
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
    int branch = current;
    defer(
        taken,
        () -> {
          current = branch;
          jumpTo(next + insn.imm);
        });
    jumpTo(next);
  }

  private void call(Insn insn) {
    int next = offsets[current] + insn.length;
    boolean direct = insn.kind0 == Insn.REL;
    if (!direct) {
      target(insn);
      asm.mov(QWORD, state(CpuLayout.SCRATCH), S1);
      if (!context.code32()) {
        CommonCalls.compareCanonical(asm);
        asm.jcc(Cond.NE, slowExit());
      }
    }
    stackAddress(-word, true);
    nextRip(S2);
    asm.mov(wide, Mem.of(S1), S2);
    asm.lea(wide, SP, Mem.of(SP, -word));
    if (direct) {
      jumpTo(next + insn.imm);
    } else {
      asm.mov(QWORD, S1, state(CpuLayout.SCRATCH));
      jumpToScratch(false);
    }
  }

  private void ret(Insn insn) {
    stackAddress(0, false);
    asm.mov(wide, S1, Mem.of(S1));
    returnToScratch(insn);
  }

  /** The end of RET; its target is in scratch 1. */
  private void returnToScratch(Insn insn) {
    if (!context.quick() && !context.code32() && insn.kind0 != Insn.IMM) {
      callBranch(stubs.calls().ret(context.table() + mode));
      return;
    }
    int pop = word + (insn.kind0 == Insn.IMM ? (int) insn.imm & 0xffff : 0);
    asm.lea(wide, SP, Mem.of(SP, pop));
    branchToScratch(pop);
  }

  private void callBranch(int stub) {
    callStub(stub);
    exits.add(new BlockCode.Interpret(exitNumber(), mode, current, 0));
  }

  /**
   * Goes on at the address in scratch 1, with which the guest's branch itself faults unless it is
   * canonical. No such address is in the jump cache, so that only a miss has to look.
   *
   * @param popped what the branch has added to RSP
   */
  private void branchToScratch(int popped) {
    if (context.code32()) { // there is nothing beyond the limit of CS
      jumpToScratch(false);
      return;
    }
    if (!context.quick() && popped == 0) {
      callBranch(stubs.calls().branch(context.table() + mode));
      return;
    }
    Label miss = label();
    Label bad = label();
    int insn = current;
    jumpToScratch(false, miss);
    defer(
        miss,
        () -> {
          CommonCalls.compareCanonical(asm);
          asm.jcc(Cond.NE, bad);
          jmpStub(stubs.lookUp(context.table() + mode));
        });
    defer(
        bad,
        () -> {
          if (popped != 0) {
            asm.lea(QWORD, SP, Mem.of(SP, -popped));
          }
          exits.add(new BlockCode.Interpret(exit(), mode, insn, 0));
        });
  }

  /**
   * Goes on at the guest address in scratch 1, through the jump cache. Live flags are in memory.
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
    if (!context.quick() && !resumes && miss == null) {
      jmpStub(stubs.calls().jump(context.table() + mode));
      return;
    }
    int table = JitLayout.jumpTable(context.table() + mode);
    common.findTarget(table);
    unlessFound(miss);
    common.compareRequest();
    unlessFound(miss);
    if (resumes) {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.RF);
    }
    common.enterPage();
    common.jumpToTarget(table);
  }

  /**
   * Jumps where not equal: to {@code miss}, or if that is null to where addresses are looked up.
   */
  private void unlessFound(Label miss) {
    if (miss == null) {
      asm.code().reserve(2);
      asm.code().put16(JNE);
      displacementTo(stubs.lookUp(context.table() + mode));
    } else {
      asm.jcc(Cond.NE, miss);
    }
  }

  /** True if a jump from an instruction to another place may close a loop. */
  private static boolean polls(long from, long offset) {
    return offset <= from;
  }

  /** True if that place is in the block's page. */
  private boolean inPage(long offset) {
    long inPage = context.start() + offset;
    return inPage >= 0 && inPage < 4096;
  }

  /** Goes on at a guest address known now. Live flags are in memory, or dead. */
  private void jumpTo(long offset) {
    if (inPage(offset)) {
      Label stub = label();
      keepOpening();
      asm.jmpNear(stub);
      linkLater(stub, asm.position() - 4, offset);
      return;
    }
    long target = context.start() + offset;
    int page = (int) target & -4096;
    int inPage = (int) target & 4095;
    if (!context.quick() || page + inPage != target) {
      address(S1, offset);
      jumpToScratch(false);
      return;
    }
    int table = JitLayout.jumpTable(context.table() + mode);
    asm.mov(wide, S1, state(JitLayout.PAGE));
    asm.add(wide, S1, page);
    asm.mov(QWORD, state(JitLayout.PAGE), S1);
    if (inPage != 0) {
      asm.or(QWORD, S1, inPage);
    }
    // Behind the last of 32-bit addresses comes the first: there loops need no jump backwards.
    if (context.code32() || polls(offsets[current], offset)) {
      common.compareRequest();
      unlessFound(null);
    }
    common.findTarget(table);
    unlessFound(null);
    common.jumpToTarget(table);
  }

  /**
   * Called before a jump that may be patched: what is overwritten at the entry while the block is
   * dropped holds none.
   */
  private void keepOpening() {
    int missing = entryAt + BlockCode.OPENING - asm.position();
    if (missing > 0) {
      asm.nop(missing);
    }
  }

  /**
   * The jump to {@code stub} whose displacement is at {@code jumpAt} is to be patched to go to the
   * code of a place in the block's page; to its poll if the jump may close a loop.
   */
  private void linkLater(Label stub, int jumpAt, long offset) {
    boolean polls = polls(offsets[current], offset);
    boolean inHost = flags == Flags.HOST;
    int recipe = pendingRecipe();
    defer(
        stub,
        () -> {
          int at = asm.position();
          if (inHost) {
            callStub(stubs.saveFlags());
          } else {
            putRecipe(recipe);
          }
          exits.add(new BlockCode.Link(exit(), mode, jumpAt, at, offset, polls));
        });
  }

  private void leaveAtStart() {
    exits.add(new BlockCode.Start(exit(), mode));
  }

  // ---- memory ----

  /**
   * Leaves the host address of the memory operand in scratch 1, or leaves for the interpreter.
   * Destroys scratch 2.
   */
  void access(Insn insn, int bytes, boolean write, boolean aligned) {
    clobberFlags();
    effectiveAddress(insn, S1, insn.addrSize == 4 ? DWORD : QWORD);
    addSegmentBase(insn);
    probe(bytes, write, aligned);
  }

  /** From the effective address in scratch 1 to the linear address. */
  void addSegmentBase(Insn insn) {
    if (insn.segment >= CpuLayout.FS) {
      asm.add(
          wide, S1, state(CpuLayout.SEG + insn.segment * CpuLayout.SEG_SIZE + CpuLayout.SEG_BASE));
    }
  }

  private void effectiveAddress(Insn insn, Gpr target, OpSize size) {
    long displacement = insn.disp;
    if (insn.ripRelative) {
      address(target, displacement + offsets[current] + insn.length);
      if (insn.segment == CpuLayout.GS && JitBlock.isDistance((int) displacement)) {
        asm.code().note(asm.position() - Integer.BYTES);
      }
      if (size == DWORD) {
        asm.mov(DWORD, target, target);
      }
      return;
    }
    boolean hasBase = insn.base != Insn.REG_ZERO;
    boolean hasIndex = insn.index != Insn.REG_ZERO;
    if (!hasBase && !hasIndex) {
      asm.mov(size, target, size == DWORD ? displacement & 0xffff_ffffL : displacement);
      return;
    }
    Gpr index = null;
    if (hasIndex) {
      index = RegisterMap.host(insn.index);
      if (index == null) {
        asm.mov(QWORD, S2, RegisterMap.slot(insn.index));
        index = S2;
      }
    }
    Gpr base = null;
    if (hasBase) {
      base = RegisterMap.host(insn.base);
      if (base == null) {
        asm.mov(QWORD, S1, RegisterMap.slot(insn.base));
        base = S1;
      }
    }
    int disp = (int) displacement;
    if (index == null) {
      if (disp == 0) {
        if (base != target || size == DWORD) {
          asm.mov(size, target, base);
        }
      } else {
        asm.lea(size, target, Mem.of(base, disp));
      }
    } else if (base == null) {
      asm.lea(size, target, Mem.indexed(index, 1 << insn.scale, disp));
    } else {
      asm.lea(size, target, Mem.of(base, index, 1 << insn.scale, disp));
    }
  }

  /** From the linear address in scratch 1 to the host address there, or leaves. */
  void probe(int bytes, boolean write, boolean aligned) {
    if (callsProbe(bytes, aligned)) {
      callStub(stubs.calls().probe(mode, bytes, write, aligned));
      int numberAt = CommonCalls.behind(asm);
      exits.add(new BlockCode.Interpret(numberAt, mode, current, pendingRecipe()));
      return;
    }
    Label unknown = label();
    refills.add(new Refill(unknown, asm.position(), mode, current, bytes, write, pendingRecipe()));
    probe(bytes, write, aligned, unknown, aligned ? slowExit() : unknown);
  }

  private boolean callsProbe(int bytes, boolean aligned) {
    return !context.quick() && CommonCalls.probes(bytes, aligned);
  }

  /** As above, leaving to {@code slow} where the TLB does not know the address. */
  void probe(int bytes, boolean write, boolean aligned, Label slow) {
    probe(bytes, write, aligned, slow, slow);
  }

  private void probe(int bytes, boolean write, boolean aligned, Label unknown, Label slow) {
    common.findPage(mode, bytes, write, unknown);
    if (aligned && bytes >= 16) {
      asm.test(DWORD, S1, bytes - 1);
      asm.jcc(Cond.NE, slow);
    }
    common.addHostPage(mode);
  }

  // ---- exits ----

  /** A label that leads to the interpreter for the current instruction. */
  Label slowExit() {
    if (!slowExits.isEmpty()) {
      SlowExit last = slowExits.getLast();
      if (last.insn() == current && last.mode() == mode) {
        return last.label();
      }
    }
    SlowExit slow = new SlowExit(label(), mode, current, pendingRecipe());
    slowExits.add(slow);
    return slow.label();
  }

  void exitHere() {
    exits.add(new BlockCode.Interpret(exit(), mode, current, pendingRecipe()));
  }

  /** Emits the way out; returns the offset of the exit's number. */
  private int exit() {
    callStub(stubs.leave());
    return exitNumber();
  }

  private int exitNumber() {
    asm.code().reserve(EXIT_NUMBER);
    asm.code().put32(0);
    return asm.position() - EXIT_NUMBER;
  }

  private void refill(Refill refill) {
    asm.bind(refill.label());
    callStub(stubs.refill(refill.mode(), refill.write()));
    asm.code().reserve(JitLayout.REFILL_DATA);
    int numberAt = asm.position();
    asm.code().put32(0);
    asm.code().put8(refill.bytes());
    asm.code().put16(numberAt - refill.retry());
    exits.add(new BlockCode.Interpret(numberAt, refill.mode(), refill.insn(), refill.recipe()));
  }

  private void jmpStub(int stub) {
    asm.code().reserve(1);
    asm.code().put8(JMP);
    displacementTo(stub);
  }

  private void callStub(int stub) {
    asm.code().reserve(1);
    asm.code().put8(CALL);
    displacementTo(stub);
  }

  /** Emits the last field of a jump or call to a stub. */
  private void displacementTo(int stub) {
    if (stubJumpCount == stubJumps.length) {
      stubJumps = Arrays.copyOf(stubJumps, 2 * stubJumpCount);
    }
    stubJumps[stubJumpCount++] = asm.position();
    asm.code().reserve(4);
    asm.code().put32(stub - (codeOffset + asm.position() + 4));
  }

  /** A new label, which belongs to the block that is being translated. */
  private Label label() {
    if (labelsUsed == labels.size()) {
      labels.add(new Label());
    }
    Label label = labels.get(labelsUsed++);
    label.reset();
    return label;
  }

  void defer(Label label, Runnable emit) {
    deferred.add(new Deferred(label, mode, emit));
  }

  static OpSize size(int bytes) {
    return switch (bytes) {
      case 1 -> BYTE;
      case 2 -> WORD;
      case 4 -> DWORD;
      case 8 -> QWORD;
      default -> throw new IllegalStateException("operand of " + bytes + " bytes");
    };
  }
}
