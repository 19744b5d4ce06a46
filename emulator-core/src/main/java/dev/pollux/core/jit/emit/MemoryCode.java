package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.cache.JitBlock;
import java.util.ArrayList;
import java.util.List;

/**
 * The way to a memory operand: its effective address, its linear address, and the probe of the
 * software TLB that makes a host address of that. Host addresses are in scratch 1; scratch 2 and
 * the host's flags are destroyed.
 */
final class MemoryCode {
  /** Guest register number. */
  private static final int RSP = 4;

  /**
   * A failed probe of the TLB: fill it and try again, or leave for the interpreter.
   *
   * @param retry offset of the probe
   * @param length its bytes of code, 0: an access that lies in two pages has to leave
   * @param recipe of flags that are nowhere, or 0
   */
  private record Refill(
      Label label,
      int retry,
      int length,
      int mode,
      int insn,
      int bytes,
      boolean write,
      int recipe) {}

  /**
   * An access that is not in the page that was looked at: ask the TLB.
   *
   * @param page number of the instruction's own page, or {@link #STACK}
   * @param back where it goes on if the TLB has it
   * @param slow where it goes on if not, or null: leave for the interpreter
   * @param recipe of flags that are nowhere, or 0
   */
  private record OtherPage(
      int page,
      Label label,
      Label back,
      Label slow,
      int mode,
      int insn,
      int bytes,
      boolean write,
      int recipe) {}

  private static final int STACK = -1;

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final X86Assembler asm;
  private final List<Refill> refills = new ArrayList<>();
  private final List<OtherPage> otherPages = new ArrayList<>();

  /** The probe that code being emitted is behind, or null. */
  private SharedProbe shared;

  /** Offset of the code where its result is in scratch 1, or -1. */
  private int probedAt;

  /** The instruction whose access has had a page of its own last. */
  private int hadPage;

