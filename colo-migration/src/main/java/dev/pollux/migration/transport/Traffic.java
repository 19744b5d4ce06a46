package dev.pollux.migration.transport;

import java.io.IOException;
import java.nio.ByteBuffer;

/** When something last went through a socket. One thread reads, one writes, any may ask. */
final class Traffic {
  /** So much is given to the host at once that a slow link, too, takes it within seconds. */
  private static final int SLICE = 64 << 10;

  /** Writes some of a buffer's bytes. */
  @FunctionalInterface
  interface Sink {
    void write(ByteBuffer from) throws IOException;
  }

  private volatile long heard = System.nanoTime();
  private volatile long writing;
  private volatile boolean isWriting;

  /** Something came. */
  void hear() {
    heard = System.nanoTime();
  }

  /** Writes all of a buffer's bytes. */
  void write(ByteBuffer from, Sink sink) throws IOException {
    int limit = from.limit();
    try {
      while (from.position() < limit) {
        writing = System.nanoTime();
        isWriting = true;
        from.limit(Math.min(limit, from.position() + SLICE));
        sink.write(from);
      }
    } finally {
      isWriting = false;
      from.limit(limit);
    }
  }

  /** As {@link MigrationChannel#quietNanos}. */
  long quietNanos() {
    return System.nanoTime() - heard;
  }

  /** As {@link MigrationChannel#stalledNanos}. */
  long stalledNanos() {
    long since = writing;
    return isWriting ? System.nanoTime() - since : 0;
  }
}
