package dev.pollux.migration.colo;

import dev.pollux.backend.block.replication.Replication;
import dev.pollux.backend.block.replication.ReplicationNode;
import dev.pollux.core.config.ConfigException;
import dev.pollux.migration.ColoStatus;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The disks of a pair that a block graph holds. */
public final class BlockReplicas implements ReplicatedDisks {
  private static final Logger log = LoggerFactory.getLogger(BlockReplicas.class);

  private final Replication replication;

  public BlockReplicas(Replication replication) {
    this.replication = replication;
  }

  @Override
  public void start(ColoStatus.Mode side) throws IOException {
    try {
      replication.start(
          side == ColoStatus.Mode.PRIMARY
              ? ReplicationNode.Mode.PRIMARY
              : ReplicationNode.Mode.SECONDARY);
    } catch (ConfigException e) {
      throw new IOException("disks cannot be replicated: " + e.getMessage(), e);
    }
  }

  @Override
  public void ebb(long millis) throws IOException {
    try {
      replication.ebb(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
  }

  @Override
  public void flow() {
    replication.flow();
  }

  @Override
  public void taken() {
    replication.hold();
  }

  @Override
  public void check() throws IOException {
    replication.check();
  }

  @Override
  public void loaded() {
    replication.letGo();
  }

  @Override
  public void peerLost() {
    replication.abandon();
  }

  @Override
  public void checkpoint() throws IOException {
    replication.checkpoint();
  }

  @Override
  public void failOver() {
    try {
      replication.stop(true);
    } catch (IOException | ConfigException e) {
      log.error("taking over the disks: {}", e.getMessage());
    }
  }
}
