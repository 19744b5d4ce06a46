package dev.pollux.cli.pair.decide;

/** What is to be done. */
public sealed interface Action {
  /** Look at the record; answered by {@code Found} or {@code Unanswered}. */
  record Look() implements Action {}

  /**
   * Replace the record, if it has the version before, or make the first; answered by {@code
   * Written}, {@code Found} or {@code Unanswered}.
   */
  record Write(Ledger ledger) implements Action {}

  /**
   * The guest may run, and its output leave, until then by this host's clock, and not longer
   * whatever happens to this process. It goes on where it was stopped at an earlier end.
   */
  record Allow(long until) implements Action {}

  /** Start a process that runs the guest from this side's disks. */
  record StartPrimary(long until) implements Action {}

  /**
   * Start a process that becomes a copy. What this side's disks have is of no use any more; before
   * they are touched the name of their generation is.
   */
  record StartCopy(String generation) implements Action {}

  /** Make the waiting process of the other side a copy of this one. */
  record Pair(String generation) implements Action {}

  /** Cut the pair's connection. */
  record Unpair() implements Action {}

  /** The primary goes on alone: what was held back may leave. */
  record GoOnAlone() implements Action {}

  /** The copy becomes the primary. */
  record TakeOver() implements Action {}

  /** Kill this side's process; answered by {@code Gone}. */
  record Kill() implements Action {}

  /** Have the other side switched off; answered by {@code FenceEnded}. */
  record Fence() implements Action {}

  /** Tell the other side of a wish. */
  record Forward(Event.Wish wish) implements Action {}

  /** Tell the user. */
  record Tell(String event, String sentence) implements Action {}

  /** This side's work is done. */
  record Exit() implements Action {}
}
