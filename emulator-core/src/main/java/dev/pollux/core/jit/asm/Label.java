package dev.pollux.core.jit.asm;

import java.util.Arrays;

/**
 * A place in the code. It is used before or after it is bound; {@link X86Assembler#bind} fills in
 * the references made so far. A label belongs to one assembler. Not thread-safe.
 */
public final class Label {
  private static final int UNBOUND = -1;
  private static final long[] NO_REFERENCES = {};

  private final String name;
  private int position = UNBOUND;
  private int references;
  private long[] pending = NO_REFERENCES;

  /** A label without a name. */
  public Label() {
    this("label");
  }

  /** A label whose name appears in error messages. */
  public Label(String name) {
    this.name = name;
  }

  /** Whether {@link X86Assembler#bind} has given this label its place. */
  public boolean isBound() {
    return position != UNBOUND;
  }

  /** Offset in bytes from the start of the code buffer. */
  public int position() {
    if (!isBound()) {
      throw new IllegalStateException(name + " is not bound");
    }
    return position;
  }

  void bindAt(int newPosition) {
    if (isBound()) {
      throw new IllegalStateException(name + " is already bound");
    }
    position = newPosition;
  }

  /** Remembers a reference (see {@link Fixup}) to be filled in by binding. */
  void addPending(long fixup) {
    if (references == pending.length) {
      pending = Arrays.copyOf(pending, Math.max(4, references * 2));
    }
    pending[references++] = fixup;
  }

  int pendingCount() {
    return references;
  }

  long pending(int i) {
    return pending[i];
  }

  void clearPending() {
    references = 0;
  }

  /**
   * Makes the label unbound and unused again, so that an emitter can keep one instead of
   * allocating.
   */
  public void reset() {
    position = UNBOUND;
    references = 0;
  }

  @Override
  public String toString() {
    return isBound() ? name + "@" + Integer.toHexString(position) : name;
  }
}
