package dev.pollux.migration;

import dev.pollux.core.config.Api;
import java.util.List;
import java.util.Optional;

/** What {@code query-migrate} tells: nothing before the first migration, more as it goes on. */
public record MigrationInfo(
    Optional<MigrationStatus> status,
    Optional<RamStats> ram,
    @Api.Doc("ms since the start") Optional<Long> totalTime,
    @Api.Doc("ms for which the guest would stand still now") Optional<Long> expectedDowntime,
    @Api.Doc("ms for which the guest stood still") Optional<Long> downtime,
    @Api.Doc("ms until memory flowed") Optional<Long> setupTime,
    @Api.Doc("percentage of time taken from vCPUs") Optional<Long> cpuThrottlePercentage,
    @Api.Doc("why it failed") Optional<String> errorDesc,
    @Api.Doc("why none can be started") Optional<List<String>> blockedReasons,
    @Api.Doc("where the destination listens")
        Optional<List<MigrationAddress.SocketAddress>> socketAddress) {
  /** Nothing has been started. */
  public static final MigrationInfo EMPTY = of(Optional.empty());

  /** Only a status. */
  public static MigrationInfo of(Optional<MigrationStatus> status) {
    return incoming(status, Optional.empty(), Optional.empty());
  }

  /** A migration that failed, and why. */
  public static MigrationInfo failed(Optional<String> errorDesc) {
    return incoming(Optional.of(MigrationStatus.FAILED), errorDesc, Optional.empty());
  }

  /** What a destination tells. */
  public static MigrationInfo incoming(
      Optional<MigrationStatus> status,
      Optional<String> errorDesc,
      Optional<List<MigrationAddress.SocketAddress>> socketAddress) {
    return new MigrationInfo(
        status,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        errorDesc,
        Optional.empty(),
        socketAddress);
  }

  /** What became of the guest's memory; bytes where nothing else is said. */
  @Api.Name("MigrationStats")
  public record RamStats(
      long transferred,
      long remaining,
      long total,
      @Api.Doc("zero pages") long duplicate,
      @Api.Doc("other pages") long normal,
      long normalBytes,
      @Api.Doc("pages per second that the guest writes") long dirtyPagesRate,
      @Api.Doc("megabits per second") double mbps,
      @Api.Doc("passes over the memory") long dirtySyncCount,
      @Api.Doc("pages asked for by the destination") long postcopyRequests,
      long pageSize,
      @Api.Unsigned long multifdBytes,
      @Api.Unsigned long pagesPerSecond,
      @Api.Unsigned @Api.Doc("sent while the guest ran here") long precopyBytes,
      @Api.Unsigned @Api.Doc("sent while it stood still") long downtimeBytes,
      @Api.Unsigned @Api.Doc("sent while it ran there") long postcopyBytes,
      @Api.Unsigned long dirtySyncMissedZeroCopy) {}
}
