package dev.pollux.core.clock;

/**
 * A one-shot timer on a clock of the machine. Its deadline is state that a device saves; the
 * callback is wiring. All methods are called with the machine lock held.
 */
public final class GuestTimer {
  /** The deadline of a timer that is not armed, also in saved state. */
  public static final long NEVER = -1;

  private final MachineClocks clocks;
  private final ClockType type;
  private final String name;
  private final Runnable callback;
  private long deadline = NEVER;

  GuestTimer(MachineClocks clocks, ClockType type, String name, Runnable callback) {
    this.clocks = clocks;
    this.type = type;
    this.name = name;
    this.callback = callback;
  }

  public ClockType type() {
    return type;
  }

  public boolean isArmed() {
    return deadline != NEVER;
  }

  /** Nanoseconds on the timer's clock, or {@link #NEVER}. */
  public long deadline() {
    return deadline;
  }

  /**
   * Arms the timer for {@code deadline} (nanoseconds on its clock), in place of what it was armed
   * for; {@link #NEVER} cancels.
   */
  public void set(long deadline) {
    cancel();
    if (deadline != NEVER) {
      this.deadline = Math.max(0, deadline);
      clocks.arm(this);
    }
  }

  public void cancel() {
    if (deadline != NEVER) {
      clocks.disarm(this);
      deadline = NEVER;
    }
  }

  void fire() {
    deadline = NEVER;
    callback.run();
  }

  @Override
  public String toString() {
    return name + "@" + deadline;
  }
}
