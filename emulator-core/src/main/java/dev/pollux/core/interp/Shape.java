package dev.pollux.core.interp;

import java.lang.invoke.MethodHandles;

/**
 * What one copy of a node template is made for: constants of the copy's class, so that the compiler
 * drops everything else.
 *
 * @param op a {@link BinaryOp} or other selector by number, as the template says
 * @param size operand size in bytes
 * @param address one of the constants of {@link MemoryOperand}
 * @param flags false where nobody will see the flags
 * @param extra a condition, a second size, as the template says
 */
record Shape(int op, int size, int address, boolean flags, int extra) {
  /** The shape of the hidden class that {@code lookup} is in. */
  static Shape of(MethodHandles.Lookup lookup) {
    try {
      Shape shape = MethodHandles.classData(lookup, "_", Shape.class);
      // The original of a template is only ever asked for its bytes.
      return shape == null ? new Shape(0, 8, 0, true, 0) : shape;
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }
}
