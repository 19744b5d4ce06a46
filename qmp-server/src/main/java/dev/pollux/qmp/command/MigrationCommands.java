package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationInfo;
import dev.pollux.migration.MigrationParameters;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.MigrationUri;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.Qmp;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Commands for migrations. */
public sealed interface MigrationCommands<R> extends QmpCommand<R> {
  /** Whether a capability is on. */
  record MigrationCapabilityStatus(MigrationCapability capability, boolean state) {}

  @Api.Doc("Switches capabilities on and off: all of them, or none if one is refused.")
  record MigrateSetCapabilities(List<MigrationCapabilityStatus> capabilities)
      implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      Map<MigrationCapability, Boolean> changes = new EnumMap<>(MigrationCapability.class);
      capabilities.forEach(change -> changes.put(change.capability(), change.state()));
      context.migration().setCapabilities(changes);
      return null;
    }
  }

  @Api.Doc("Which capabilities are on.")
  record QueryMigrateCapabilities() implements MigrationCommands<List<MigrationCapabilityStatus>> {
    @Override
    public List<MigrationCapabilityStatus> run(QmpContext context) {
      return Stream.of(MigrationCapability.values())
          .map(c -> new MigrationCapabilityStatus(c, context.migration().capabilities().has(c)))
          .toList();
    }
  }

  @Api.Doc("Changes parameters: all of those given, or none if one is refused.")
  record MigrateSetParameters(@Qmp.Boxed MigrationParameters parameters)
      implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().setParameters(parameters);
      return null;
    }
  }

  @Api.Doc("The parameters in force.")
  record QueryMigrateParameters() implements MigrationCommands<MigrationParameters> {
    @Override
    public MigrationParameters run(QmpContext context) {
      return context.migration().parameters();
    }
  }

  @Api.Doc("How far the present or last migration is.")
  record QueryMigrate() implements MigrationCommands<MigrationInfo> {
    @Override
    public MigrationInfo run(QmpContext context) {
      return context.migration().info();
    }
  }

  /** What a channel carries. */
  enum MigrationChannelType {
    MAIN
  }

  /** One of the connections of a migration. */
  record MigrationChannel(MigrationChannelType channelType, MigrationAddress addr) {}

  @Api.Doc("Starts to migrate the machine; how that goes, events and query-migrate tell.")
  record Migrate(
      @Api.Doc("where to, for instance tcp:host:port; or give channels") Optional<String> uri,
      @Api.Doc("where to: one channel") Optional<List<MigrationChannel>> channels,
      @Api.Obsolete(since = "10.1", reason = "it has always been ignored", instead = "nothing")
          Optional<Boolean> detach,
      @Api.Doc("goes on with a postcopy migration that was interrupted") Optional<Boolean> resume)
      implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      context.migration().migrate(address(uri, channels), resume.orElse(false));
      return null;
    }
  }

  @Api.Doc("Waits for a migration, where -incoming defer was given.")
  record MigrateIncoming(
      @Api.Doc("where to listen; or give channels") Optional<String> uri,
      @Api.Doc("where to listen: one channel") Optional<List<MigrationChannel>> channels,
      @Api.Doc("ends the process with status 1 if the migration fails; on by default")
          Optional<Boolean> exitOnError)
      implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      context.migration().incoming(address(uri, channels), exitOnError.orElse(true));
      return null;
    }
  }

  private static MigrationAddress address(
      Optional<String> uri, Optional<List<MigrationChannel>> channels) throws QmpException {
    if (uri.isPresent() && channels.isPresent()) {
      throw new QmpException(
          "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two");
    }
    if (uri.isPresent()) {
      return MigrationUri.parse(uri.get());
    }
    if (channels.isEmpty()) {
      throw new QmpException("need either 'uri' or 'channels' argument");
    }
    if (channels.get().size() != 1) {
      throw new QmpException("Channel list must have exactly one entry, of type 'main'");
    }
    return channels.get().getFirst().addr();
  }

  @Api.Name("migrate_cancel")
  @Api.Doc("Gives up the migration under way; nothing where there is none.")
  record MigrateCancel() implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().cancel();
      return null;
    }
  }

  @Api.Doc("Goes on with a migration that waits.")
  record MigrateContinue(@Api.Doc("the state in which it waits") MigrationStatus state)
      implements MigrationCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.migration().continueFrom(state);
      return null;
    }
  }
}
