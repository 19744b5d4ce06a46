package dev.pollux.core.jit.emit;

import dev.pollux.core.jit.asm.Label;
import java.util.ArrayList;
import java.util.List;

/**
 * Code that stands behind the block's: what is rarely executed, and the ways out to the
 * interpreter. Each piece is emitted for the place that it was asked for at.
 */
final class OutOfLine {
  private record Piece(
      Label label, int mode, int insn, LiveFlags.Place flags, FlagSource source, Runnable emit) {}

  /**
   * A way out to the interpreter for one instruction.
   *
   * @param recipe of flags that are nowhere, or 0
   */
  private record SlowExit(Label label, int mode, int insn, int recipe) {}

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final List<Piece> pieces = new ArrayList<>();
  private final List<SlowExit> slowExits = new ArrayList<>();

  OutOfLine(BlockDraft draft, LiveFlags flags) {
    this.draft = draft;
    this.flags = flags;
  }

  void begin() {
    pieces.clear();
    slowExits.clear();
  }

  /** Has {@code emit} emit at {@code label}, later, what belongs to the present place. */
  void defer(Label label, Runnable emit) {
    pieces.add(
        new Piece(label, draft.mode(), draft.current(), flags.place(), flags.source(), emit));
  }

  /** A label that leads to the interpreter for the current instruction. */
  Label slowExit() {
    if (!slowExits.isEmpty()) {
      SlowExit last = slowExits.getLast();
      if (last.insn() == draft.current() && last.mode() == draft.mode()) {
        return last.label();
      }
    }
    SlowExit slow =
        new SlowExit(draft.label(), draft.mode(), draft.current(), flags.pendingRecipe());
    slowExits.add(slow);
    return slow.label();
  }

  /** Has the interpreter execute the current instruction, whatever comes. */
  void interpretHere() {
    flags.clobber();
    exitHere();
    flags.areInMemory();
  }

  /** Leaves right here for the interpreter, at the current instruction. */
  void exitHere() {
    interpretAt(draft.leave());
  }

  /** The interpreter is to execute the current instruction where the code leaves by this number. */
  void interpretAt(int numberAt) {
    draft.add(
        new BlockCode.Interpret(numberAt, draft.mode(), draft.current(), flags.pendingRecipe()));
  }

  /** Leaves right here before anything of the block has been executed. */
  void leaveAtStart() {
    draft.add(new BlockCode.Start(draft.leave(), draft.mode()));
  }

  /** Emits what was deferred; pieces may defer others. */
  void emitPieces() {
    for (int i = 0; i < pieces.size(); i++) {
      Piece piece = pieces.get(i);
      draft.asm().bind(piece.label());
      draft.setMode(piece.mode());
      draft.moveTo(piece.insn());
      flags.goTo(piece.flags(), piece.source());
      piece.emit().run();
    }
  }

  void emitSlowExits() {
    for (int i = 0; i < slowExits.size(); i++) {
      SlowExit slow = slowExits.get(i);
      draft.asm().bind(slow.label());
      draft.add(new BlockCode.Interpret(draft.leave(), slow.mode(), slow.insn(), slow.recipe()));
    }
  }
}
