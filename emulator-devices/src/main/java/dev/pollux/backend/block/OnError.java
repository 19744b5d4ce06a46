package dev.pollux.backend.block;

import dev.pollux.core.host.Errno;
import java.util.Locale;

/** What a device does about a failed request: the values of {@code werror} and {@code rerror}. */
public enum OnError {
  /** The guest sees the error. */
  REPORT,
  /** The guest is told that all went well. */
  IGNORE,
  /** A full disk stops the machine, other errors are reported; the default for writes. */
  ENOSPC,
  /** The machine stops, and the request is tried again when it goes on. */
  STOP,
  /** The default: {@link #ENOSPC} for writes, {@link #REPORT} for reads. */
  AUTO;

  /** What is to be done about one error. */
  public enum Action {
    REPORT,
    IGNORE,
    STOP
  }

  public Action action(boolean write, int errno) {
    return switch (this) {
      case REPORT -> Action.REPORT;
      case IGNORE -> Action.IGNORE;
      case STOP -> Action.STOP;
      case ENOSPC -> errno == Errno.ENOSPC ? Action.STOP : Action.REPORT;
      case AUTO -> write && errno == Errno.ENOSPC ? Action.STOP : Action.REPORT;
    };
  }

  /** As options and QMP spell it. */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
