package dev.pollux.core.interp;

/** The one table with every instruction that the interpreter knows. */
final class Handlers {
  private Handlers() {}

  static final HandlerTable TABLE = new HandlerTable();

  static {
    // One line per group of instructions: XyzOps.register(TABLE).
    IntegerOps.register(TABLE);
    MultiplyOps.register(TABLE);
    ShiftOps.register(TABLE);
    BitOps.register(TABLE);
    BranchOps.register(TABLE);
    StringOps.register(TABLE);
    SystemOps.register(TABLE);
    X87Ops.register(TABLE);
    X87Environment.register(TABLE);
    MmxOps.register(TABLE);
    SseMoves.register(TABLE);
    SseIntegerOps.register(TABLE);
    SseFloatOps.register(TABLE);
    ExtendedStateOps.register(TABLE);
    AvxOps.register(TABLE);
  }
}
