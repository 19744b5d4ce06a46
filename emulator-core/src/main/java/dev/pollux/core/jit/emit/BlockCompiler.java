package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.mmu.TlbLayout;
import java.util.Arrays;

/**
 * Translates one block of guest code: 64-bit code, or 32-bit code in flat segments.
 *
 * <p>Between two guest instructions every guest register is where {@link RegisterMap} says; flags
 * that are live are in the host's flags, in {@link JitLayout#FLAGS}, or in both, as {@link
 * LiveFlags} tracks. An access that the software TLB does not know leaves before its instruction
 * has changed anything; the interpreter executes that one instruction, with all that can go wrong
 * in it, and the code is entered again behind it.
 *
 * <p>The kinds of instructions have a class each, which share the block as far as it is: {@link
 * BlockDraft}. One compiler serves one vCPU; not thread-safe.
 */
public class BlockCompiler {
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
   * @param pages of the accesses of hot code, which is quick, too; or null
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
      boolean quick,
      AccessPages pages) {
    /** Of 64-bit code that is not hot. */
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
          quick,
          null);
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

  /**
   * Which accesses of hot code have a page of their own ({@link AccessedPage}).
   *
   * @param first number of the first instruction's; that of another is as many behind it
   * @param without by instruction, from bit 0: has none
   */
  public record AccessPages(int first, long without) {
    boolean has(int insn) {
      return (without >>> insn & 1) == 0;
    }
  }

  /** Tells of guest code near a block. */
  @FunctionalInterface
  public interface Neighbours {
    /** The instruction at an offset from the block's start if it lies in the same page, or null. */
    Insn at(long offset);
  }

  private final BlockDraft draft;
  private final X86Assembler asm;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final JumpCode jumps;
  private final StackCode stack;
  private final BranchCode branches;
  private final OrdinaryCode ordinary;
  private final IntegerCode integers;
  private final StringCode strings;
  private final SegmentCode segments;
  private final PrivilegeCode privilege;
  private final SystemCode system;
  private final FloatControlCode floatControl;

  /** What was emitted last ends the block. */
  private boolean ended;

  /**
   * @param stubs the common code that blocks leave through
   */
  public BlockCompiler(Stubs stubs) {
    draft = new BlockDraft(stubs);
    asm = draft.asm();
    flags = new LiveFlags(draft);
    outOfLine = new OutOfLine(draft, flags);
    memory = new MemoryCode(draft, flags, outOfLine);
    jumps = new JumpCode(draft, flags, outOfLine);
    stack = new StackCode(draft, flags, outOfLine, memory, jumps);
    branches = new BranchCode(draft, flags, outOfLine, memory, stack, jumps);
    GuestRegisters registers = new GuestRegisters(asm);
    ordinary = new OrdinaryCode(draft, flags, memory, registers);
    integers = new IntegerCode(draft, flags, outOfLine, memory, registers, ordinary);
    strings = new StringCode(draft, flags, outOfLine, memory);
    segments = new SegmentCode(draft, flags, outOfLine, memory, registers);
    privilege = new PrivilegeCode(draft, flags, outOfLine, memory, segments, jumps);
    system = new SystemCode(draft, flags, outOfLine, registers);
    floatControl = new FloatControlCode(draft, outOfLine, memory);
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
    draft.begin(context, insns, offsets, count, address);
    flags.begin(new CodeAhead(context, neighbours));
    outOfLine.begin();
    memory.begin();

    boolean simd = false;
    boolean x87 = false;
    for (int i = 0; i < count; i++) {
      if (!draft.interpreted()[i]) {
        simd |= insns[i].info.has(Property.SIMD);
        x87 |= Translatable.usesX87Registers(insns[i]);
      }
    }
    enter(simd, x87);
    int bodyAt = asm.position();
    int[] ends = new int[count];
    int[] modes = new int[count];
    emitAll(ends, modes);
    outOfLine.emitPieces();
    memory.emitRefills();
    outOfLine.emitSlowExits();
    asm.checkResolved();
    return new BlockCode(
        draft.exits(),
        draft.resume(),
        modes,
        draft.interpreted(),
        draft.entryAt(),
        bodyAt,
        ends,
        draft.stubJumps(),
        simd,
        x87);
  }

  /** Emits what is in front of the first instruction. */
  private void enter(boolean simd, boolean x87) {
    Stubs stubs = draft.stubs();
    boolean quick = draft.quick();
    if (quick) {
      Label leave = draft.label();
      draft.common().poll(leave);
      outOfLine.defer(leave, outOfLine::leaveAtStart);
    } else {
      draft.callStub(stubs.calls().poll());
      draft.add(new BlockCode.Start(CommonCalls.behind(asm), draft.mode()));
    }
    draft.enterHere();
    if (draft.context().secondPage() != 0) {
      checkSecondPage();
    }
    if (quick) {
      loadUnit(simd, JitLayout.SIMD_LOADED, stubs.loadSimd());
      loadUnit(x87, JitLayout.X87_LOADED, stubs.loadX87());
    } else {
      callIf(simd, stubs.needSimd());
      callIf(x87, stubs.needX87());
    }
  }

  /**
   * Leaves unless the page behind the block's start is still mapped to the memory that the end of
   * its instruction was taken from: whoever jumped here has looked at the first page only.
   */
  private void checkSecondPage() {
    int table = CpuLayout.TLB + draft.mode() * TlbLayout.TABLE_SIZE;
    Label miss = draft.label();
    Label unknown = draft.label();
    Label again = draft.label();
    asm.bind(again);
    asm.mov(QWORD, S1, state(JitLayout.PAGE));
    asm.add(QWORD, S1, 4096);
    asm.mov(QWORD, S2, S1);
    asm.shr(QWORD, S2, 12 - TlbLayout.ENTRY_BITS);
    asm.and(DWORD, S2, (TlbLayout.ENTRIES - 1) << TlbLayout.ENTRY_BITS);
    asm.cmp(QWORD, S1, state(S2, 1, table + TlbLayout.EXEC_TAG));
    asm.jcc(Cond.NE, unknown);
    asm.mov(QWORD, S1, draft.context().secondPage());
    asm.cmp(QWORD, S1, state(S2, 1, table + TlbLayout.HOST_PAGE));
    asm.jcc(Cond.NE, miss);
    outOfLine.defer(
        unknown,
        () -> {
          draft.callStub(draft.stubs().fetch(draft.mode()));
          asm.test(QWORD, S2, S2);
          asm.jcc(Cond.NS, again);
          asm.bind(miss);
          outOfLine.leaveAtStart();
        });
  }

  private void callIf(boolean used, int stub) {
    if (used) {
      draft.callStub(stub);
    }
  }

  /**
   * Loads a unit's guest registers where the block is entered and they are not loaded yet. Flags
   * are in memory here.
   */
  private void loadUnit(boolean used, int loaded, int stub) {
    if (used) {
      Label load = draft.label();
      Label back = draft.label();
      asm.cmp(DWORD, state(loaded), 0);
      asm.jcc(Cond.E, load);
      asm.bind(back);
      outOfLine.defer(
          load,
          () -> {
            draft.callStub(stub);
            asm.jmpNear(back);
          });
    }
  }

  /**
   * Emits the instructions.
   *
   * @param ends by instruction: gets the offset of the end of its code
   * @param modes gets the software TLB's mode behind it
   */
  private void emitAll(int[] ends, int[] modes) {
    int count = draft.count();
    ended = false;
    int i = 0;
    while (i < count) {
      SharedProbe shared = draft.quick() ? SharedProbe.at(draft, i) : null;
      int next = shared == null ? emit(i, count) : emitSharing(shared);
      if (!flags.keepsOperands(next - 1)) {
        draft.resumeHere(next - 1);
      }
      Arrays.fill(modes, i, next, draft.mode());
      Arrays.fill(ends, i, next, asm.position());
      i = next;
    }
    if (!ended) {
      flags.saveForNext();
      jumps.jumpTo(draft.nextOffset());
    }
  }

  /**
   * Emits an instruction, together with those before {@code limit} that are executed together with
   * it; returns the number of the next.
   */
  private int emit(int i, int limit) {
    draft.moveTo(i);
    int run = stack.runLength(i, limit);
    if (run > 1) {
      ended = stack.run(run);
      return i + run;
    }
    Insn insn = draft.insn(i);
    if (draft.interpreted()[i]) {
      outOfLine.interpretHere();
      ended = insn.info == null || insn.info.endsBlock();
    } else {
      ended = translate(insn);
    }
    return i + 1;
  }

  /**
   * Emits instructions for which the TLB is looked at once; returns the number of the next. Where
   * it does not know all that they touch, they are executed out of line, each access with a probe
   * of its own. So flags are in the same place when both ways join.
   */
  private int emitSharing(SharedProbe shared) {
    int end = shared.last() + 1;
    draft.moveTo(shared.first());
    Label alone = draft.label();
    Label joined = draft.label();
    memory.share(shared, alone);
    outOfLine.defer(
        alone,
        () -> {
          for (int i = shared.first(); i < end; ) {
            i = emit(i, end);
            if (i < end && !flags.keepsOperands(i - 1)) {
              draft.resumeHere(i - 1);
            }
          }
          if (!ended) {
            asm.jmpNear(joined);
          }
        });
    for (int i = shared.first(); i < end; ) {
      i = emit(i, end);
    }
    memory.endSharing();
    asm.bind(joined);
    return end;
  }

  /** Emits the current instruction; true if it ended the block. */
  private boolean translate(Insn insn) {
    if (Translatable.destroysFlags(insn)) {
      flags.clobber();
    }
    switch (insn.op) {
      case NOP, ENDBR32, ENDBR64, PREFETCH, PREFETCHNTA, PREFETCHT0, PREFETCHT1, PREFETCHT2 -> {}
      case PAUSE -> system.pause();
      case SERIALIZE -> system.serialize();
      case JMP -> {
        branches.jump(insn);
        return true;
      }
      case JCC -> branches.conditionalJump(insn);
      case JCXZ, LOOP -> {
        branches.countedJump(insn);
        return true;
      }
      case CALL -> {
        branches.call(insn);
        return true;
      }
      case RET -> {
        stack.ret(insn);
        return true;
      }
      case SWAPGS -> segments.swapGs();
      case STAC, CLAC -> privilege.allowUserAccess(insn.op == Op.STAC);
      case SYSCALL -> {
        privilege.syscall();
        return true;
      }
      case SYSRET -> {
        privilege.sysret();
        return true;
      }
      case IRET -> {
        privilege.iret();
        return true;
      }
      case CLI -> system.disableInterrupts();
      case STI -> system.enableInterrupts();
      case PUSHF -> stack.pushFlags();
      case PUSH -> stack.push(insn);
      case POP -> stack.pop(insn);
      case LEAVE -> stack.leave();
      case LEA -> integers.lea(insn);
      case BSWAP -> integers.bswap(insn);
      case DIV, IDIV -> integers.divide(insn);
      case MOVS, STOS -> strings.emit(insn);
      case CLD, STD -> system.direction(insn.op == Op.STD);
      case RDTSC, RDTSCP -> system.readClock(insn);
      case RDPKRU -> system.readKeyRights();
      case MOV_CR -> system.readControl(insn);
      case MOV_SREG -> {
        if (insn.kind0 == Insn.SEG) {
          segments.writeSelector(insn);
        } else {
          segments.readSelector(insn);
        }
      }
      case RDFSBASE -> segments.readBase(insn, CpuLayout.FS);
      case RDGSBASE -> segments.readBase(insn, CpuLayout.GS);
      case WRFSBASE -> segments.writeBase(insn, CpuLayout.FS);
      case WRGSBASE -> segments.writeBase(insn, CpuLayout.GS);
      case BT, BTS, BTR, BTC -> integers.bitTest(insn);
      case FLDCW -> floatControl.loadX87(insn);
      case FNSTCW -> floatControl.storeX87(insn);
      case LDMXCSR, VLDMXCSR -> floatControl.loadSimd(insn);
      // Caches are the host's own affair; the access can fault.
      case CLFLUSH, CLFLUSHOPT, CLWB -> memory.access(insn, 1, false, false);
      default -> ordinary.emit(insn);
    }
    return draft.context().endsBlock(insn);
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
