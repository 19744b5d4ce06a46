package dev.pollux.tests.hostile;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** What a peer does from some moment on instead of what it should. */
enum Misbehaviour {
  /** Says nothing and reads nothing. */
  SILENT,
  /** Reads, and says nothing. */
  READ_ONLY,
  /** Says that it lives, and reads nothing. */
  HEARTBEATS_ONLY,
  /** Says that it lives, reads a little now and then. */
  SLOW,
  /** Says the same message as fast as it can. */
  FLOOD,
  /** Says the same message as fast as it can, and reads nothing. */
  DEAF_FLOOD,
  /** Says what is no message at all. */
  GARBAGE,
  /** Ends the connection. */
  HANG_UP,
  /** Ends the connection without an end. */
  RESET;

  private static final int BURST = 1024;
  private static final int SHORT_MILLIS = 500;
  private static final int LONG_MILLIS = 8000;

  /** Behaves so for a while: sometimes for longer than a pair lets its peer be silent. */
  void behave(HostileLink link, Random random) {
    int longest = random.nextInt(4) == 0 ? LONG_MILLIS : SHORT_MILLIS;
    long millis = random.nextInt(longest);
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    // Whoever writes waits where the other side does not read; the end of the attack wakes it.
    Thread _ = Thread.ofPlatform().daemon(true).start(() -> begin(link, random, end));
    HostileLink.pause(millis);
  }

  private void begin(HostileLink link, Random random, long end) {
    try {
      switch (this) {
        case SILENT -> link.stopBeating();
        case READ_ONLY -> {
          link.stopBeating();
          link.drain();
        }
        case HEARTBEATS_ONLY -> link.beat();
        case SLOW -> {
          link.beat();
          while (System.nanoTime() < end) {
            byte[] _ = link.read(16);
            HostileLink.pause(20);
          }
        }
        case FLOOD, DEAF_FLOOD -> flood(link, random, end);
        case GARBAGE -> {
          byte[] bytes = new byte[1 + random.nextInt(BURST)];
          random.nextBytes(bytes);
          link.send(bytes);
          link.drain();
        }
        case HANG_UP -> link.hangUp();
        case RESET -> link.reset();
      }
    } catch (IOException e) {
      // The other side has had enough.
    }
  }

  private void flood(HostileLink link, Random random, long end) throws IOException {
    if (this == FLOOD) {
      link.drain();
    }
    int message = random.nextBoolean() ? HostileLink.HEARTBEAT : random.nextInt(0x104);
    ByteBuffer burst = ByteBuffer.allocate(4 * BURST);
    while (burst.hasRemaining()) {
      burst.putInt(message);
    }
    while (System.nanoTime() < end) {
      link.send(burst.array());
    }
  }
}
