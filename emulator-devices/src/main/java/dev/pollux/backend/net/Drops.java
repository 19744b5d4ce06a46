package dev.pollux.backend.net;

import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/** Counts the frames that an end of a cable drops, by reason. Any thread. */
public final class Drops {
  private final SortedMap<String, LongAdder> reasons = new ConcurrentSkipListMap<>();

  /**
   * The counter of a reason.
   *
   * @param reason a few words for users, for instance {@code no peer}
   */
  public LongAdder counter(String reason) {
    return reasons.computeIfAbsent(reason, _ -> new LongAdder());
  }

  /** Frames by reason, of the reasons that there have been. */
  public SortedMap<String, Long> counts() {
    SortedMap<String, Long> counts = new TreeMap<>();
    reasons.forEach((reason, counter) -> counts.put(reason, counter.sum()));
    counts.values().removeIf(count -> count == 0);
    return Collections.unmodifiableSortedMap(counts);
  }
}
