package dev.pollux.qmp.command;

import dev.pollux.backend.block.replication.Replication;
import dev.pollux.backend.block.replication.ReplicationNode;
import dev.pollux.core.config.Api;
import dev.pollux.migration.Colo;
import dev.pollux.migration.ColoStatistics;
import dev.pollux.migration.ColoStatus;
import dev.pollux.qmp.protocol.QmpException;
import java.io.IOException;
import java.util.Optional;

/** Commands for COLO. */
public sealed interface ColoCommands<R> extends QmpCommand<R> {
  @Api.Name("x-colo-lost-heartbeat")
  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("Says that the other side is gone: this one takes over and goes on alone.")
  record ColoLostHeartbeat() implements ColoCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().lostHeartbeat();
      return null;
    }
  }

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("What COLO does.")
  record QueryColoStatus() implements ColoCommands<ColoStatus> {
    @Override
    public ColoStatus run(QmpContext context) {
      return context.migration().coloStatus();
    }
  }

  @Api.Name("x-pollux-query-colo-statistics")
  @Api.Unstable
  @Api.Doc("What COLO has done so far on this side: checkpoints, causes, stop times.")
  record QueryColoStatistics() implements ColoCommands<ColoStatistics> {
    @Override
    public ColoStatistics run(QmpContext context) {
      return context.migration().coloStatistics();
    }
  }

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("Starts or stops the replication of disks.")
  record XenSetReplication(
      boolean enable,
      @Api.Doc("side of this machine") boolean primary,
      @Api.Doc("with enable false: this side takes over") Optional<Boolean> failover)
      implements ColoCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      if (enable && failover.isPresent()) {
        throw new QmpException("Parameter 'failover' is only for stopping replication");
      }
      Replication replication = context.blocks().replication();
      return io(
          () -> {
            if (enable) {
              replication.start(
                  primary ? ReplicationNode.Mode.PRIMARY : ReplicationNode.Mode.SECONDARY);
            } else {
              replication.stop(failover.orElse(false));
            }
          });
    }
  }

  /** How replication fares. */
  record ReplicationStatus(boolean error, @Api.Doc("what went wrong") Optional<String> desc) {}

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("How the replication of disks fares.")
  record QueryXenReplicationStatus() implements ColoCommands<ReplicationStatus> {
    @Override
    public ReplicationStatus run(QmpContext context) {
      Optional<String> error = context.blocks().replication().error();
      return new ReplicationStatus(error.isPresent(), error);
    }
  }

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("Asks for a checkpoint; without a pair only of the disks.")
  record XenColoDoCheckpoint() implements ColoCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      if (context.migration().coloStatus().mode() != ColoStatus.Mode.NONE) {
        context.migration().checkpoint();
        return null;
      }
      return io(() -> context.blocks().replication().checkpoint());
    }
  }

  /** Work on disks. */
  interface Io {
    void run() throws IOException;
  }

  private static Void io(Io work) throws QmpException {
    try {
      work.run();
      return null;
    } catch (IOException e) {
      throw new QmpException(e.getMessage());
    }
  }
}
