package dev.pollux.core.irq;

/**
 * Several wires that drive one: it is up while any of them is, and set only where that changes.
 * Machine lock held.
 */
public final class SharedIrq {
  private final IrqLine to;
  private int up;

  public SharedIrq(IrqLine to) {
    this.to = to;
  }

  /** One more wire, down at first. */
  public IrqLine newInput() {
    return new IrqLine() {
      private boolean level;

      @Override
      public void set(boolean newLevel) {
        if (level == newLevel) {
          return;
        }
        level = newLevel;
        boolean wasUp = up > 0;
        up += newLevel ? 1 : -1;
        if (wasUp != up > 0) {
          to.set(newLevel);
        }
      }
    };
  }
}
