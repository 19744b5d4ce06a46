package dev.pollux.cli;

import dev.pollux.backend.net.Networks;
import dev.pollux.core.machine.Machine;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationListener;

/** Announces a guest in its networks that has come by a migration, or that a failover left here. */
record Arrivals(Machine machine, LiveMigration migration, Networks networks)
    implements MigrationListener {
  @Override
  public void arrived() {
    networks.announcer().begin("", migration.parameters().announcement(), _ -> true);
  }

  @Override
  public void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {
    if (mode == ColoStatus.Mode.SECONDARY) {
      machine.loop().post(this::arrived);
    }
  }
}
