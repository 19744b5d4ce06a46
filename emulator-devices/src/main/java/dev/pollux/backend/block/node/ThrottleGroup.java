package dev.pollux.backend.block.node;

import dev.pollux.backend.block.node.ThrottleLimits.Bucket;
import dev.pollux.backend.block.node.ThrottleLimits.Kind;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * Limits that several disks share ({@code throttle-group}). Each limit is a bucket that leaks at
 * the average rate; a request waits while there is no room for what came before it. Any thread.
 */
public final class ThrottleGroup {
  /** Without a burst a bucket holds what runs out of it in this part of a second. */
  private static final double USUAL_SECONDS = 0.1;

  /** A request waits no longer than this before it looks again: limits may have changed. */
  private static final long MOST_PARK = 100_000_000;

  private static final double NANOS = 1e9;

  /** How full a bucket is. */
  private static final class Level {
    double amount;
    double burstAmount;
  }

  private final String id;

  /** Guarded by this, as is all below. */
  private ThrottleLimits limits = ThrottleLimits.NONE;

  private final Map<Kind, Level> levels = new EnumMap<>(Kind.class);
  private long lastLeak = System.nanoTime();

  public ThrottleGroup(String id) {
    this.id = id;
    for (Kind kind : Kind.values()) {
      levels.put(kind, new Level());
    }
  }

  public String id() {
    return id;
  }

  public synchronized ThrottleLimits limits() {
    return limits;
  }

  /** Other limits, at once. */
  public synchronized void setLimits(ThrottleLimits to) {
    limits = to;
    for (Level level : levels.values()) {
      level.amount = 0;
      level.burstAmount = 0;
    }
  }

  /** Waits until a request may go. */
  public void await(boolean write, long bytes) {
    for (long wait = enter(write, bytes); wait > 0; wait = enter(write, bytes)) {
      LockSupport.parkNanos(this, Math.min(wait, MOST_PARK));
    }
  }

  /** Counts a request and returns 0, or the ns to wait before it is tried again. */
  private synchronized long enter(boolean write, long bytes) {
    if (limits.buckets().isEmpty()) {
      return 0;
    }
    leak(System.nanoTime());
    long wait = 0;
    for (Map.Entry<Kind, Bucket> limit : limits.buckets().entrySet()) {
      if (counts(limit.getKey(), write)) {
        wait = Math.max(wait, wait(limit.getValue(), levels.get(limit.getKey())));
      }
    }
    if (wait == 0) {
      long requests = limits.iopsSize() == 0 ? 1 : Math.max(1, (bytes - 1) / limits.iopsSize() + 1);
      for (Kind kind : limits.buckets().keySet()) {
        if (counts(kind, write)) {
          Level level = levels.get(kind);
          level.amount += kind.bytes ? bytes : requests;
          level.burstAmount += kind.bytes ? bytes : requests;
        }
      }
    }
    return wait;
  }

  private static boolean counts(Kind kind, boolean write) {
    return write ? kind.writes : kind.reads;
  }

  private void leak(long now) {
    double seconds = (now - lastLeak) / NANOS;
    lastLeak = now;
    limits
        .buckets()
        .forEach(
            (kind, bucket) -> {
              Level level = levels.get(kind);
              level.amount = Math.max(0, level.amount - bucket.average() * seconds);
              level.burstAmount = Math.max(0, level.burstAmount - bucket.burst() * seconds);
            });
  }

  private static long wait(Bucket bucket, Level level) {
    double room =
        bucket.burst() > 0
            ? (double) bucket.burst() * bucket.burstSeconds()
            : bucket.average() * USUAL_SECONDS;
    double excess = level.amount - room;
    if (excess > 0) {
      return Math.max(1, (long) (excess / bucket.average() * NANOS));
    }
    double burstExcess = level.burstAmount - bucket.burst() * USUAL_SECONDS;
    return bucket.burst() > 0 && bucket.burstSeconds() > 1 && burstExcess > 0
        ? Math.max(1, (long) (burstExcess / bucket.burst() * NANOS))
        : 0;
  }
}
