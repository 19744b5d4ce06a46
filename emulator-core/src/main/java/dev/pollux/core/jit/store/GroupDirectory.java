package dev.pollux.core.jit.store;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Where groups are. Their numbers begin with 1; one without bytes does not exist. */
final class GroupDirectory {
  private static final int ENTRY = Long.BYTES + 3 * Integer.BYTES;

  private int count;
  private long[] offsets;
  private int[] bytes;
  private int[] sums;
  private int[] runs;

  GroupDirectory() {
    this(StoreFile.buffer(0), 0);
  }

  /** As {@link #write} has written it. */
  GroupDirectory(ByteBuffer from, int count) {
    this.count = count;
    offsets = new long[count + 1];
    bytes = new int[count + 1];
    sums = new int[count + 1];
    runs = new int[count + 1];
    from.asLongBuffer().get(offsets, 1, count);
    from.position(Long.BYTES * count);
    from.asIntBuffer().get(bytes, 1, count).get(sums, 1, count).get(runs, 1, count);
  }

  ByteBuffer write(ByteBuffer to) {
    to.asLongBuffer().put(offsets, 1, count);
    to.position(Long.BYTES * count);
    to.asIntBuffer().put(bytes, 1, count).put(sums, 1, count).put(runs, 1, count);
    return to.rewind();
  }

  static int bytes(int count) {
    return count * ENTRY;
  }

  /** Bytes of all. */
  int bytes() {
    return bytes(count);
  }

  /** The largest number there is. */
  int count() {
    return count;
  }

  /** Enters a group, or puts it elsewhere. */
  void put(int group, long offset, int length, int sum, int run) {
    if (group >= offsets.length) {
      int room = Math.max(group + 1, 2 * offsets.length);
      offsets = Arrays.copyOf(offsets, room);
      bytes = Arrays.copyOf(bytes, room);
      sums = Arrays.copyOf(sums, room);
      runs = Arrays.copyOf(runs, room);
    }
    count = Math.max(count, group);
    offsets[group] = offset;
    bytes[group] = length;
    sums[group] = sum;
    runs[group] = run;
  }

  boolean has(int group) {
    return group > 0 && group <= count && bytes[group] > 0;
  }

  void remove(int group) {
    bytes[group] = 0;
  }

  /** Negative for one that is not in the file: the offset in the draft, inverted. */
  long offset(int group) {
    return offsets[group];
  }

  int length(int group) {
    return bytes[group];
  }

  int sum(int group) {
    return sums[group];
  }

  /** The run that used it last. */
  int run(int group) {
    return runs[group];
  }

  void setRun(int group, int run) {
    runs[group] = run;
  }
}
