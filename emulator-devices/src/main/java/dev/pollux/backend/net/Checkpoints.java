package dev.pollux.backend.net;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Where what handles a pair's frames hears of checkpoints, and calls for them. The state that a
 * pair begins with has number 0; each checkpoint has the next one, on both sides. Listeners are
 * told with the machine lock held unless they say otherwise; calling is for any thread.
 */
public final class Checkpoints {
  /** Which part of a pair this machine is. */
  public enum Side {
    /** None, or the one that has gone on alone. */
    ALONE,
    PRIMARY,
    SECONDARY
  }

  /** Hears of the steps, whatever the side. Must not block. */
  public interface Listener {
    /** A pair begins: both sides have the same state. The guest stands still. */
    default void began(Side side) {}

    /** Primary: the guest stands still and its state was taken. */
    default void taken(long number) {}

    /** Primary: the secondary has all of the state that was taken last. Any thread, no lock. */
    default void received(long number) {}

    /** Secondary: the guest stands still and has this state now. */
    default void restored(long number) {}

    /** This side goes on alone; its guest stands still. */
    default void failedOver() {}
  }

  private final List<Listener> listeners = new CopyOnWriteArrayList<>();
  private volatile Side side = Side.ALONE;
  private volatile Runnable caller = () -> {};

  public void add(Listener listener) {
    listeners.add(listener);
  }

  public void remove(Listener listener) {
    listeners.remove(listener);
  }

  public Side side() {
    return side;
  }

  /** Sets who makes checkpoints. */
  public void setCaller(Runnable makesThem) {
    caller = makesThem;
  }

  /** Calls for a checkpoint; often is no more than once. */
  public void call() {
    caller.run();
  }

  public void begin(Side newSide) {
    side = newSide;
    listeners.forEach(listener -> listener.began(newSide));
  }

  public void taken(long number) {
    listeners.forEach(listener -> listener.taken(number));
  }

  public void received(long number) {
    listeners.forEach(listener -> listener.received(number));
  }

  public void restored(long number) {
    listeners.forEach(listener -> listener.restored(number));
  }

  public void failOver() {
    side = Side.ALONE;
    listeners.forEach(Listener::failedOver);
  }
}
