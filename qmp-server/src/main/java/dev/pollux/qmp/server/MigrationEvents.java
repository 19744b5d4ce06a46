package dev.pollux.qmp.server;

import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationCapabilities;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationListener;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.qmp.command.Events;
import java.util.function.Consumer;

/** Tells clients what migrations and COLO do. */
public final class MigrationEvents implements MigrationListener {
  private final MigrationCapabilities capabilities;
  private final Consumer<Events> sink;

  /**
   * @param sink {@link QmpServer#emit}
   */
  public MigrationEvents(MigrationCapabilities capabilities, Consumer<Events> sink) {
    this.capabilities = capabilities;
    this.sink = sink;
  }

  @Override
  public void statusChanged(MigrationStatus status) {
    if (capabilities.has(MigrationCapability.EVENTS)) {
      sink.accept(new Events.Migration(status));
    }
  }

  @Override
  public void pass(long number) {
    if (capabilities.has(MigrationCapability.EVENTS)) {
      sink.accept(new Events.MigrationPass(number));
    }
  }

  @Override
  public void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {
    sink.accept(new Events.ColoExit(mode, reason));
  }
}
