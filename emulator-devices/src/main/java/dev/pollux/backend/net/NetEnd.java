package dev.pollux.backend.net;

/** One end of a {@link NetLink}: a network card, or a back end. */
public interface NetEnd {
  /**
   * Takes frames that the other end sends. Any thread, one call at a time; never waits.
   *
   * @return how many, from the first on, were taken or dropped for good. Where it is fewer than
   *     {@code count}, the sender keeps the others and offers them again after {@link
   *     NetLink#ready}, which this end calls as soon as it has room.
   */
  int take(Frame[] frames, int count);

  /**
   * Does what {@link #take} has left for when the link's locks are free again; never waits. Called
   * after one or several calls of it, on the same thread.
   */
  default void settle() {}

  /** The other end has room again, after it had taken fewer frames than it was offered. */
  void resume();

  /** What this end does with unfinished frames. May change while the guest runs. */
  Offloads offloads();

  /**
   * The other end uses this queue of several, or leaves it out: then nothing is sent to it. Never
   * waits.
   */
  default void setActive(boolean on) {}

  /** The cable was plugged in or pulled. */
  default void linkChanged(boolean up) {}
}
