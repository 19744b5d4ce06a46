package dev.pollux.core.irq;

/** Several wires that drive one: it is up while any of them is. Machine lock held. */
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
        if (level != newLevel) {
          level = newLevel;
          up += newLevel ? 1 : -1;
        }
        to.set(up > 0);
      }
    };
  }
}
