package dev.pollux.qmp.hmp;

import dev.pollux.core.config.ConfigException;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationInfo;
import dev.pollux.migration.MigrationSettings;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.MigrationUri;
import java.util.Map;
import java.util.stream.Stream;

/** Commands of the human monitor for migrations. */
final class MigrationCommands {
  /** Enters a command: names, parameters, help, action. */
  @FunctionalInterface
  interface Declaration {
    void declare(String names, String parameters, String help, HmpCommand.Action action);
  }

  private MigrationCommands() {}

  static void declare(Declaration command, Declaration info) {
    command.declare(
        "migrate",
        "[-d] uri",
        "migrate to a destination; \"info migrate\" tells how far it is",
        MigrationCommands::migrate);
    command.declare(
        "migrate_incoming",
        "uri",
        "wait for a migration, where -incoming defer was given",
        (s, a) -> {
          String uri = a.requiredWord("uri") + spaced(a);
          return out -> s.migration().incoming(MigrationUri.parse(uri), true);
        });
    command.declare(
        "migrate_cancel", "", "give up the migration", (s, a) -> out -> s.migration().cancel());
    command.declare(
        "migrate_continue",
        "state",
        "go on from the state in which the migration waits",
        MigrationCommands::proceed);
    command.declare(
        "migrate_set_capability",
        "capability state",
        "switch a capability on or off",
        MigrationCommands::setCapability);
    command.declare(
        "migrate_set_parameter",
        "parameter value",
        "change a parameter; a bare bandwidth counts MiB per second",
        MigrationCommands::setParameter);
    info.declare("migrate", "", "how far the migration is", (s, a) -> out -> infoMigrate(s, out));
    info.declare(
        "migrate_capabilities",
        "",
        "capabilities of migrations",
        (s, a) -> out -> capabilities(s, out));
    info.declare(
        "migrate_parameters", "", "parameters of migrations", (s, a) -> out -> parameters(s, out));
  }

  private static HmpCommand.Effect migrate(HmpSession s, HmpArguments arguments) {
    arguments.flag("-d");
    String uri = arguments.requiredWord("uri") + spaced(arguments);
    return out -> s.migration().migrate(MigrationUri.parse(uri), false);
  }

  /** The rest of an address that has spaces, as a program's has. */
  private static String spaced(HmpArguments arguments) {
    String rest = arguments.rest();
    return rest.isEmpty() ? "" : " " + rest;
  }

  private static HmpCommand.Effect proceed(HmpSession s, HmpArguments arguments) {
    String name = arguments.requiredWord("state");
    MigrationStatus from =
        Stream.of(MigrationStatus.values())
            .filter(status -> status.label().equals(name))
            .findFirst()
            .orElseThrow(() -> new ConfigException("Invalid parameter '%s'".formatted(name)));
    return out -> s.migration().continueFrom(from);
  }

  private static HmpCommand.Effect setCapability(HmpSession s, HmpArguments arguments) {
    MigrationCapability capability =
        MigrationSettings.capability(arguments.requiredWord("capability"));
    String state = arguments.requiredWord("state");
    if (!state.equals("on") && !state.equals("off")) {
      throw new HmpException("on or off expected");
    }
    return out -> s.migration().setCapabilities(Map.of(capability, state.equals("on")));
  }

  private static HmpCommand.Effect setParameter(HmpSession s, HmpArguments arguments) {
    String name = arguments.requiredWord("parameter");
    String value = arguments.requiredWord("value");
    boolean mebibytes = name.endsWith("-bandwidth") && value.matches("[0-9]+");
    String setting = mebibytes ? value + "M" : value;
    return out -> s.migration().setParameters(MigrationSettings.parameter(name, setting));
  }

  private static void infoMigrate(HmpSession s, StringBuilder out) {
    MigrationInfo info = s.migration().info();
    info.status().ifPresent(status -> out.append("Status: %s\n".formatted(status.label())));
    info.errorDesc().ifPresent(error -> out.append("Error: %s\n".formatted(error)));
    info.totalTime().ifPresent(ms -> out.append("Total time: %d ms\n".formatted(ms)));
    info.setupTime().ifPresent(ms -> out.append("Setup time: %d ms\n".formatted(ms)));
    info.expectedDowntime().ifPresent(ms -> out.append("Expected downtime: %d ms\n".formatted(ms)));
    info.downtime().ifPresent(ms -> out.append("Downtime: %d ms\n".formatted(ms)));
    info.ram()
        .ifPresent(
            ram ->
                out.append(
                    """
                    Memory: %d of %d KiB left
                    Sent: %d KiB, %.1f Mbit/s, %d pages/s
                    Pages: %d with contents, %d zero
                    Passes: %d, %d pages/s written by the guest
                    """
                        .formatted(
                            ram.remaining() >> 10,
                            ram.total() >> 10,
                            ram.transferred() >> 10,
                            ram.mbps(),
                            ram.pagesPerSecond(),
                            ram.normal(),
                            ram.duplicate(),
                            ram.dirtySyncCount(),
                            ram.dirtyPagesRate())));
    info.socketAddress()
        .ifPresent(
            all ->
                all.forEach(
                    at -> out.append("Socket address: %s\n".formatted(MigrationUri.show(at)))));
  }

  private static void capabilities(HmpSession s, StringBuilder out) {
    for (MigrationCapability capability : MigrationCapability.values()) {
      boolean on = s.migration().capabilities().has(capability);
      out.append("%s: %s\n".formatted(capability.label(), on ? "on" : "off"));
    }
  }

  private static void parameters(HmpSession s, StringBuilder out) {
    MigrationSettings.list(s.migration().parameters())
        .forEach(p -> out.append("%s: %s\n".formatted(p.getKey(), p.getValue())));
  }
}
