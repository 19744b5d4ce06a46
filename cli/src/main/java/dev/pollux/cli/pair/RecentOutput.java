package dev.pollux.cli.pair;

import java.util.Arrays;

/** What one side has printed since its last checkpoint: at most the last 64 KiB. */
final class RecentOutput {
  private static final int LIMIT = 64 * 1024;

  private byte[] bytes = {};

  void add(byte[] more, int length) {
    int from = Math.max(0, bytes.length + length - LIMIT);
    byte[] all = Arrays.copyOf(bytes, bytes.length + length);
    System.arraycopy(more, 0, all, bytes.length, length);
    bytes = from == 0 ? all : Arrays.copyOfRange(all, from, all.length);
  }

  void clear() {
    bytes = new byte[0];
  }

  /**
   * What this side has printed that the other one has not: both go on from the same state, so one
   * of them begins with the other. Where they differ it is all of it. Some output of the other side
   * from before the checkpoint may come first.
   */
  byte[] beyond(RecentOutput other) {
    for (int from = 0; from < other.bytes.length; from++) {
      int common = Math.min(bytes.length, other.bytes.length - from);
      if (common > 0 && Arrays.equals(bytes, 0, common, other.bytes, from, from + common)) {
        return Arrays.copyOfRange(bytes, common, bytes.length);
      }
    }
    return bytes;
  }
}
