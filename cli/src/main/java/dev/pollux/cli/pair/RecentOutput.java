package dev.pollux.cli.pair;

import java.util.Arrays;

/** What one side has printed since its last checkpoint: at most the last 64 KiB. */
final class RecentOutput {
  private static final int LIMIT = 64 * 1024;

  /** Bytes by which a place in the output is known. */
  private static final int ENOUGH = 128;

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
   * What this side has printed that the other one has not: both go on from the same state, so what
   * one printed last is somewhere in what the other did, or one of them begins with the other. What
   * came late, from before the checkpoint, does not matter so. Where nothing agrees it is all of
   * it.
   */
  byte[] beyond(RecentOutput other) {
    int seen = indexOf(bytes, other.last());
    if (seen >= 0) {
      return Arrays.copyOfRange(bytes, seen + other.last().length, bytes.length);
    }
    if (indexOf(other.bytes, last()) >= 0) {
      return new byte[0];
    }
    for (int from = Math.max(0, other.bytes.length - ENOUGH); from < other.bytes.length; from++) {
      int common = Math.min(bytes.length, other.bytes.length - from);
      if (common > 0 && Arrays.equals(bytes, 0, common, other.bytes, from, from + common)) {
        return Arrays.copyOfRange(bytes, common, bytes.length);
      }
    }
    return bytes;
  }

  /** Enough of the end to know it again; empty where there is not as much. */
  private byte[] last() {
    return bytes.length < ENOUGH
        ? new byte[0]
        : Arrays.copyOfRange(bytes, bytes.length - ENOUGH, bytes.length);
  }

  /** Where a text is, -1 for nowhere or an empty text. */
  private static int indexOf(byte[] in, byte[] text) {
    for (int at = 0; text.length > 0 && at + text.length <= in.length; at++) {
      if (Arrays.equals(in, at, at + text.length, text, 0, text.length)) {
        return at;
      }
    }
    return -1;
  }
}
