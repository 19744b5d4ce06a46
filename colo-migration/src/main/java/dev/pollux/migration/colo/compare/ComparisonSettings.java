package dev.pollux.migration.colo.compare;

import java.time.Duration;

/**
 * How packets are compared; the first two are {@code compare_timeout} and {@code max_queue_size}.
 *
 * @param timeout a packet that waits for longer calls for a checkpoint
 * @param longestQueue packets of one side of one conversation; more are dropped
 * @param mostBytes of all packets that wait; more are dropped
 * @param ipv6 IPv6 is compared, too, rather than let through
 * @param vlan tagged frames are compared, too, rather than let through
 */
public record ComparisonSettings(
    Duration timeout, int longestQueue, long mostBytes, boolean ipv6, boolean vlan) {
  /** As {@code colo-compare} has them. */
  public static final ComparisonSettings DEFAULTS =
      new ComparisonSettings(Duration.ofSeconds(3), 1024, 64 << 20, false, false);
}
