package dev.pollux.cli.pair.web;

import java.util.Arrays;

/** The end of what was said: at most so many bytes. */
final class Tail {
  private final int limit;
  private byte[] bytes = {};

  /**
   * @param limit bytes
   */
  Tail(int limit) {
    this.limit = limit;
  }

  void add(byte[] more, int length) {
    byte[] all = Arrays.copyOf(bytes, bytes.length + length);
    System.arraycopy(more, 0, all, bytes.length, length);
    bytes = all.length <= limit ? all : Arrays.copyOfRange(all, all.length - limit, all.length);
  }

  byte[] bytes() {
    return bytes;
  }

  /** Hands out all of it, and has nothing afterwards. */
  byte[] take() {
    byte[] taken = bytes;
    bytes = new byte[0];
    return taken;
  }
}
