package dev.pollux.backend.block.node;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The limits of a throttle group.
 *
 * @param buckets by what they limit; a bucket with an average of 0 limits nothing
 * @param iopsSize a request of more bytes counts as several; 0 for never
 */
public record ThrottleLimits(Map<Kind, Bucket> buckets, long iopsSize) {
  /** What is limited. */
  public enum Kind {
    BPS_TOTAL("bps-total", true, true, true),
    BPS_READ("bps-read", true, true, false),
    BPS_WRITE("bps-write", true, false, true),
    IOPS_TOTAL("iops-total", false, true, true),
    IOPS_READ("iops-read", false, true, false),
    IOPS_WRITE("iops-write", false, false, true);

    final String label;
    final boolean bytes;
    final boolean reads;
    final boolean writes;

    Kind(String label, boolean bytes, boolean reads, boolean writes) {
      this.label = label;
      this.bytes = bytes;
      this.reads = reads;
      this.writes = writes;
    }
  }

  /**
   * One limit.
   *
   * @param average bytes or requests in a second
   * @param burst in a second, for a short time; 0 for none
   * @param burstSeconds how long
   */
  public record Bucket(long average, long burst, long burstSeconds) {}

  /** The most bytes or requests that a limit can be. */
  public static final long MOST = 1_000_000_000_000_000L;

  /** No limit at all. */
  public static final ThrottleLimits NONE = new ThrottleLimits(Map.of(), 0);

  /**
   * Reads the keys {@code bps-total}, {@code bps-total-max}, {@code bps-total-max-length} and so
   * on.
   *
   * @param prefix before each of them, for instance {@code x-} or {@code throttling.}
   */
  public static ThrottleLimits of(DeviceOptions options, String prefix) {
    Map<Kind, Bucket> buckets = new EnumMap<>(Kind.class);
    for (Kind kind : Kind.values()) {
      String key = prefix + kind.label;
      Bucket bucket =
          new Bucket(
              options.number(key, 0, 0, MOST),
              options.number(key + "-max", 0, 0, MOST),
              options.number(key + "-max-length", 1, 1, Integer.MAX_VALUE));
      if (bucket.burst > 0 && bucket.average == 0) {
        throw options.error("bps_max/iops_max require corresponding bps/iops values");
      }
      if (bucket.burst > 0 && bucket.burst < bucket.average) {
        throw options.error("bps_max/iops_max cannot be lower than bps/iops");
      }
      if (bucket.average > 0) {
        buckets.put(kind, bucket);
      }
    }
    long iopsSize = options.number(prefix + "iops-size", 0, 0, MOST);
    checkTotals(buckets, Kind.BPS_TOTAL, Kind.BPS_READ, Kind.BPS_WRITE);
    checkTotals(buckets, Kind.IOPS_TOTAL, Kind.IOPS_READ, Kind.IOPS_WRITE);
    return new ThrottleLimits(buckets, iopsSize);
  }

  /** All keys, as {@link #of} reads them. */
  public static List<String> keys() {
    List<String> keys = new ArrayList<>();
    for (Kind kind : Kind.values()) {
      keys.add(kind.label);
      keys.add(kind.label + "-max");
      keys.add(kind.label + "-max-length");
    }
    keys.add("iops-size");
    return keys;
  }

  /** All keys with their values. */
  public Map<String, Long> asMap() {
    Map<String, Long> values = new LinkedHashMap<>();
    for (Kind kind : Kind.values()) {
      Bucket bucket = buckets.getOrDefault(kind, new Bucket(0, 0, 1));
      values.put(kind.label, bucket.average);
      values.put(kind.label + "-max", bucket.burst);
      values.put(kind.label + "-max-length", bucket.burstSeconds);
    }
    values.put("iops-size", iopsSize);
    return values;
  }

  private static void checkTotals(Map<Kind, Bucket> buckets, Kind total, Kind read, Kind write) {
    if (buckets.containsKey(total) && (buckets.containsKey(read) || buckets.containsKey(write))) {
      throw new ConfigException(
          "bps/iops/max total values and read/write values cannot be used at the same time");
    }
  }
}
