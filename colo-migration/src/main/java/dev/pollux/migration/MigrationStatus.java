package dev.pollux.migration;

import dev.pollux.core.config.Api;

/** How far a migration is. */
public enum MigrationStatus {
  @Api.Doc("none was started")
  NONE,
  @Api.Doc("connections are made")
  SETUP,
  CANCELLING,
  CANCELLED,
  @Api.Doc("memory flows while the guest runs")
  ACTIVE,
  POSTCOPY_DEVICE,
  POSTCOPY_ACTIVE,
  POSTCOPY_PAUSED,
  POSTCOPY_RECOVER_SETUP,
  POSTCOPY_RECOVER,
  COMPLETED,
  @Api.Doc("an error was seen; clean-up is under way")
  FAILING,
  FAILED,
  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("both sides run, with checkpoints")
  COLO,
  @Api.Doc("the guest is stopped and migrate-continue is awaited")
  PRE_SWITCHOVER,
  @Api.Doc("the state of the devices flows")
  DEVICE,
  WAIT_UNPLUG;

  /** The name, for instance {@code pre-switchover}. */
  public String label() {
    return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }

  /** Whether a migration is under way, so that nothing about it may be changed. */
  public boolean isUnderWay() {
    return switch (this) {
      case NONE, CANCELLED, COMPLETED, FAILED -> false;
      default -> true;
    };
  }
}
