package dev.pollux.migration;

import dev.pollux.core.config.Api;

/** What {@code query-colo-status} tells. */
@Api.Name("COLOStatus")
public record ColoStatus(
    @Api.Doc("side of this machine") Mode mode,
    @Api.Doc("side it had before the failover") Mode lastMode,
    @Api.Doc("why COLO ended") ExitReason reason) {
  /** COLO was never on. */
  public static final ColoStatus NONE = new ColoStatus(Mode.NONE, Mode.NONE, ExitReason.NONE);

  /** Sides of a pair. */
  @Api.Name("COLOMode")
  public enum Mode {
    @Api.Doc("COLO is off")
    NONE,
    PRIMARY,
    SECONDARY
  }

  /** Why COLO ended. */
  @Api.Name("COLOExitReason")
  public enum ExitReason {
    @Api.Doc("it has not ended")
    NONE,
    @Api.Doc("a failover was asked for")
    REQUEST,
    ERROR,
    @Api.Doc("a failover is under way")
    PROCESSING
  }
}
