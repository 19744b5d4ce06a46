package dev.pollux.qmp.schema;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Devices;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationCapabilities;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationParameters;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Emulator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class DeclarationsTest {
  /** With this property the pages are written instead of compared. */
  private static final boolean UPDATE = Boolean.getBoolean("pollux.docs.update");

  private static CommandRegistry registry() {
    Machine machine = new Machine("", new Machine.EndPolicy(false, false));
    return new CommandRegistry(
        new Emulator(
            machine,
            Devices.manager(
                machine,
                new CharDevices(machine.loop()::post, () -> {}),
                new BlockGraph(new BlockListener() {})),
            new LiveMigration(machine, "pc", new UUID(0, 0)),
            new UUID(0, 0),
            "test"),
        CompatPolicy.ACCEPT_ALL);
  }

  private static void assertPage(String name, String expected) throws IOException {
    Path folder = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(folder.resolve("docs"))) {
      folder = folder.getParent();
    }
    Path page = folder.resolve("docs").resolve(name);
    if (UPDATE) {
      Files.writeString(page, expected);
    }
    assertEquals(
        expected,
        Files.readString(page),
        "docs/" + name + " is out of date: run this test with -Dpollux.docs.update=true");
  }

  @Test
  void theReferenceIsUpToDate() throws IOException {
    CommandRegistry registry = registry();
    assertPage(
        "qmp-reference.md", new ReferencePages(registry.commands(), registry.events()).reference());
  }

  @Test
  void thePageOfDeprecatedFeaturesIsUpToDate() throws IOException {
    CommandRegistry registry = registry();
    assertPage(
        "deprecated-features.md",
        new ReferencePages(registry.commands(), registry.events()).deprecated());
  }

  @Test
  void allCommandsAreThere() {
    assertTrue(
        registry()
            .names()
            .containsAll(
                Set.of(
                    "qmp_capabilities",
                    "query-version",
                    "query-status",
                    "query-name",
                    "query-uuid",
                    "query-commands",
                    "query-qmp-schema",
                    "query-chardev",
                    "query-cpus-fast",
                    "query-machines",
                    "query-migrate",
                    "query-migrate-capabilities",
                    "query-migrate-parameters",
                    "query-colo-status",
                    "query-yank",
                    "migrate",
                    "migrate-incoming",
                    "migrate_cancel",
                    "migrate-continue",
                    "migrate-set-capabilities",
                    "migrate-set-parameters",
                    "yank",
                    "x-colo-lost-heartbeat",
                    "xen-set-replication",
                    "query-xen-replication-status",
                    "xen-colo-do-checkpoint",
                    "stop",
                    "cont",
                    "quit",
                    "system_reset",
                    "system_powerdown",
                    "chardev-add",
                    "chardev-remove",
                    "human-monitor-command",
                    "pmemsave")));
  }

  @Test
  void everyInterfaceOfColoIsDeprecatedAndUnstable() {
    Set<String> marked = new TreeSet<>();
    for (JsonNode entry : registry().introspection()) {
      collect(entry, entry.get("name").asText(), marked);
      entry
          .path("members")
          .forEach(member -> collect(member, member.path("name").asText(), marked));
    }
    assertEquals(
        new TreeSet<>(
            Set.of(
                "x-colo",
                "x-checkpoint-delay",
                "colo",
                "COLO_EXIT",
                "x-colo-lost-heartbeat",
                "query-colo-status",
                "xen-colo-do-checkpoint",
                "xen-set-replication",
                "query-xen-replication-status")),
        marked);
  }

  private static void collect(JsonNode declaration, String name, Set<String> marked) {
    String features = declaration.path("features").toString();
    if (features.contains("deprecated") && features.contains("unstable")) {
      marked.add(name);
    }
  }

  @Test
  void capabilitiesAreInOrder() {
    assertEquals(
        "xbzrle, rdma-pin-all, auto-converge, zero-blocks, events, postcopy-ram, x-colo,"
            + " release-ram, return-path, pause-before-switchover, multifd, dirty-bitmaps,"
            + " postcopy-blocktime, late-block-activate, x-ignore-shared, validate-uuid,"
            + " background-snapshot, zero-copy-send, postcopy-preempt, switchover-ack, dirty-limit,"
            + " mapped-ram",
        String.join(
            ", ",
            List.of(MigrationCapability.values()).stream()
                .map(MigrationCapability::label)
                .toList()));
  }

  private static String refused(MigrationCapabilities capabilities, MigrationCapability... on) {
    Map<MigrationCapability, Boolean> changes = new EnumMap<>(MigrationCapability.class);
    List.of(on).forEach(c -> changes.put(c, true));
    return Assertions.assertThrows(
            ConfigException.class,
            () ->
                capabilities.change(
                    changes, MigrationParameters.DEFAULTS, MigrationStatus.NONE, false))
        .getMessage();
  }

  @Test
  void capabilitiesThatDoNotGoTogetherChangeNothing() {
    MigrationCapabilities capabilities = new MigrationCapabilities();
    assertEquals(
        "Multifd is not compatible with xbzrle",
        refused(
            capabilities,
            MigrationCapability.EVENTS,
            MigrationCapability.MULTIFD,
            MigrationCapability.XBZRLE));
    assertEquals(
        "Background-snapshot is not compatible with x-colo",
        refused(capabilities, MigrationCapability.BACKGROUND_SNAPSHOT, MigrationCapability.X_COLO));
    assertEquals(
        "Capability 'switchover-ack' requires capability 'return-path'",
        refused(capabilities, MigrationCapability.SWITCHOVER_ACK));
    assertEquals(
        "Capability 'xbzrle' is not built into this program yet",
        refused(capabilities, MigrationCapability.XBZRLE));
    assertEquals(Set.of(), capabilities.enabled());
  }

  @Test
  void nothingChangesWhileAMigrationIsUnderWay() {
    MigrationCapabilities capabilities = new MigrationCapabilities();
    ConfigException refused =
        Assertions.assertThrows(
            ConfigException.class,
            () ->
                capabilities.change(
                    Map.of(MigrationCapability.EVENTS, true),
                    MigrationParameters.DEFAULTS,
                    MigrationStatus.COLO,
                    false));
    assertEquals("There's a migration process in progress", refused.getMessage());
  }

  @Test
  void switchingOnWhatIsDeprecatedWarnsEachTime() {
    MigrationCapabilities capabilities = new MigrationCapabilities();
    PrintStream before = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      Map<MigrationCapability, Boolean> both =
          Map.of(MigrationCapability.X_COLO, true, MigrationCapability.ZERO_BLOCKS, true);
      capabilities.change(both, MigrationParameters.DEFAULTS, MigrationStatus.NONE, false);
      capabilities.change(
          Map.of(MigrationCapability.EVENTS, true),
          MigrationParameters.DEFAULTS,
          MigrationStatus.NONE,
          false);
      capabilities.change(both, MigrationParameters.DEFAULTS, MigrationStatus.NONE, false);
    } finally {
      System.setErr(before);
    }
    assertEquals(
        """
        warning: zero-blocks capability is deprecated
        warning: COLO migration framework is deprecated
        """
            .repeat(2),
        said.toString(StandardCharsets.UTF_8));
  }
}
