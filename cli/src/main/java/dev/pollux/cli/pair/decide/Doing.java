package dev.pollux.cli.pair.decide;

/** What a side's machine does. */
public enum Doing {
  NOTHING,
  /** A process is being started that is to run the guest. */
  STARTING,
  RUNNING,
  /** A process is being started that is to become a copy. */
  PREPARING,
  /** It waits for a primary. */
  READY,
  /** It is a copy of the primary that runs along. */
  COPY,
  /** It is being killed. */
  STOPPING
}
