package dev.pollux.core.interp;

/** The arithmetic and logic operations of two operands, carry included. */
enum BinaryOp {
  ADD,
  OR,
  ADC,
  SBB,
  AND,
  SUB,
  XOR;

  /**
   * Bits above the operand size are unspecified. {@code carry} is 0 or 1 and counts for ADC and
   * SBB.
   */
  long result(long a, long b, long carry) {
    return switch (this) {
      case ADD -> a + b;
      case OR -> a | b;
      case ADC -> a + b + carry;
      case SBB -> a - b - carry;
      case AND -> a & b;
      case SUB -> a - b;
      case XOR -> a ^ b;
    };
  }

  /** Sets the flags for result {@code r}. */
  void setFlags(Interpreter cpu, long a, long b, long r, int size) {
    switch (this) {
      case ADD, ADC -> cpu.setFlags(r, Alu.addCarries(a, b, r), size);
      case SUB, SBB -> cpu.setFlags(r, Alu.subCarries(a, b, r), size);
      case AND, OR, XOR -> cpu.setLogicFlags(r, size);
    }
  }

  /** The operation as an update of memory, with a given carry. */
  AtomicMemory.Update update(long carry) {
    return (old, operand) -> result(old, operand, carry);
  }
}
