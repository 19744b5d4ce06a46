package dev.pollux.cli.pair.decide;

import java.util.Optional;

/** What a side hears. */
public sealed interface Event {
  /** Time has passed. */
  record Tick() implements Event {}

  /**
   * The coordination service has answered a look, or refused a replacement; empty for no record.
   */
  record Found(Optional<Ledger> ledger) implements Event {}

  /** The replacement that was asked for last was made. */
  record Written() implements Event {}

  /** No answer has come: what was asked for may have happened, or happen later. */
  record Unanswered() implements Event {}

  /** The guest runs in a process that was started for that. */
  record Runs() implements Event {}

  /** A process waits for a primary. */
  record Waits() implements Event {}

  /**
   * On both sides: the first checkpoint is whole, the disks follow each other.
   *
   * @param generation of the copy's disks: one that was made and lost meanwhile is another
   */
  record Paired(String generation) implements Event {}

  /** On either side: the pair, or what was to become one, is none any more. */
  record Broken() implements Event {}

  /** The machine's process has ended. */
  record Gone() implements Event {}

  /** The guest has ended. */
  record GuestEnded() implements Event {}

  /**
   * This side's disk has not taken a write. Where the other's has, the guest knows nothing of it.
   */
  record DiskFails() implements Event {}

  /**
   * The other side's agent has spoken.
   *
   * @param generation of its disks; a new one for each process that is to become a copy
   * @param hasImages it could begin from its disks
   */
  record PeerSays(Doing doing, String generation, boolean hasImages) implements Event {}

  /** Nothing comes from the other side's agent. */
  record PeerSilent() implements Event {}

  /**
   * The fencing command has ended.
   *
   * @param done the other side is certainly off
   */
  record FenceEnded(boolean done) implements Event {}

  /** What somebody wants. */
  record Wanted(Wish wish) implements Event {}

  /** What a user, or the other side for him, may want. */
  enum Wish {
    /** This side is to run the guest. */
    PROMOTE,
    /** The same from whatever this side's disks have, once nobody else may run. */
    PROMOTE_ANYWAY,
    /** The other side is to run the guest. */
    DEMOTE,
    /** The copy is to be made again, in full. */
    RESYNC,
    /** The pair is to end. */
    STOP,
    /** This side's agent is to end; the other goes on, where it can. */
    LEAVE
  }
}
