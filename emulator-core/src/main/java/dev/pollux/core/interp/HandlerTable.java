package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import java.util.function.Function;

/**
 * The handlers of all instructions. Filled once by the {@code register} methods of the {@code *Ops}
 * classes.
 */
public final class HandlerTable {
  private final Object[] byOp = new Object[Op.values().length];
  private final boolean[] system = new boolean[byOp.length];

  /**
   * Binds an instruction that neither branches nor changes mode, privilege, paging or the interrupt
   * flag. While the handler runs, RIP and the arithmetic flags in the state block are stale: it
   * uses {@link Interpreter#nextRip}, {@link Interpreter#statusFlags} and {@link
   * Interpreter#setStatusFlags}.
   */
  public void bind(Op op, InsnHandler handler) {
    byOp[op.ordinal()] = handler;
  }

  /** As {@link #bind}, with a handler chosen once per decoded instruction by its operands. */
  public void bindByForm(Op op, Function<Insn, InsnHandler> chooser) {
    byOp[op.ordinal()] = chooser;
  }

  /**
   * Binds an instruction that may change anything. Before the handler runs, RIP in the state block
   * is that of the next instruction and RFLAGS is whole; both are read back afterwards, mode,
   * privilege and paging are looked at again, and pending interrupts are noticed. When the handler
   * throws, RIP is put back to the instruction's start (a fault).
   */
  public void bindSystem(Op op, InsnHandler handler) {
    byOp[op.ordinal()] = handler;
    system[op.ordinal()] = true;
  }

  boolean isSystem(Op op) {
    return system[op.ordinal()];
  }

  boolean isBound(Op op) {
    return byOp[op.ordinal()] != null;
  }

  /** The handler of a decoded instruction, or null. */
  @SuppressWarnings("unchecked")
  InsnHandler handlerFor(Insn insn) {
    return switch (byOp[insn.op.ordinal()]) {
      case null -> null;
      case InsnHandler handler -> handler;
      case Object chooser -> ((Function<Insn, InsnHandler>) chooser).apply(insn);
    };
  }
}
