package dev.pollux.qmp.command;

import dev.pollux.backend.block.job.JobStatus;
import dev.pollux.backend.block.job.JobType;
import dev.pollux.core.config.Api;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.Colo;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.qmp.schema.Qmp;
import java.util.Optional;

/** The events. A new record in here is a new event. */
public sealed interface Events {
  @Api.Doc("The vCPUs were stopped.")
  record Stop() implements Events {}

  @Api.Doc("The vCPUs run again.")
  record Resume() implements Events {}

  @Api.Doc("The machine was reset.")
  record Reset(@Api.Doc("whether the guest asked for it") boolean guest, ShutdownCause reason)
      implements Events {}

  @Api.Doc("The guest has ended, or its host ends it.")
  record Shutdown(@Api.Doc("whether the guest asked for it") boolean guest, ShutdownCause reason)
      implements Events {}

  @Api.Doc("The power button was pressed.")
  record Powerdown() implements Events {}

  /** What follows a panic. */
  enum GuestPanicAction {
    @Api.Doc("the machine stands")
    PAUSE,
    @Api.Doc("the machine ends")
    POWEROFF,
    @Api.Doc("the guest goes on")
    RUN
  }

  @Api.Doc("The guest's kernel has panicked.")
  record GuestPanicked(GuestPanicAction action) implements Events {}

  @Api.Doc("The guest's kernel has panicked, and its crash kernel runs.")
  record GuestCrashloaded(GuestPanicAction action) implements Events {}

  @Api.Doc("The guest sleeps in RAM.")
  record Suspend() implements Events {}

  @Api.Doc("The guest goes to sleep on disk; its power-off follows.")
  record SuspendDisk() implements Events {}

  @Api.Doc("The guest has been woken from its sleep in RAM.")
  record Wakeup() implements Events {}

  @Api.Doc("A migration's status has changed; only with the capability events.")
  record Migration(MigrationStatus status) implements Events {}

  @Api.Doc("The source has begun another pass over the memory; only with the capability events.")
  record MigrationPass(@Api.Doc("1 for the first") long pass) implements Events {}

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("COLO has ended on this side.")
  record ColoExit(ColoStatus.Mode mode, ColoStatus.ExitReason reason) implements Events {}

  /** Kinds of ends of a stream. */
  enum StreamAddressType {
    INET,
    UNIX,
    FD
  }

  /** The other end of a stream. */
  @Api.Union(values = StreamAddressType.class)
  sealed interface StreamAddress {
    record Inet(String host, @Api.Doc("a number") String port, boolean ipv4, boolean ipv6)
        implements StreamAddress {}

    record Unix(String path) implements StreamAddress {}

    record Fd(@Api.Doc("a descriptor's number") String str) implements StreamAddress {}
  }

  @Api.Doc("A network of type stream has a peer.")
  record NetdevStreamConnected(@Api.Doc("the network's name") String netdevId, StreamAddress addr)
      implements Events {}

  @Api.Doc("A network of type stream has lost its peer.")
  record NetdevStreamDisconnected(@Api.Doc("the network's name") String netdevId)
      implements Events {}

  @Api.Doc(
      "A guest wants other frames of its card than before; the next change is told after"
          + " query-rx-filter.")
  record NicRxFilterChanged(
      @Api.Doc("the card; absent where it has no name") Optional<String> name,
      @Api.Doc("where it is among the objects") String path)
      implements Events {}

  /** What kind of request failed. */
  enum IoOperationType {
    READ,
    WRITE
  }

  /** What became of it. */
  enum BlockErrorAction {
    IGNORE,
    REPORT,
    STOP
  }

  @Api.Doc("A disk reported an error.")
  record BlockIoError(
      @Api.Doc("where the device is among the objects") String qomPath,
      @Api.Doc("the backend; empty where it has no name") String device,
      Optional<String> nodeName,
      IoOperationType operation,
      BlockErrorAction action,
      @Api.Doc("there was no space left") Optional<Boolean> nospace,
      @Api.Doc("for people") String reason)
      implements Events {}

  @Api.Doc("An image turned out to be damaged.")
  record BlockImageCorrupted(
      String device,
      Optional<String> nodeName,
      String msg,
      Optional<Long> offset,
      Optional<Long> size,
      @Api.Doc("it cannot be written any more") boolean fatal)
      implements Events {}

  @Api.Doc("A job's status has changed.")
  record JobStatusChange(String id, JobStatus status) implements Events {}

  @Api.Doc("A job follows what is written from now on, and may be completed.")
  record BlockJobReady(
      JobType type, @Api.Doc("the job") String device, long len, long offset, long speed)
      implements Events {}

  @Api.Doc("A job is done but for the changes of the graph.")
  record BlockJobPending(JobType type, String id) implements Events {}

  @Api.Doc("A job is over.")
  record BlockJobCompleted(
      JobType type,
      @Api.Doc("the job") String device,
      long len,
      long offset,
      long speed,
      @Api.Doc("what went wrong") Optional<String> error)
      implements Events {}

  @Api.Doc("A job was cancelled.")
  record BlockJobCancelled(
      JobType type, @Api.Doc("the job") String device, long len, long offset, long speed)
      implements Events {}

  @Api.Doc("A request of a job has failed.")
  record BlockJobError(
      @Api.Doc("the job") String device, IoOperationType operation, BlockErrorAction action)
      implements Events {}

  @Api.Doc("An export is gone, and its clients with it.")
  record BlockExportDeleted(String id) implements Events {}

  @Api.Doc("A tray was opened or closed.")
  record DeviceTrayMoved(
      String device, @Api.Doc("where the device is among the objects") String id, boolean trayOpen)
      implements Events {}

  /** What a quorum did when a child failed. */
  enum QuorumOpType {
    READ,
    WRITE,
    FLUSH
  }

  @Api.Doc("A child of a quorum failed, or answered otherwise than the others.")
  record QuorumReportBad(
      QuorumOpType type,
      Optional<String> error,
      String nodeName,
      @Api.Doc("first sector") long sectorNum,
      @Api.Doc("sectors") long sectorsCount)
      implements Events {}

  @Api.Doc("Too few children of a quorum did what was asked.")
  record QuorumFailure(
      @Api.Doc("the quorum's name") String reference,
      @Api.Doc("first sector") long sectorNum,
      @Api.Doc("sectors") long sectorsCount)
      implements Events {}

  @Api.Doc("A device is gone: the guest has let go of it.")
  record DeviceDeleted(
      @Api.Doc("its id") Optional<String> device, @Api.Doc("where it was") String path)
      implements Events {}

  @Api.Doc("The guest would not let go of a device.")
  record DeviceUnplugGuestError(
      @Api.Doc("its id") Optional<String> device, @Api.Doc("where it is") String path)
      implements Events {}

  @Qmp.RateLimited(per = "id")
  @Api.Doc("The guest has opened or closed a port of virtio-serial.")
  record VserportChange(@Api.Doc("the port's id") String id, boolean open) implements Events {}

  @Qmp.RateLimited
  @Api.Doc("The guest has more or less memory than before.")
  record BalloonChange(@Api.Doc("bytes that the guest has now") long actual) implements Events {}
}
