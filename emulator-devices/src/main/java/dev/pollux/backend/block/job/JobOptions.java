package dev.pollux.backend.block.job;

import dev.pollux.backend.block.OnError;

/**
 * What every job can be told.
 *
 * @param id by which commands name it
 * @param speed bytes in a second; 0 for no limit
 * @param onSourceError what a failed read does
 * @param onTargetError what a failed write does
 * @param autoFinalize changes the graph at once when it is done
 * @param autoDismiss is forgotten at once when it is over
 */
public record JobOptions(
    String id,
    long speed,
    OnError onSourceError,
    OnError onTargetError,
    boolean autoFinalize,
    boolean autoDismiss) {
  public static JobOptions of(String id) {
    return new JobOptions(id, 0, OnError.REPORT, OnError.REPORT, true, true);
  }
}
