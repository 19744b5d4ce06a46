package dev.pollux.backend.block.job;

/** What of a disk is copied. */
public enum SyncMode {
  /** Only what its own image holds, not those below. */
  TOP,
  FULL,
  /** Nothing but what is written from now on. */
  NONE
}
