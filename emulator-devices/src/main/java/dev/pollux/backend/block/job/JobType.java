package dev.pollux.backend.block.job;

import java.util.Locale;

/** Kinds of jobs. */
public enum JobType {
  MIRROR,
  BACKUP,
  COMMIT,
  STREAM,
  CREATE;

  /** Whether it works on a disk, so that the commands {@code block-job-*} know it. */
  public boolean isBlockJob() {
    return this != CREATE;
  }

  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
