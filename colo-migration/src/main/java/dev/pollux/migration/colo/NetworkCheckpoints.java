package dev.pollux.migration.colo;

import dev.pollux.backend.net.Checkpoints;
import dev.pollux.migration.ColoStatus;

/** Tells a machine's networks of its pair's checkpoints, and has them call for some. */
public final class NetworkCheckpoints implements CheckpointListener {
  private final ColoController colo;
  private final Checkpoints checkpoints;

  private NetworkCheckpoints(ColoController colo, Checkpoints checkpoints) {
    this.colo = colo;
    this.checkpoints = checkpoints;
  }

  /** Connects both, before the first pair. */
  public static void connect(ColoController colo, Checkpoints checkpoints) {
    colo.addListener(new NetworkCheckpoints(colo, checkpoints));
    checkpoints.setCaller(() -> colo.call(CheckpointCause.NETWORK));
  }

  private boolean isPrimary() {
    return colo.side() == ColoStatus.Mode.PRIMARY;
  }

  @Override
  public void began() {
    checkpoints.begin(isPrimary() ? Checkpoints.Side.PRIMARY : Checkpoints.Side.SECONDARY);
  }

  @Override
  public void taken() {
    checkpoints.taken(colo.checkpoint());
  }

  @Override
  public void received() {
    checkpoints.received(colo.checkpoint());
  }

  @Override
  public void loaded() {
    if (!isPrimary()) {
      checkpoints.restored(colo.checkpoint());
    }
  }

  @Override
  public void failedOver() {
    checkpoints.failOver();
  }
}
