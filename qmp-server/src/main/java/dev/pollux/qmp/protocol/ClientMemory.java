package dev.pollux.qmp.protocol;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The memory that clients of monitors can make this process hold with what they send, all of them
 * together. Any thread.
 */
public final class ClientMemory {
  /** The part of the heap that is for requests: enough for the longest that QEMU takes. */
  private static final int HEAP_SHARE = 4;

  private final long most;
  private final AtomicLong held = new AtomicLong();

  /**
   * @param most bytes
   */
  ClientMemory(long most) {
    this.most = most;
  }

  /** As much as this process can spare. */
  public static ClientMemory ofHeap() {
    return new ClientMemory(Runtime.getRuntime().maxMemory() / HEAP_SHARE);
  }

  /** Takes so many bytes; false, and nothing is taken, where that is more than there are. */
  boolean take(long bytes) {
    if (held.addAndGet(bytes) <= most) {
      return true;
    }
    held.addAndGet(-bytes);
    return false;
  }

  /** Gives back what {@link #take} took. */
  void give(long bytes) {
    held.addAndGet(-bytes);
  }

  /** Bytes taken at present. */
  long held() {
    return held.get();
  }
}
