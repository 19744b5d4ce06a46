package dev.pollux.backend.net.user;

/**
 * Which bytes behind a gap of a TCP stream have come: a few ranges of sequence numbers, in order
 * and apart from each other (RFC 9293, 3.10.7.4). Not thread-safe.
 */
final class Reassembly {
  private static final int MAX_RANGES = 32;

  private final int[] from = new int[MAX_RANGES];
  private final int[] to = new int[MAX_RANGES];
  private int count;

  boolean isEmpty() {
    return count == 0;
  }

  /**
   * Enters a range.
   *
   * @return false where there are too many gaps to remember it
   */
  boolean add(int start, int end) {
    int first = 0;
    while (first < count && to[first] - start < 0) {
      first++;
    }
    int last = first;
    int low = start;
    int high = end;
    while (last < count && from[last] - end <= 0) {
      low = from[last] - low < 0 ? from[last] : low;
      high = to[last] - high > 0 ? to[last] : high;
      last++;
    }
    if (first == last && count == MAX_RANGES) {
      return false;
    }
    int moved = count - last;
    System.arraycopy(from, last, from, first + 1, moved);
    System.arraycopy(to, last, to, first + 1, moved);
    from[first] = low;
    to[first] = high;
    count = first + 1 + moved;
    return true;
  }

  /** The end of what follows {@code next} without a gap, which is forgotten here. */
  int advance(int next) {
    int end = next;
    int used = 0;
    while (used < count && from[used] - end <= 0) {
      end = to[used] - end > 0 ? to[used] : end;
      used++;
    }
    System.arraycopy(from, used, from, 0, count - used);
    System.arraycopy(to, used, to, 0, count - used);
    count -= used;
    return end;
  }
}
