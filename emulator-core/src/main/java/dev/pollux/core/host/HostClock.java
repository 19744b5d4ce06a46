package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;

/** A clock that all processes of the host share. */
public final class HostClock {
  /** {@code CLOCK_BOOTTIME}: goes on while the host is suspended, and is never set. */
  private static final int BOOT_TIME = 7;

  private static final long NANOS = 1_000_000_000;

  /** The C declaration. */
  interface Functions extends Library {
    int clock_gettime(int clock, long[] time) throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);

  private HostClock() {}

  /** Nanoseconds since the host was started, its sleep included. */
  public static long bootNanos() {
    long[] time = new long[2];
    C.clock_gettime(BOOT_TIME, time);
    return time[0] * NANOS + time[1];
  }
}
