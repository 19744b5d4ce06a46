package dev.pollux.core.bus;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * An address space with overlaps resolved: an immutable, sorted list of ranges that do not overlap.
 */
public final class FlatView {
  /**
   * Addresses {@code [start, start + size)} lead to {@code region} at {@code offset} and on.
   *
   * @param start first address
   * @param size bytes
   * @param offset of the first address within the region
   */
  public record Range(long start, long size, Region region, long offset) {
    public long end() {
      return start + size;
    }

    /** Offset in the region of an address within this range. */
    public long offsetOf(long address) {
      return address - start + offset;
    }
  }

  /**
   * A part of a region at an address; where mappings overlap the higher priority wins, then the
   * later one.
   *
   * @param size bytes
   * @param offset of the first address within the region
   */
  public record Mapping(long start, long size, Region region, long offset, int priority) {
    long end() {
      return start + size;
    }
  }

  private final Range[] ranges;

  private FlatView(Range[] ranges) {
    this.ranges = ranges;
  }

  static FlatView of(List<Mapping> mappings) {
    List<Mapping> byPriority = new ArrayList<>(mappings);
    // Stable: later mappings stay later.
    byPriority.sort((a, b) -> Integer.compare(a.priority(), b.priority()));
    TreeSet<Long> cuts = new TreeSet<>();
    for (Mapping m : byPriority) {
      cuts.add(m.start());
      cuts.add(m.end());
    }
    List<Range> result = new ArrayList<>();
    Long from = null;
    for (Long to : cuts) {
      if (from != null) {
        Mapping top = null;
        for (Mapping m : byPriority) {
          if (m.start() <= from && to <= m.end()) {
            top = m;
          }
        }
        if (top != null) {
          append(
              result, new Range(from, to - from, top.region(), from - top.start() + top.offset()));
        }
      }
      from = to;
    }
    return new FlatView(result.toArray(Range[]::new));
  }

  private static void append(List<Range> result, Range next) {
    if (!result.isEmpty()) {
      Range last = result.getLast();
      if (last.region().equals(next.region())
          && last.end() == next.start()
          && last.offset() + last.size() == next.offset()) {
        result.set(
            result.size() - 1,
            new Range(last.start(), last.size() + next.size(), last.region(), last.offset()));
        return;
      }
    }
    result.add(next);
  }

  /** The range that holds the address, or null. */
  public Range find(long address) {
    int low = 0;
    int high = ranges.length - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Range range = ranges[middle];
      if (address < range.start) {
        high = middle - 1;
      } else if (address - range.start >= range.size) {
        low = middle + 1;
      } else {
        return range;
      }
    }
    return null;
  }

  /**
   * How many bytes from an address on, at most {@code length}, lead nowhere.
   *
   * @param address one that no range holds
   */
  public int hole(long address, int length) {
    int low = 0;
    int high = ranges.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (Long.compareUnsigned(ranges[middle].start, address) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    // Beyond the last range the way is open up to the end of 64 bits, and from 0 on again.
    long run = low < ranges.length ? ranges[low].start - address : -address;
    return run > 0 && run < length ? (int) run : length;
  }

  /** All ranges in ascending order. */
  public List<Range> ranges() {
    return List.of(ranges);
  }
}
