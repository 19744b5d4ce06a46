package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * Where the guest's status flags are at the place that code is emitted for, and the code that moves
 * them.
 */
final class LiveFlags {
  /** Where the guest's live status flags are. */
  enum Place {
    /** In the host's flags only. */
    HOST,
    /** In the state block, {@link JitLayout#FLAGS}, only. */
    MEMORY,
    BOTH,
    /** Nowhere; nothing will read them. A {@link FlagSource} tells them where they can be seen. */
    DEAD
  }

  private static final Mem RECIPE = state(JitLayout.FLAGS);
  private static final Mem OPERAND_A = state(JitLayout.FLAG_OPERANDS);
  private static final Mem OPERAND_B = state(JitLayout.FLAG_OPERANDS + 8);

  private final BlockDraft draft;
  private final X86Assembler asm;
  private FlagsPlan plan;
  private Place place;

  /** Tells the flags where they are not in memory, or null if there only the host's can be seen. */
  private FlagSource source;

  LiveFlags(BlockDraft draft) {
    this.draft = draft;
    this.asm = draft.asm();
  }

  /** Begins a block: its flags are in memory. */
  void begin(FlagsPlan.Successors successors) {
    plan =
        new FlagsPlan(
            draft.insns(), draft.offsets(), draft.count(), draft.interpreted(), successors);
    goTo(Place.MEMORY, null);
  }

  Place place() {
    return place;
  }

  FlagSource source() {
    return source;
  }

  /** Code is emitted for another place from now on, where flags are so. */
  void goTo(Place place, FlagSource source) {
    this.place = place;
    this.source = source;
  }

  /** Whatever has come before, the flags are in memory now. */
  void areInMemory() {
    place = Place.MEMORY;
  }

  // ---- to memory and back ----

  /** Makes sure that the state block has all flags. The host's flags stay, as in all that saves. */
  void saveAll() {
    save(OpcodeInfo.STATUS_FLAGS);
  }

  /** The same if one is live behind the current instruction. */
  void saveForNext() {
    save(plan.after(draft.current()));
  }

  /** The same if one is live where the current instruction, a conditional jump, has jumped. */
  void saveForTarget() {
    save(plan.taken(draft.current()));
  }

  private void save(int live) {
    if (saves(live)) {
      if (draft.quick()) {
        draft.common().saveFlags();
      } else {
        draft.callStub(draft.stubs().saveFlags());
      }
      place = Place.BOTH;
    }
  }

  /** True if {@link #saveForTarget} has anything to do. */
  boolean savesForTarget() {
    return saves(plan.taken(draft.current()));
  }

  private boolean saves(int live) {
    return place == Place.HOST && (live != 0 || source != null && source.saved());
  }

  /**
   * Called before code that destroys the host's flags: saves them if they are live before the
   * current instruction.
   */
  void clobber() {
    save(plan.before(draft.current()));
    if (place == Place.BOTH) {
      place = Place.MEMORY;
    } else if (place == Place.HOST) {
      place = Place.DEAD;
    }
  }

  /** Puts the flags into the host's flags if {@link #needed}. Uses scratch 2. */
  void restore(Insn insn) {
    if (needed(insn) && place == Place.MEMORY) {
      if (draft.quick()) {
        draft.common().restoreFlags();
      } else {
        draft.callStub(draft.stubs().calls().restoreFlags());
      }
      place = Place.BOTH;
    }
  }

  /** True if the current instruction needs the flags in the host's flags. */
  boolean needed(Insn insn) {
    return plan.needsFlags(draft.current(), insn);
  }

  /** The current instruction has been executed on the host. */
  void wrote(Insn insn) {
    if (FlagsPlan.writes(insn)) {
      goTo(Place.HOST, plan.source(draft.current()));
    }
  }

  // ---- what they are told from ----

  /**
   * True if an instruction keeps what its flags are told from behind it: the interpreter does not.
   */
  boolean keepsOperands(int insn) {
    FlagSource kept = plan.source(insn);
    return kept != null && !kept.stored() && kept.keepsOperands();
  }

  /**
   * Keeps what the current instruction's flags may have to be told from, just before it executes.
   * Destroys scratch 2; the host's flags stay.
   */
  void keepOperands(Insn insn) {
    FlagSource kept = plan.source(draft.current());
    if (kept == null) {
      return;
    }
    keep(kept.before0(), OPERAND_A);
    keep(kept.before1(), OPERAND_B);
    if (kept.immediate()) {
      asm.mov(QWORD, OPERAND_B, (int) insn.imm);
    }
    if (kept.stored()) {
      putRecipe(kept.recipe());
    }
  }

  /**
   * If the flags may have to be told from the memory operand's value, loads that into scratch 1, in
   * place of its address, keeps it and returns true.
   *
   * @param place how far behind the address the operand is
   */
  boolean keepMemory(Insn insn, Gpr address, int place) {
    FlagSource kept = plan.source(draft.current());
    if (kept == null || kept.memory() == FlagSource.NONE) {
      return false;
    }
    asm.mov(BlockCompiler.size(insn.memSize()), address, Mem.of(address, place));
    asm.mov(QWORD, kept.memory() == FlagRecipe.SAVED_A ? OPERAND_A : OPERAND_B, address);
    return true;
  }

  /** Keeps what has to be kept just behind the current instruction. */
  void keepResult() {
    FlagSource kept = plan.source(draft.current());
    if (kept != null) {
      keep(kept.after1(), OPERAND_B);
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

  void putRecipe(int recipe) {
    if (recipe != 0) {
      asm.mov(DWORD, RECIPE, recipe);
    }
  }

  /** What has to be put in the place of the flags on a way out from here; 0 if they are there. */
  int pendingRecipe() {
    if (place != Place.DEAD) {
      return 0;
    }
    if (source == null) {
      throw new IllegalStateException("no way to tell the flags at " + draft.insn(draft.current()));
    }
    return source.stored() ? 0 : source.recipe();
  }
}
