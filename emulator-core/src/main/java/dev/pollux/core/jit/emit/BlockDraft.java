package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The block that is being translated: the instructions it is made of, the place among them that
 * code is being emitted for, and the code so far. It is what the parts of {@link BlockCompiler}
 * have in common. Offsets of instructions are in bytes from the first, those of code from the
 * block's code.
 */
final class BlockDraft {
  private static final int CALL = 0xe8;
  private static final int JMP = 0xe9;
  private static final int JNE = 0x850f;
  private static final int PAGE_SIZE = 4096;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS64);
  private final CommonCode common = new CommonCode(asm);
  private final Stubs stubs;
  private final List<Label> labels = new ArrayList<>();
  private final List<BlockCode.Exit> exits = new ArrayList<>();
  private int labelsUsed;

  /** Offsets of the displacements that lead to stubs, and how many. */
  private int[] stubJumps = new int[64];

  private int stubJumpCount;

  private BlockCompiler.Context context;
  private OpSize wide;
  private int word;
  private Insn[] insns;
  private int[] offsets;
  private boolean[] interpreted;

  /** Where the code will be, from the first stub. */
  private int codeOffset;

  private int current;
  private int mode;
  private int entryAt;

  /** By instruction: offset of the code that follows it, to be entered there; 0: cannot be. */
  private int[] resume;

  BlockDraft(Stubs stubs) {
    this.stubs = stubs;
  }

  /** Begins another block; parameters as of {@link BlockCompiler#compile}. */
  void begin(BlockCompiler.Context context, Insn[] insns, int[] offsets, int count, long address) {
    this.context = context;
    wide = context.code32() ? DWORD : QWORD;
    word = context.codeSize() / 8;
    this.insns = insns;
    this.offsets = offsets;
    asm.restart();
    labelsUsed = 0;
    exits.clear();
    stubJumpCount = 0;
    interpreted = new boolean[count];
    for (int i = 0; i < count; i++) {
      interpreted[i] = !Translatable.translates(insns[i], context);
    }
    resume = new int[count];
    codeOffset = (int) (address - stubs.address());
    asm.org(address);
    current = 0;
    mode = context.mmuMode();
  }

  X86Assembler asm() {
    return asm;
  }

  CommonCode common() {
    return common;
  }

  Stubs stubs() {
    return stubs;
  }

  // ---- what is translated ----

  BlockCompiler.Context context() {
    return context;
  }

  /** What nearly every block has is inline; otherwise it is called. */
  boolean quick() {
    return context.quick();
  }

  /** Size of addresses, and of what PUSH, POP, CALL and RET move. */
  OpSize wide() {
    return wide;
  }

  /** The same in bytes. */
  int word() {
    return word;
  }

  int count() {
    return interpreted.length;
  }

  Insn insn(int i) {
    return insns[i];
  }

  Insn[] insns() {
    return insns;
  }

  int[] offsets() {
    return offsets;
  }

  /** By instruction: the interpreter always executes it. */
  boolean[] interpreted() {
    return interpreted;
  }

  // ---- the place that code is emitted for ----

  /** Number of the instruction. */
  int current() {
    return current;
  }

  void moveTo(int insn) {
    current = insn;
  }

  /** The software TLB's mode. */
  int mode() {
    return mode;
  }

  /** From here on code runs in another mode of the software TLB. */
  void setMode(int mode) {
    this.mode = mode;
  }

  /** Offset of the current instruction. */
  int offset() {
    return offsets[current];
  }

  /** Offset of the instruction behind the current one. */
  int nextOffset() {
    return offsets[current] + insns[current].length;
  }

  /** Puts the address of the guest instruction behind the current one in a register. */
  void nextRip(Gpr target) {
    address(target, nextOffset());
  }

  /** Puts the address of a place near the block in a register. Flags stay. */
  void address(Gpr target, long offset) {
    asm.mov(wide, target, state(JitLayout.PAGE));
    long inPage = context.start() + offset;
    if (inPage == (int) inPage) {
      asm.lea(wide, target, Mem.of(target, (int) inPage));
    } else {
      asm.lea(wide, target, Mem.of(target, (int) offset));
      asm.lea(wide, target, Mem.of(target, (int) (inPage - (int) offset)));
    }
  }

  /** True if a place is in the block's page. */
  boolean inPage(long offset) {
    long inPage = context.start() + offset;
    return inPage >= 0 && inPage < PAGE_SIZE;
  }

  // ---- the code ----

  /** A new label, which belongs to this block. */
  Label label() {
    if (labelsUsed == labels.size()) {
      labels.add(new Label());
    }
    Label label = labels.get(labelsUsed++);
    label.reset();
    return label;
  }

  void jumpToStub(int stub) {
    asm.code().reserve(1);
    asm.code().put8(JMP);
    displacementTo(stub);
  }

  void jumpToStubIfNotEqual(int stub) {
    asm.code().reserve(2);
    asm.code().put16(JNE);
    displacementTo(stub);
  }

  void callStub(int stub) {
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
    asm.code().reserve(Integer.BYTES);
    asm.code().put32(stub - (codeOffset + asm.position() + Integer.BYTES));
  }

  int[] stubJumps() {
    return Arrays.copyOf(stubJumps, stubJumpCount);
  }

  /** Emits the call that leaves; returns the offset of the exit's number. */
  int leave() {
    callStub(stubs.leave());
    return exitNumber();
  }

  /** Emits an exit's number, which is filled in later; returns its offset. */
  int exitNumber() {
    asm.code().reserve(Integer.BYTES);
    asm.code().put32(0);
    return asm.position() - Integer.BYTES;
  }

  void add(BlockCode.Exit exit) {
    exits.add(exit);
  }

  List<BlockCode.Exit> exits() {
    return exits;
  }

  /** The block is entered here. */
  void enterHere() {
    entryAt = asm.position();
  }

  int entryAt() {
    return entryAt;
  }

  /** The code can be resumed here behind an instruction. */
  void resumeHere(int insn) {
    resume[insn] = asm.position();
  }

  int[] resume() {
    return resume;
  }
}
