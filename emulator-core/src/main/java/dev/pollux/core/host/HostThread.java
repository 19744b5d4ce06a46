package dev.pollux.core.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What the host knows of the thread that asks. */
public final class HostThread {
  private static final int RUSAGE_THREAD = 1;

  /** Of {@code struct rusage}. */
  private static final int RUSAGE_BYTES = 144;

  /** Where {@code ru_nvcsw} lies in it. */
  private static final int VOLUNTARY_SWITCHES = 128;

  private static final ThreadLocal<MemorySegment> USAGE =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(RUSAGE_BYTES, 8));

  private HostThread() {}

  /**
   * How often the thread has let go of its processor to wait for something (getrusage(2), {@code
   * ru_nvcsw}); what it lost to other threads does not count. Some 200 ns.
   */
  public static long voluntarySwitches() {
    MemorySegment usage = USAGE.get();
    FileCalls.GETRUSAGE.call(RUSAGE_THREAD, usage.address(), 0, 0);
    return usage.get(ValueLayout.JAVA_LONG, VOLUNTARY_SWITCHES);
  }
}
