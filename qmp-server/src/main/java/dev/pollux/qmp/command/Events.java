package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.Colo;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationStatus;

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

  @Api.Doc("A migration's status has changed; only with the capability events.")
  record Migration(MigrationStatus status) implements Events {}

  @Api.Doc("The source has begun another pass over the memory; only with the capability events.")
  record MigrationPass(@Api.Doc("1 for the first") long pass) implements Events {}

  @Api.Unstable
  @Api.Obsolete(since = Colo.DEPRECATED_SINCE, reason = Colo.DEPRECATED, instead = Colo.NOTHING)
  @Api.Doc("COLO has ended on this side.")
  record ColoExit(ColoStatus.Mode mode, ColoStatus.ExitReason reason) implements Events {}
}
