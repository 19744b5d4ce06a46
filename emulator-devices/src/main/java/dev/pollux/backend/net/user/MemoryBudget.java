package dev.pollux.backend.net.user;

/** What all connections of a network may hold together. Guarded by the network's lock. */
final class MemoryBudget {
  private final long limit;
  private long used;

  /**
   * @param limit bytes
   */
  MemoryBudget(long limit) {
    this.limit = limit;
  }

  /**
   * Takes bytes.
   *
   * @param always also beyond the limit
   * @return whether they may be used
   */
  boolean take(long bytes, boolean always) {
    if (!always && used + bytes > limit) {
      return false;
    }
    used += bytes;
    return true;
  }

  void give(long bytes) {
    used -= bytes;
  }

  long used() {
    return used;
  }
}
