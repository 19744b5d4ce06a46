package dev.pollux.backend.net.user;

import java.nio.ByteBuffer;

/**
 * Which bytes behind a gap of a TCP stream have come: a few ranges of sequence numbers, in order
 * and apart from each other (RFC 9293, 3.10.7.4). Not thread-safe.
 */
final class Reassembly {
  private static final int MAX_RANGES = 64;
  private static final int MAX_BLOCKS = 4;

  private final int[] from = new int[MAX_RANGES];
  private final int[] end = new int[MAX_RANGES];
  private int count;

  boolean isEmpty() {
    return count == 0;
  }

  /**
   * Enters a range.
   *
   * @return false where there are too many gaps to remember it
   */
  boolean add(int start, int stop) {
    int first = 0;
    while (first < count && end[first] - start < 0) {
      first++;
    }
    int last = first;
    int low = start;
    int high = stop;
    while (last < count && from[last] - stop <= 0) {
      low = from[last] - low < 0 ? from[last] : low;
      high = end[last] - high > 0 ? end[last] : high;
      last++;
    }
    if (first == last && count == MAX_RANGES) {
      return false;
    }
    int moved = count - last;
    System.arraycopy(from, last, from, first + 1, moved);
    System.arraycopy(end, last, end, first + 1, moved);
    from[first] = low;
    end[first] = high;
    count = first + 1 + moved;
    return true;
  }

  /**
   * Writes the first ranges as a TCP option for selective acknowledgements (RFC 2018, 3), padded to
   * words.
   */
  void writeOption(ByteBuffer to, int at) {
    int blocks = Math.min(count, MAX_BLOCKS);
    to.putInt(at, 0x0101_0500 | 2 + 8 * blocks);
    for (int i = 0; i < blocks; i++) {
      to.putInt(at + 4 + 8 * i, from[i]).putInt(at + 8 + 8 * i, end[i]);
    }
  }

  /** Bytes of that option. */
  int optionLength() {
    return 4 + 8 * Math.min(count, MAX_BLOCKS);
  }

  /** The end of what follows {@code next} without a gap, which is forgotten here. */
  int advance(int next) {
    int reached = next;
    int used = 0;
    while (used < count && from[used] - reached <= 0) {
      reached = end[used] - reached > 0 ? end[used] : reached;
      used++;
    }
    System.arraycopy(from, used, from, 0, count - used);
    System.arraycopy(end, used, end, 0, count - used);
    count -= used;
    return reached;
  }
}
