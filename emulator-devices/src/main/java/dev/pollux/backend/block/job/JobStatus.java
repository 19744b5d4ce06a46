package dev.pollux.backend.block.job;

import java.util.Locale;

/** How far a job is, by QEMU's names. */
public enum JobStatus {
  CREATED,
  RUNNING,
  /** Held by a user, or by an error, before it is ready. */
  PAUSED,
  /** Follows what is written until it is told to end. */
  READY,
  /** Held while it is ready. */
  STANDBY,
  WAITING,
  /** Done but for the changes of the graph. */
  PENDING,
  ABORTING,
  /** Over; kept so that its result can be asked for. */
  CONCLUDED,
  /** Forgotten. */
  NULL;

  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
