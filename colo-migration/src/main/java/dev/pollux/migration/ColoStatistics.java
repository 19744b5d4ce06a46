package dev.pollux.migration;

import dev.pollux.core.config.Api;
import java.util.List;
import java.util.Optional;

/** What COLO has done so far on this side. */
public record ColoStatistics(
    @Api.Doc("checkpoints that are complete") long checkpoints,
    @Api.Doc("what they were for") List<Cause> causes,
    @Api.Doc("how long the guest stood still for them") List<StopTimes> stopTimes,
    @Api.Doc("microseconds, half of the stops were shorter") long medianStop,
    @Api.Doc("microseconds, 99 of 100 stops were shorter") long percentile99Stop,
    @Api.Doc("microseconds") long longestStop,
    @Api.Doc("pages of memory sent or received") long pages,
    @Api.Doc("bytes sent or received") long bytes,
    @Api.Doc("ms since the last checkpoint") long lag,
    Optional<String> lastError) {
  /** How often something called for a checkpoint. */
  @Api.Name("ColoCheckpointCause")
  public record Cause(String cause, long checkpoints) {}

  /** One bar of a histogram. */
  @Api.Name("ColoStopTimes")
  public record StopTimes(
      @Api.Doc("microseconds; the stops here were shorter") long below, long stops) {}
}
