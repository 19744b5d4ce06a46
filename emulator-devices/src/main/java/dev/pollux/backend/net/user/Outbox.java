package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/**
 * Frames on their way to the guest. They are made with the network's lock held and given to the
 * link without it; one thread at a time does that, whichever comes first.
 *
 * <p>Bulk data stops at {@link #hasRoom}; what answers the guest has some more room, and is dropped
 * when that is used up, too, as on any network.
 */
final class Outbox {
  /** Frames up to which bulk data is taken. */
  static final int BULK_LIMIT = 64;

  static final int LIMIT = 1024;
  private static final int SMALL = 2048;
  private static final int BATCH = 32;
  private static final int POOLED_LARGE = 80;
  private static final int POOLED_SMALL = 256;

  private final NetLink link;
  private final ArrayDeque<Frame> queue = new ArrayDeque<>();
  private final ArrayDeque<Frame> large = new ArrayDeque<>();
  private final ArrayDeque<Frame> small = new ArrayDeque<>();
  private final Frame[] batch = new Frame[BATCH];
  private final AtomicInteger wanted = new AtomicInteger();
  private final LongAdder dropped;

  /**
   * @param dropped counts what finds no room
   */
  Outbox(NetLink link, LongAdder dropped) {
    this.link = link;
    this.dropped = dropped;
  }

  /**
   * A frame to fill in, with an empty buffer of at least {@code bytes}; to be given to {@link
   * #send}.
   */
  synchronized Frame take(int bytes) {
    boolean big = bytes > SMALL;
    Frame frame = (big ? large : small).poll();
    if (frame == null) {
      frame = new Frame(ByteBuffer.allocateDirect(big ? Frame.MAX_LENGTH : SMALL));
    }
    frame.set(frame.data().clear());
    return frame;
  }

  /** Enters a frame whose buffer holds it from its start to its limit. */
  synchronized void send(Frame frame) {
    if (queue.size() >= LIMIT) {
      dropped.increment();
      recycle(frame);
    } else {
      queue.add(frame);
    }
  }

  synchronized boolean hasRoom() {
    return queue.size() < BULK_LIMIT;
  }

  /** Gives the link what it takes. Without the network's lock. */
  void drain() {
    if (wanted.getAndIncrement() != 0) {
      return; // who is at it looks again
    }
    int seen = 1;
    do {
      pass();
      seen = wanted.addAndGet(-seen);
    } while (seen != 0);
  }

  private void pass() {
    while (true) {
      int count = 0;
      synchronized (this) {
        for (Frame frame : queue) {
          if (count == BATCH) {
            break;
          }
          batch[count++] = frame;
        }
      }
      if (count == 0) {
        return;
      }
      int taken = link.fromBackend(batch, count);
      synchronized (this) {
        for (int i = 0; i < taken; i++) {
          recycle(queue.poll());
        }
      }
      if (taken < count) {
        return;
      }
    }
  }

  private void recycle(Frame frame) {
    boolean big = frame.data().capacity() > SMALL;
    ArrayDeque<Frame> pool = big ? large : small;
    if (pool.size() < (big ? POOLED_LARGE : POOLED_SMALL)) {
      pool.add(frame);
    }
  }
}
