package dev.pollux.migration.colo;

import dev.pollux.migration.ColoStatistics;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Counts what checkpoints do on one side, since the machine was started. Any thread. */
final class CheckpointLog {
  /** Microseconds. */
  private static final long[] BOUNDS = {
    100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000
  };

  /** Percentiles are of so many last stops. */
  private static final int REMEMBERED = 4096;

  private final Map<CheckpointCause, Long> causes = new EnumMap<>(CheckpointCause.class);
  private final long[] histogram = new long[BOUNDS.length + 1];
  private final long[] recent = new long[REMEMBERED];
  private long stops;
  private long longest;
  private long checkpoints;
  private long pages;
  private long bytes;
  private long lastCheckpoint;
  private String lastError;

  /** Something called for a checkpoint that is being made. */
  synchronized void called(CheckpointCause cause) {
    causes.merge(cause, 1L, Long::sum);
  }

  /** The guest stood still. */
  synchronized void stopped(long nanos) {
    long micros = TimeUnit.NANOSECONDS.toMicros(nanos);
    int bar = 0;
    while (bar < BOUNDS.length && micros >= BOUNDS[bar]) {
      bar++;
    }
    histogram[bar]++;
    recent[(int) (stops++ % REMEMBERED)] = micros;
    longest = Math.max(longest, micros);
  }

  /** Memory went over the connection. */
  synchronized void carried(long morePages, long moreBytes) {
    pages += morePages;
    bytes += moreBytes;
  }

  /** A checkpoint is whole. */
  synchronized void completed() {
    checkpoints++;
    lastCheckpoint = System.nanoTime();
  }

  synchronized void failed(String reason) {
    lastError = reason;
  }

  synchronized ColoStatistics get() {
    long[] sorted = Arrays.copyOf(recent, (int) Math.min(stops, REMEMBERED));
    Arrays.sort(sorted);
    List<ColoStatistics.Cause> counted =
        causes.entrySet().stream()
            .map(e -> new ColoStatistics.Cause(e.getKey().label(), e.getValue()))
            .toList();
    List<ColoStatistics.StopTimes> bars =
        IntStream.range(0, histogram.length)
            .filter(i -> histogram[i] != 0)
            .mapToObj(
                i ->
                    new ColoStatistics.StopTimes(
                        i < BOUNDS.length ? BOUNDS[i] : Long.MAX_VALUE, histogram[i]))
            .toList();
    return new ColoStatistics(
        checkpoints,
        counted,
        bars,
        percentile(sorted, 50),
        percentile(sorted, 99),
        longest,
        pages,
        bytes,
        checkpoints == 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - lastCheckpoint),
        Optional.ofNullable(lastError));
  }

  private static long percentile(long[] sorted, int percent) {
    return sorted.length == 0
        ? 0
        : sorted[Math.min(sorted.length - 1, sorted.length * percent / 100)];
  }
}
