package dev.pollux.migration.colo;

/**
 * Hears of the steps of checkpoints: who holds the guest's output back until the secondary can
 * stand in for it. Must not block.
 *
 * <p>What the primary's guest sends belongs to the state that the next {@link #taken} takes. It may
 * leave when the secondary has produced the same, or at the {@link #received} of that checkpoint.
 * From {@link #taken} to {@link #loaded} the secondary's output belongs to the state before and is
 * compared with nothing newer.
 */
public interface CheckpointListener {
  /**
   * A pair begins: both sides have the same state, the guest stands still. Event loop, machine lock
   * held.
   */
  default void began() {}

  /** Primary: the guest stands still and its state was taken. Event loop, machine lock held. */
  default void taken() {}

  /** Primary: the secondary has the whole state that was taken last. COLO's thread. */
  default void received() {}

  /**
   * The secondary runs the state that was taken last; on the secondary itself called while its
   * guest stands still, on the event loop, otherwise on COLO's thread.
   */
  default void loaded() {}

  /** This side goes on alone; its guest stands still. Event loop, machine lock held. */
  default void failedOver() {}
}
