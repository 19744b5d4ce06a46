package dev.pollux.backend.block.job;

import static dev.pollux.backend.block.job.JobStatus.*;

import java.util.Locale;

/** What a job can be told, and when. */
enum JobVerb {
  CANCEL(CREATED, PENDING),
  PAUSE(CREATED, STANDBY),
  RESUME(CREATED, STANDBY),
  SET_SPEED(CREATED, STANDBY),
  COMPLETE(READY, STANDBY),
  FINALIZE(PENDING, PENDING),
  DISMISS(CONCLUDED, CONCLUDED);

  private final JobStatus first;
  private final JobStatus last;

  JobVerb(JobStatus first, JobStatus last) {
    this.first = first;
    this.last = last;
  }

  boolean isAllowed(JobStatus status) {
    return status.compareTo(first) >= 0 && status.compareTo(last) <= 0;
  }

  String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
