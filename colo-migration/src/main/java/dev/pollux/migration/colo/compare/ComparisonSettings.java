package dev.pollux.migration.colo.compare;

import java.time.Duration;

/**
 * How packets are compared.
 *
 * @param timeout {@code compare_timeout}: a packet that waits for longer calls for a checkpoint
 * @param patience one of the primary's that waits for longer does; where the secondary seldom says
 *     the same in time, it does at once
 * @param longestQueue {@code max_queue_size}: packets of one side of one conversation; more are
 *     dropped
 * @param mostBytes of all packets that wait; more are dropped
 * @param ipv6 IPv6 is compared, too, rather than let through
 * @param vlan tagged frames are compared, too, rather than let through
 */
public record ComparisonSettings(
    Duration timeout,
    Duration patience,
    int longestQueue,
    long mostBytes,
    boolean ipv6,
    boolean vlan) {
  /**
   * Where checkpoints take long, patience is as long, but not more than so many times its value.
   */
  private static final int MOST_TIMES = 10;

  ComparisonSettings withTimeout(Duration to) {
    return new ComparisonSettings(to, patience, longestQueue, mostBytes, ipv6, vlan);
  }

  ComparisonSettings withLongestQueue(int packets) {
    return new ComparisonSettings(timeout, patience, packets, mostBytes, ipv6, vlan);
  }

  Duration longestPatience() {
    Duration most = patience.multipliedBy(MOST_TIMES);
    return most.compareTo(timeout) < 0 ? most : timeout;
  }

  /** As {@code colo-compare} has them. */
  public static final ComparisonSettings DEFAULTS =
      new ComparisonSettings(
          Duration.ofSeconds(3), Duration.ofMillis(60), 1024, 64 << 20, false, false);
}
