package dev.pollux.core.machine;

import static dev.pollux.core.machine.RunState.*;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The one run state of a machine and its legal transitions. Changes happen with the machine lock
 * held; reading needs no lock.
 */
public final class RunStateMachine {
  /** Hears of every change, with the machine lock held. */
  @FunctionalInterface
  public interface Listener {
    void changed(RunState from, RunState to);
  }

  private static final Map<RunState, Set<RunState>> NEXT = new EnumMap<>(RunState.class);

  private static void from(RunState from, RunState... to) {
    NEXT.put(from, EnumSet.copyOf(List.of(to)));
  }

  static {
    from(
        PRELAUNCH,
        INMIGRATE,
        RUNNING,
        FINISH_MIGRATE,
        PAUSED,
        SHUTDOWN,
        POSTMIGRATE,
        SUSPENDED,
        COLO);
    from(DEBUG, RUNNING, FINISH_MIGRATE, PRELAUNCH, PAUSED, SUSPENDED, COLO);
    from(
        INMIGRATE,
        INTERNAL_ERROR,
        IO_ERROR,
        PAUSED,
        RUNNING,
        SHUTDOWN,
        SUSPENDED,
        WATCHDOG,
        GUEST_PANICKED,
        FINISH_MIGRATE,
        PRELAUNCH,
        POSTMIGRATE,
        COLO);
    from(INTERNAL_ERROR, PAUSED, FINISH_MIGRATE, PRELAUNCH, COLO);
    from(IO_ERROR, RUNNING, FINISH_MIGRATE, PRELAUNCH, PAUSED, COLO, SUSPENDED);
    from(PAUSED, RUNNING, FINISH_MIGRATE, POSTMIGRATE, PRELAUNCH, COLO, SUSPENDED, SHUTDOWN);
    from(POSTMIGRATE, RUNNING, FINISH_MIGRATE, PRELAUNCH, PAUSED, SUSPENDED);
    from(
        FINISH_MIGRATE,
        RUNNING,
        PAUSED,
        POSTMIGRATE,
        PRELAUNCH,
        COLO,
        INTERNAL_ERROR,
        IO_ERROR,
        SHUTDOWN,
        SUSPENDED,
        WATCHDOG,
        GUEST_PANICKED);
    from(RESTORE_VM, RUNNING, PRELAUNCH, PAUSED, SUSPENDED);
    from(
        RUNNING,
        DEBUG,
        INTERNAL_ERROR,
        IO_ERROR,
        PAUSED,
        FINISH_MIGRATE,
        RESTORE_VM,
        SAVE_VM,
        SHUTDOWN,
        WATCHDOG,
        GUEST_PANICKED,
        COLO,
        SUSPENDED,
        PRELAUNCH);
    from(SAVE_VM, RUNNING, PAUSED, PRELAUNCH, SUSPENDED);
    from(SHUTDOWN, PAUSED, FINISH_MIGRATE, PRELAUNCH, COLO, RUNNING);
    from(
        SUSPENDED, RUNNING, FINISH_MIGRATE, PRELAUNCH, COLO, PAUSED, SAVE_VM, RESTORE_VM, SHUTDOWN);
    from(WATCHDOG, RUNNING, FINISH_MIGRATE, PRELAUNCH, COLO, PAUSED, SUSPENDED);
    from(GUEST_PANICKED, RUNNING, FINISH_MIGRATE, PRELAUNCH, PAUSED, COLO);
    // A checkpoint may be taken in any state that a guest may be in, and replaces any.
    from(
        COLO,
        RUNNING,
        PRELAUNCH,
        SHUTDOWN,
        PAUSED,
        FINISH_MIGRATE,
        DEBUG,
        INTERNAL_ERROR,
        IO_ERROR,
        SUSPENDED,
        WATCHDOG,
        GUEST_PANICKED);
  }

  private final List<Listener> listeners = new CopyOnWriteArrayList<>();
  private volatile RunState current = PRELAUNCH;

  /** While the guest is held: it shall be paused afterwards. */
  private boolean pauseAsked;

  public RunState current() {
    return current;
  }

  public boolean is(RunState state) {
    return current == state;
  }

  public void onChange(Listener listener) {
    listeners.add(listener);
  }

  /** True where {@code to} may follow the current state (the current state itself always may). */
  public boolean mayBecome(RunState to) {
    return to == current || NEXT.get(current).contains(to);
  }

  /** Asks for a pause after the hold that the guest is in; nothing where it is in none. */
  void askPause() {
    pauseAsked = current.isHold();
  }

  /** Takes back a pause that was asked for while the guest was held; whether there was one. */
  public boolean withdrawPause() {
    boolean asked = pauseAsked;
    pauseAsked = false;
    return asked;
  }

  /**
   * What follows a hold of a guest that was in {@code before}: that, or a pause that was asked for
   * meanwhile.
   */
  public RunState afterHold(RunState before) {
    return before.isRunning() && pauseAsked ? PAUSED : before;
  }

  /** Enters a state. An illegal transition is our own bug. */
  void set(RunState to) {
    RunState from = current;
    if (from == to) {
      return;
    }
    if (!mayBecome(to)) {
      throw new IllegalStateException(
          "run state " + from.qmpName() + " cannot become " + to.qmpName());
    }
    current = to;
    pauseAsked &= to.isHold();
    listeners.forEach(l -> l.changed(from, to));
  }
}
