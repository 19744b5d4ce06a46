package dev.pollux.migration;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.ram.RamCounters;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The figures of a migration on its source. Times are in nanoseconds of {@link System#nanoTime}.
 * Written by the migration thread, read by any.
 */
final class OutgoingStatistics {
  final RamCounters counters = new RamCounters();
  private final long total;
  private final long start = System.nanoTime();
  private volatile long active;
  private volatile long stopped;
  private volatile long end;
  private volatile long passes;
  private volatile long remaining;
  private volatile long bytes;
  private volatile long multifdBytes;
  private volatile long bytesAtStop;
  private volatile long dirtyPagesRate;
  private volatile long pagesPerSecond;
  private volatile long expectedDowntime;
  private long lastCollect = start;

  /**
   * @param total bytes of guest memory
   */
  OutgoingStatistics(long total, long downtimeLimit) {
    this.total = total;
    this.expectedDowntime = downtimeLimit;
  }

  void setActive() {
    active = System.nanoTime();
  }

  void setStopped() {
    stopped = System.nanoTime();
    bytesAtStop = bytes;
  }

  void setEnd() {
    end = System.nanoTime();
  }

  /** Another look at what the guest has written; its number. */
  long pass(long newPages) {
    long now = System.nanoTime();
    if (passes > 0) {
      dirtyPagesRate =
          newPages * TimeUnit.SECONDS.toNanos(1) / Math.max(1_000_000, now - lastCollect);
    }
    lastCollect = now;
    long number = passes + 1; // one thread writes it
    passes = number;
    return number;
  }

  void setProgress(long bytes, long multifdBytes, long remaining) {
    this.bytes = bytes + multifdBytes;
    this.multifdBytes = multifdBytes;
    this.remaining = remaining;
  }

  /**
   * @param bandwidth bytes per second
   */
  void setBandwidth(long bandwidth, long pagesPerSecond) {
    this.pagesPerSecond = pagesPerSecond;
    if (bandwidth > 0) {
      expectedDowntime = remaining * 1000 / bandwidth;
    }
  }

  /** Bytes sent. */
  long bytes() {
    return bytes;
  }

  long pages() {
    return counters.zero() + counters.normal();
  }

  private MigrationInfo.RamStats ram() {
    long sent = bytes;
    long atStop = stopped == 0 ? sent : bytesAtStop;
    long nanos = Math.max(1, (end == 0 ? System.nanoTime() : end) - active);
    return new MigrationInfo.RamStats(
        sent,
        remaining,
        total,
        counters.zero(),
        counters.normal(),
        counters.normal() * RamBlock.PAGE_SIZE,
        dirtyPagesRate,
        active == 0 ? 0 : sent * 8e3 / nanos,
        passes,
        0,
        RamBlock.PAGE_SIZE,
        multifdBytes,
        pagesPerSecond,
        atStop,
        sent - atStop,
        0,
        0);
  }

  /** What {@code query-migrate} tells where the memory flows or has flowed. */
  MigrationInfo info(MigrationStatus status, Optional<Long> throttle, Optional<String> error) {
    boolean done = status == MigrationStatus.COMPLETED;
    long until = end == 0 ? System.nanoTime() : end;
    return new MigrationInfo(
        Optional.of(status),
        Optional.of(ram()),
        Optional.of(millis(until - start)),
        done ? Optional.empty() : Optional.of(expectedDowntime),
        done ? Optional.of(millis(until - stopped)) : Optional.empty(),
        Optional.of(millis((active == 0 ? until : active) - start)),
        throttle,
        error,
        Optional.empty(),
        Optional.empty());
  }

  private static long millis(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(nanos);
  }
}
