package dev.pollux.core.machine;

import java.util.Locale;

/** What the machine is doing; names as QMP's {@code RunState}. */
public enum RunState {
  DEBUG,
  INMIGRATE,
  INTERNAL_ERROR,
  IO_ERROR,
  PAUSED,
  POSTMIGRATE,
  PRELAUNCH,
  FINISH_MIGRATE,
  RESTORE_VM,
  RUNNING,
  SAVE_VM,
  SHUTDOWN,
  SUSPENDED,
  WATCHDOG,
  GUEST_PANICKED,
  COLO;

  /** The QMP name, for instance {@code finish-migrate}. */
  public String qmpName() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** True where the emulator itself holds the guest for a moment, which then goes on. */
  public boolean isHold() {
    return this == COLO || this == FINISH_MIGRATE;
  }

  /** True where it tells what the guest does, rather than what the emulator does with it. */
  public boolean isOfGuest() {
    return switch (this) {
      case INMIGRATE, POSTMIGRATE, FINISH_MIGRATE, RESTORE_VM, SAVE_VM, COLO -> false;
      default -> true;
    };
  }

  /** True where the vCPUs execute. */
  public boolean isRunning() {
    return this == RUNNING;
  }
}
