package dev.pollux.migration;

import dev.pollux.core.memory.RamBlock;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * How fast a migration may send, and how fast it does. The limits are looked up whenever they are
 * needed, so that a change acts at once. Times as {@link System#nanoTime}. Migration thread.
 */
final class Pace {
  /** Over so long the bandwidth is measured and limited. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** Pages between two looks at limits and commands. */
  private static final int BATCH = 1024;

  private static final long LONGEST_NANOS = Long.MAX_VALUE / 4;

  private final Supplier<MigrationParameters> parameters;
  private final OutgoingStatistics statistics;
  private long windowStart;
  private long windowBytes;
  private long windowPages;

  /** Bytes per second, in the last window. */
  private long bandwidth;

  Pace(Supplier<MigrationParameters> parameters, OutgoingStatistics statistics) {
    this.parameters = parameters;
    this.statistics = statistics;
  }

  /** Memory begins to flow. */
  void begin() {
    windowStart = System.nanoTime();
    windowBytes = statistics.bytes();
    windowPages = statistics.pages();
  }

  private long sentInWindow() {
    return statistics.bytes() - windowBytes;
  }

  /** Bytes per second, as a number without sign; 0 for no limit. */
  private long maxBandwidth() {
    return parameters.get().maxBandwidth().orElseThrow();
  }

  /** Number of pages to send next: as many as a window has room for, where that is little. */
  long batch() {
    long most = maxBandwidth();
    return most == 0 ? BATCH : Math.clamp(most / 10 / RamBlock.PAGE_SIZE, 1, BATCH);
  }

  /** For how long nothing may be sent now, in nanoseconds, so that the limit is kept. */
  long pause() {
    long most = maxBandwidth();
    if (most <= 0) {
      return 0;
    }
    long needed = (long) Math.min(sentInWindow() * 1e9 / most, (double) LONGEST_NANOS);
    return windowStart + needed - System.nanoTime();
  }

  /** After something was sent, and after the pause for it. */
  void measure() {
    long elapsed = Math.max(1, System.nanoTime() - windowStart);
    if (elapsed >= WINDOW_NANOS || bandwidth == 0) {
      bandwidth = (long) (sentInWindow() * 1e9 / elapsed);
      statistics.setBandwidth(
          bandwidth, (long) ((statistics.pages() - windowPages) * 1e9 / elapsed));
    }
    if (elapsed >= WINDOW_NANOS) {
      begin();
    }
  }

  /** Milliseconds for which the guest may stand still. */
  long downtimeLimit() {
    return parameters.get().downtimeLimit().orElseThrow();
  }

  /** Bytes that can be sent within the downtime limit. */
  long threshold() {
    long known = parameters.get().availSwitchoverBandwidth().orElseThrow();
    double bytesPerSecond = known == 0 ? bandwidth : known;
    return (long) (bytesPerSecond * downtimeLimit() / 1000);
  }
}