  MemoryCode(BlockDraft draft, LiveFlags flags, OutOfLine outOfLine) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.asm = draft.asm();
  }

  void begin() {
    refills.clear();
    otherPages.clear();
    shared = null;
    probedAt = -1;
    hadPage = -1;
  }

  /**
   * As {@link #access}, but the host address may be a constant behind scratch 1.
   *
   * @return how far behind, less than 256
   */
  int accessNear(Insn insn, int bytes, boolean write, boolean aligned) {
    if (isShared() && !aligned) {
      flags.clobber();
      return sharedPlace(draft.current());
    }
    access(insn, bytes, write, aligned);
    return 0;
  }

  /** Leaves the host address of the memory operand in scratch 1, or leaves for the interpreter. */
  void access(Insn insn, int bytes, boolean write, boolean aligned) {
    flags.clobber();
    if (isShared()) {
      int place = sharedPlace(draft.current());
      if (place != 0) {
        asm.lea(QWORD, S1, Mem.of(S1, place));
      }
      if (aligned) {
        requireAligned(bytes, outOfLine.slowExit());
      }
      return;
    }
    effectiveAddress(insn, S1, insn.addrSize == 4 ? DWORD : QWORD);
    addSegmentBase(insn);
    if (isOnStack(insn)) {
      probeStack(bytes, write, aligned);
    } else if (hasPage(bytes)) {
      findInPage(bytes, write, aligned);
    } else {
      probe(bytes, write, aligned);
    }
  }

  /** True if the current instruction's access has a page of its own. */
  private boolean hasPage(int bytes) {
    BlockCompiler.AccessPages pages = draft.context().pages();
    // What is emitted a second time, out of line, comes later and has none.
    return pages != null
        && AccessedPage.has(bytes)
        && pages.has(draft.current())
        && draft.current() > hadPage;
  }

  private void findInPage(int bytes, boolean write, boolean aligned) {
    hadPage = draft.current();
    if (aligned) {
      requireAligned(bytes, outOfLine.slowExit());
    }
    int page = draft.context().pages().first() + draft.current();
    Label other = draft.label();
    Label back = draft.label();
    AccessedPage.find(asm, page, other);
    asm.bind(back);
    addOther(page, other, back, null, bytes, write);
  }

  /** True if the operand is likely to be near the top of the stack. */
  private boolean isOnStack(Insn insn) {
    return insn.base == RSP
        && insn.index == Insn.REG_ZERO
        && !insn.ripRelative
        && insn.segment < CpuLayout.FS;
  }

  // ---- one probe for several accesses ----

  /** Probes for several accesses, the first of which is the current instruction. */
  void share(SharedProbe probe, Label unknown) {
    flags.clobber();
    Gpr base = register(probe.base(), S1);
    asm.lea(draft.wide(), S1, Mem.of(base, probe.low()));
    if (probe.base() == RSP) {
      probeStack(probe.bytes(), probe.write(), unknown);
    } else {
      probe(probe.bytes(), probe.write(), unknown);
    }
    asm.mov(QWORD, state(JitLayout.PROBED), S1);
    shared = probe;
    probedAt = asm.position();
  }

  /** What is emitted now is not behind that probe. */
  void endSharing() {
    shared = null;
  }

  /** True if the current instruction's access needs no probe. */
  boolean isShared() {
    return shared != null && shared.has(draft.current());
  }

  /**
   * The host address of the access of an instruction that {@link #isShared}: so many bytes, less
   * than 256, behind scratch 1.
   */
  int sharedPlace(int insn) {
    if (!holdsProbed()) {
      asm.mov(QWORD, S1, state(JitLayout.PROBED));
    }
    return shared.place(insn);
  }

  /** True if scratch 1 is what {@link #sharedPlace} makes it. */
  boolean holdsProbed() {
    return probedAt == asm.position();
  }

  /** Called behind code that leaves scratch 1 as {@link #sharedPlace} has made it. */
  void keepsProbed() {
    probedAt = asm.position();
  }

  /** The same behind an access of the current instruction, if it {@link #isShared}. */
  void keepsProbedIfShared() {
    if (isShared()) {
      keepsProbed();
    }
  }

  // ---- addresses ----

  /** From the effective address in scratch 1 to the linear address. */
  void addSegmentBase(Insn insn) {
    if (insn.segment >= CpuLayout.FS) {
      int segment = CpuLayout.SEG + insn.segment * CpuLayout.SEG_SIZE;
      asm.add(draft.wide(), S1, state(segment + CpuLayout.SEG_BASE));
    }
  }

  /** Destroys scratch 1 and 2 where a register of the address is in memory; flags stay. */
  void effectiveAddress(Insn insn, Gpr target, OpSize size) {
    long displacement = insn.disp;
    if (insn.ripRelative) {
      ripRelative(insn, target, size);
      return;
    }
    boolean hasBase = insn.base != Insn.REG_ZERO;
    boolean hasIndex = insn.index != Insn.REG_ZERO;
    if (!hasBase && !hasIndex) {
      asm.mov(size, target, size == DWORD ? displacement & 0xffff_ffffL : displacement);
      return;
    }
    Gpr index = hasIndex ? register(insn.index, S2) : null;
    Gpr base = hasBase ? register(insn.base, S1) : null;
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

  /** True if {@link #effectiveAddress} destroys no scratch register. */
  boolean needsNoScratch(Insn insn) {
    return (insn.base == Insn.REG_ZERO || insn.ripRelative || RegisterMap.host(insn.base) != null)
        && (insn.index == Insn.REG_ZERO || RegisterMap.host(insn.index) != null);
  }

  private void ripRelative(Insn insn, Gpr target, OpSize size) {
    draft.address(target, insn.disp + draft.nextOffset());
    if (insn.segment == CpuLayout.GS && JitBlock.isDistance((int) insn.disp)) {
      asm.code().note(asm.position() - Integer.BYTES);
    }
    if (size == DWORD) {
      asm.mov(DWORD, target, target);
    }
  }

  /** The host register that holds a guest register; a scratch register if that is in memory. */
  private Gpr register(int guest, Gpr scratch) {
    Gpr host = RegisterMap.host(guest);
    if (host == null) {
      asm.mov(QWORD, scratch, RegisterMap.slot(guest));
      return scratch;
    }
    return host;
  }

  // ---- probes ----

  /**
   * From the linear address in scratch 1 to the host address there, or leaves. What is only read
   * and lies in two pages may be a copy.
   */
  void probe(int bytes, boolean write, boolean aligned) {
    if (callsProbe(bytes, aligned)) {
      draft.callStub(draft.stubs().calls().probe(draft.mode(), bytes, write, aligned));
      outOfLine.interpretAt(CommonCalls.behind(asm));
      return;
    }
    Label unknown = draft.label();
    int recipe = flags.pendingRecipe();
    int start = asm.position();
    probe(bytes, write, aligned, unknown, aligned ? outOfLine.slowExit() : unknown);
    int length = write || aligned || bytes > JitLayout.MOST_COPIED ? 0 : asm.position() - start;
    refills.add(
        new Refill(unknown, start, length, draft.mode(), draft.current(), bytes, write, recipe));
  }

  /** True if such a probe is a call. */
  boolean callsProbe(int bytes, boolean aligned) {
    return !draft.quick() && CommonCalls.probes(bytes, aligned);
  }

  /** The same, leaving to {@code slow} where the TLB does not know the address. */
  void probe(int bytes, boolean write, Label slow) {
    probe(bytes, write, false, slow, slow);
  }

  private void probe(int bytes, boolean write, boolean aligned, Label unknown, Label slow) {
    CommonCode common = draft.common();
    common.findPage(draft.mode(), bytes, write, unknown);
    if (aligned) {
      requireAligned(bytes, slow);
    }
    common.addHostPage(draft.mode());
  }

  /** As {@link #probe(int, boolean, boolean)} for what is likely to be in the stack's page. */
  void probeStack(int bytes, boolean write, boolean aligned) {
    if (!draft.quick() || !StackPage.has(bytes)) {
      probe(bytes, write, aligned);
      return;
    }
    if (aligned) {
      requireAligned(bytes, outOfLine.slowExit());
    }
    findInStack(bytes, write, null);
  }

  /** As {@link #probe(int, boolean, Label)}. */
  void probeStack(int bytes, boolean write, Label slow) {
    findInStack(bytes, write, slow);
  }

  private void findInStack(int bytes, boolean write, Label slow) {
    Label other = draft.label();
    Label back = draft.label();
    StackPage.find(asm, draft.mode(), bytes, other);
    asm.bind(back);
    addOther(STACK, other, back, slow, bytes, write);
  }

  private void addOther(int page, Label other, Label back, Label slow, int bytes, boolean write) {
    int recipe = flags.pendingRecipe();
    otherPages.add(
        new OtherPage(
            page, other, back, slow, draft.mode(), draft.current(), bytes, write, recipe));
  }

  private void requireAligned(int bytes, Label slow) {
    if (bytes >= 16) {
      asm.test(DWORD, S1, bytes - 1);
      asm.jcc(Cond.NE, slow);
    }
  }

  /** Emits what goes on where probes have failed. */
  void emitRefills() {
    refills.forEach(this::refill);
    otherPages.forEach(this::askTlb);
  }

  private void askTlb(OtherPage other) {
    StackPage stack = draft.stubs().stackPage();
    boolean onStack = other.page() == STACK;
    asm.bind(other.label());
    asm.mov(DWORD, S2, onStack ? other.bytes() : AccessedPage.access(other.page(), other.bytes()));
    if (other.slow() == null) {
      draft.callStub(
          onStack
              ? stack.single(other.mode(), other.write())
              : draft.stubs().accessedPage().fill(other.mode(), other.write()));
      draft.add(
          new BlockCode.Interpret(
              CommonCalls.behind(asm), other.mode(), other.insn(), other.recipe()));
    } else {
      draft.callStub(stack.several(other.mode(), other.write()));
      asm.jcc(Cond.S, other.slow());
    }
    asm.jmpNear(other.back());
  }

  private void refill(Refill refill) {
    asm.bind(refill.label());
    draft.callStub(draft.stubs().refill(refill.mode(), refill.write()));
    asm.code().reserve(JitLayout.REFILL_DATA);
    int numberAt = asm.position();
    asm.code().put32(0);
    asm.code().put8(refill.bytes());
    asm.code().put16(numberAt - refill.retry());
    asm.code().put8(refill.length());
    draft.add(new BlockCode.Interpret(numberAt, refill.mode(), refill.insn(), refill.recipe()));
  }
}
