package dev.pollux.migration;

import dev.pollux.core.config.Api;

/**
 * What can be switched on and off for migrations, in the order of {@code
 * query-migrate-capabilities}; all off at first.
 */
public enum MigrationCapability {
  @Api.Doc("pages that changed little are sent as differences")
  XBZRLE,
  @Api.Doc("RDMA pins all memory")
  RDMA_PIN_ALL,
  @Api.Doc("the guest is slowed down until the migration converges")
  AUTO_CONVERGE,
  @Api.Obsolete(
      since = "9.2",
      reason = "it belongs to block migration, which is gone",
      instead = "blockdev-mirror with NBD")
  @Api.Doc("zero blocks are sent efficiently; without effect")
  ZERO_BLOCKS,
  @Api.Doc("events tell of the migration")
  EVENTS,
  @Api.Doc("memory may follow after the switchover")
  POSTCOPY_RAM,
  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("after the migration both sides run, with checkpoints")
  X_COLO,
  @Api.Doc("memory that was sent is given back to the host")
  RELEASE_RAM,
  @Api.Doc("the destination can answer")
  RETURN_PATH,
  @Api.Doc("the source waits before the switchover for migrate-continue")
  PAUSE_BEFORE_SWITCHOVER,
  @Api.Doc("memory flows through several connections")
  MULTIFD,
  @Api.Doc("dirty bitmaps of disks are migrated")
  DIRTY_BITMAPS,
  @Api.Doc("the time that vCPUs wait for pages is measured")
  POSTCOPY_BLOCKTIME,
  @Api.Doc("a destination that stays paused leaves disks to the source")
  LATE_BLOCK_ACTIVATE,
  @Api.Unstable
  @Api.Doc("memory that both sides share is not sent")
  X_IGNORE_SHARED,
  @Api.Doc("both sides must have the same UUID")
  VALIDATE_UUID,
  @Api.Doc("a snapshot is taken while the guest runs")
  BACKGROUND_SNAPSHOT,
  @Api.Doc("sent memory is not copied by the host")
  ZERO_COPY_SEND,
  @Api.Doc("pages that a vCPU waits for overtake others")
  POSTCOPY_PREEMPT,
  @Api.Doc("the destination says when the switchover may come")
  SWITCHOVER_ACK,
  @Api.Doc("vCPUs that write much are slowed down")
  DIRTY_LIMIT,
  @Api.Doc("each page has a fixed place in the file")
  MAPPED_RAM;

  /** The name, for instance {@code return-path}. */
  public String label() {
    return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }
}
