package dev.pollux.core.machine;

import java.util.Locale;

/** Why a machine was reset or shut down; names as QMP's {@code ShutdownCause}. */
public enum ShutdownCause {
  NONE,
  HOST_ERROR,
  HOST_QMP_QUIT,
  HOST_QMP_SYSTEM_RESET,
  HOST_SIGNAL,
  HOST_UI,
  GUEST_SHUTDOWN,
  GUEST_RESET,
  GUEST_PANIC,
  SUBSYSTEM_RESET,
  SNAPSHOT_LOAD;

  public String qmpName() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** True where a user ends the emulator itself, or the emulator cannot go on. */
  boolean endsProcess() {
    return this == HOST_ERROR || this == HOST_QMP_QUIT || this == HOST_SIGNAL || this == HOST_UI;
  }

  /** True where the guest asked, false where its host did. */
  public boolean byGuest() {
    return this == GUEST_SHUTDOWN || this == GUEST_RESET || this == GUEST_PANIC;
  }
}
