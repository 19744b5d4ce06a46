package dev.pollux.cli;

import dev.pollux.backend.net.Networks;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationListener;
import dev.pollux.migration.colo.CheckpointListener;

/** Announces a guest in its networks that has come by a migration, or that a failover left here. */
record Arrivals(LiveMigration migration, Networks networks)
    implements MigrationListener, CheckpointListener {
  /** Connects both, after the networks' own listener, which lets the guest speak. */
  static void announce(LiveMigration migration, Networks networks) {
    Arrivals arrivals = new Arrivals(migration, networks);
    migration.addListener(arrivals);
    migration.colo().addListener(arrivals);
  }

  @Override
  public void arrived() {
    networks.announcer().begin("", migration.parameters().announcement(), _ -> true);
  }

  /** Not when a secondary has only lost its primary: nobody is to hear of it before. */
  @Override
  public void failedOver() {
    if (migration.colo().side() == ColoStatus.Mode.SECONDARY) {
      arrived();
    }
  }
}
