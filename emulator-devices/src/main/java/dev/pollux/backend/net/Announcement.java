package dev.pollux.backend.net;

/**
 * How often a guest's place in a network is announced, in milliseconds.
 *
 * @param initial from the first time to the second
 * @param max the longest distance
 * @param rounds how often
 * @param step by which the distance grows
 */
public record Announcement(long initial, long max, long rounds, long step) {
  /** Milliseconds from one time, which is the {@code done}-th, to the next. */
  long distance(long done) {
    return Math.min(initial + (done - 1) * step, max);
  }
}
