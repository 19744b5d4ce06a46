package dev.pollux.backend.net;

/**
 * Sees the frames that pass a link in its direction. A filter lets a frame pass or keeps it; what
 * it kept (as a copy) it can put back later with {@link NetLink#inject}, behind itself.
 */
public interface NetFilter {
  /** Which way a filter looks, seen from the back end. */
  enum Direction {
    /** Both ways. */
    ALL,
    /** What the back end receives: out of the guest. */
    RX,
    /** What the back end sends: towards the guest. */
    TX;

    boolean includes(Direction way) {
      return this == ALL || this == way;
    }
  }

  String id();

  Direction direction();

  /** False: frames pass as if the filter were not there. */
  boolean isOn();

  /**
   * Looks at a frame. One call at a time in each direction.
   *
   * @param way {@link Direction#RX} or {@link Direction#TX}
   * @return true to let it pass, false to keep it
   */
  boolean pass(Frame frame, Direction way);

  /**
   * No more frames follow at once: what has been gathered of those that have passed goes on its
   * way. Any thread that may send.
   */
  default void flush() {}

  /** Unfinished frames can be given as they are. */
  default boolean takesUnfinished() {
    return false;
  }
}
