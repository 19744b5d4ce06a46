package dev.pollux.migration.colo;

import dev.pollux.migration.ColoStatus;
import java.io.IOException;

/**
 * The disks of a pair, as checkpoints see them. Event loop with the machine lock held, but where
 * something else is said.
 *
 * <p>What the primary's guest writes reaches the secondary's disks at once. What it writes after
 * {@link #taken} belongs to the next checkpoint, and must not come there before the secondary has
 * put this one in place; so it waits until {@link #loaded}.
 */
public interface ReplicatedDisks {
  /** There are none. */
  ReplicatedDisks NONE =
      new ReplicatedDisks() {
        @Override
        public void start(ColoStatus.Mode side) {}

        @Override
        public void ebb(long millis) {}

        @Override
        public void flow() {}

        @Override
        public void taken() {}

        @Override
        public void check() {}

        @Override
        public void loaded() {}

        @Override
        public void peerLost() {}

        @Override
        public void checkpoint() {}

        @Override
        public void failOver() {}
      };

  /**
   * Both sides have the same state and both guests are about to run.
   *
   * @throws IOException if disks are not as they have to be
   */
  void start(ColoStatus.Mode side) throws IOException;

  /**
   * Primary: its guest is about to stand still, with none of its requests under way. COLO's thread.
   *
   * @param millis it may take to have most of them end before
   */
  void ebb(long millis) throws IOException;

  /** Primary: its guest runs again, or was not stopped. COLO's thread. */
  void flow();

  /** Primary: the guest stands still, none of its requests is under way, its state was taken. */
  void taken();

  /**
   * Primary: whether the other side's disks have all that the guest has written before its state
   * was taken. COLO's thread.
   *
   * @throws IOException if they do not: the other side must not go on from that state
   */
  void check() throws IOException;

  /** Primary: the secondary runs the state that was taken last. COLO's thread. */
  void loaded();

  /** Primary: there is no pair any more; requests to the other side's disks fail. Any thread. */
  void peerLost();

  /** Secondary: the state that was sent is being put in place; the guest stands still. */
  void checkpoint() throws IOException;

  /** This side goes on alone; its guest stands still. */
  void failOver();
}
