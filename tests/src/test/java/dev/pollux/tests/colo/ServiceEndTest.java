package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.tests.colo.ManagedPair.Hardware;
import dev.pollux.tests.net.Namespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What becomes of a pair with disk and network, and of its events, where its guest ends itself, on
 * both sides or on one, and where its manager pauses it or gives up before there is a pair.
 */
@Timeout(600)
class ServiceEndTest {
  private static final int CLIENTS = 20;

  /** Write more at once than an active image has had room for. */
  private static final int MORE_CLIENTS = 100;

  /** Bytes that there are for active images. */
  private static final int ROOM = 8 << 20;

  @TempDir private Path folder;
  private ManagedPair pair;

  private static String status(ManagedMachine side) {
    return side.ask("query-status").path("status").asText();
  }

  private static void await(ManagedMachine side, String status) {
    side.machine().awaitThat(status, () -> status(side).equals(status));
  }

  /** What a machine has told since a mark, but for checkpoints. */
  private static List<String> told(ManagedMachine side, int mark) {
    return side.machine().eventsSince(mark).stream()
        .filter(event -> !event.startsWith("MIGRATION_PASS"))
        .filter(event -> !event.equals("STOP") && !event.equals("RESUME"))
        .toList();
  }

  private static boolean serves(ManagedMachine side, long from) {
    return side.machine().console(from).contains("serving");
  }

  private void checkpoint() throws Exception {
    long before = pair.primary().machine().checkpoints();
    pair.primary().run("xen-colo-do-checkpoint");
    pair.primary()
        .machine()
        .awaitThat(
            "a checkpoint",
            () ->
                pair.primary().ask("x-pollux-query-colo-statistics").path("checkpoints").asLong()
                    > before);
  }

  private Path mount() throws IOException, InterruptedException {
    Path small = Files.createDirectory(folder.resolve("small"));
    Namespace.Result mounted =
        Namespace.runOnHost(
            10, "mount", "-t", "tmpfs", "-o", "size=" + ROOM, "tmpfs", small.toString());
    assertEquals(0, mounted.status(), mounted::output);
    return small;
  }

  @AfterEach
  void unmount() throws IOException, InterruptedException {
    var _ = Namespace.runOnHost(10, "umount", "-l", folder.resolve("small").toString());
  }

  @Test
  void endsAndPausesOfAPair() throws Exception {
    try (Namespace world = Namespace.create();
        ManagedPair managed =
            new ManagedPair(folder, world, new Hardware("pc", "virtio-blk", "virtio-net-pci"))) {
      pair = managed;
      try (ServiceClients clients = new ServiceClients(world, pair, CLIENTS, 0)) {
        givesUpBeforeThereAreTwo(clients);
        Path small = mount();
        pair.keepActivesIn(small);
        pausesAndGoesOn(clients);
        pair.keepActivesIn(folder);
        secondarysOwnEndsCountForNothing(clients);
        secondarysFullActiveImageIsUndone(world, clients, small);
        pair.primary().machine().kill();
        pair.failOverSecondary();
        clients.awaitRound();
        ServiceClients.Result _ = clients.end();
      }
      pair.pair();
      resetIsTheGuestsOnBothSides(world);
      panicIsTheGuestsOnBothSides();
      pair.pair();
      powerOffIsTheGuestsOnBothSides();
    }
  }

  private void givesUpBeforeThereAreTwo(ServiceClients clients) throws Exception {
    int mark = pair.almostPair(); // the guest stands still
    pair.abort();
    assertEquals(
        List.of("MIGRATION cancelling", "RESUME", "MIGRATION cancelled"),
        pair.primary().machine().eventsSince(mark).stream()
            .filter(event -> !event.startsWith("QUORUM_REPORT_BAD")) // its copy is cut off
            .toList());
    clients.awaitRound();
  }

  private void pausesAndGoesOn(ServiceClients clients) throws Exception {
    pair.pair();
    pair.primary().run("stop");
    await(pair.secondary(), "paused");
    pair.assertDisksAlike(); // which lets it go on
    clients.awaitRound();
    await(pair.secondary(), "running");
  }

  /** Its guest begins anew, panics or switches off while the primary's works. */
  private void secondarysOwnEndsCountForNothing(ServiceClients clients) throws Exception {
    ManagedMachine side = pair.secondary();
    endsAlone("system_reset", "{}", clients, "RESET false host-qmp-system-reset");
    endsAlone("o /b 0x505 1", clients, "GUEST_PANICKED pause"); // the pvpanic device
    endsAlone("o /h 0x604 0x2000", clients, "SHUTDOWN true guest-shutdown"); // ACPI's S5
    pair.assertDisksAlike();
    await(side, "running");
  }

  private void endsAlone(String words, ServiceClients clients, String event) throws Exception {
    endsAlone("human-monitor-command", "{'command-line':'%s'}".formatted(words), clients, event);
  }

  private void endsAlone(String command, String arguments, ServiceClients clients, String event)
      throws Exception {
    ManagedMachine side = pair.secondary();
    int mark = side.machine().mark();
    side.run(command, arguments);
    side.machine().awaitThat(event, () -> told(side, mark).contains(event));
    clients.awaitRound();
    checkpoint();
    await(side, "running");
    clients.awaitRound();
    assertEquals(List.of(event), told(side, mark));
  }

  /** No room for what its guest writes, and for that alone: it stops until the next checkpoint. */
  private void secondarysFullActiveImageIsUndone(
      Namespace world, ServiceClients clients, Path small) throws Exception {
    ManagedMachine side = pair.secondary();
    int mark = side.machine().mark();
    int primaryMark = pair.primary().machine().mark();
    Path ballast = small.resolve("ballast");
    assertThrows(IOException.class, () -> Files.write(ballast, new byte[2 * ROOM]));
    try (ServiceClients more = new ServiceClients(world, pair, MORE_CLIENTS, CLIENTS)) {
      side.machine()
          .awaitThat(
              "an error",
              () -> told(side, mark).stream().anyMatch(e -> e.startsWith("BLOCK_IO_ERROR")));
      clients.awaitRound();
      more.awaitRound();
      pair.assertDisksAlike();
      Files.delete(ballast);
      checkpoint();
      await(side, "running");
      clients.awaitRound();
      ServiceClients.Result _ = more.end();
    }
    assertEquals(List.of(), told(pair.primary(), primaryMark));
  }

  private void resetIsTheGuestsOnBothSides(Namespace world) throws Exception {
    int mark = pair.primary().machine().mark();
    long from = pair.primary().machine().consoleEnd();
    pair.order("reset");
    pair.primary().machine().awaitThat("reset", () -> !told(pair.primary(), mark).isEmpty());
    assertEquals(List.of("RESET true guest-reset"), told(pair.primary(), mark));
    pair.primary().machine().awaitThat("the service", () -> serves(pair.primary(), from));
    try (ServiceClients clients = new ServiceClients(world, pair, CLIENTS, 0)) {
      clients.awaitRound();
      pair.primary().machine().kill();
      pair.failOverSecondary();
      clients.awaitRound();
      pair.pair();
      clients.awaitRound();
      ServiceClients.Result _ = clients.end();
    }
  }

  private void panicIsTheGuestsOnBothSides() throws Exception {
    int mark = pair.primary().machine().mark();
    pair.order("panic");
    await(pair.primary(), "guest-panicked");
    checkpoint();
    await(pair.secondary(), "guest-panicked");
    assertEquals(List.of("GUEST_PANICKED pause"), told(pair.primary(), mark));
    pair.primary().machine().kill();
    pair.failOverSecondary("guest-panicked");
    long from = pair.primary().machine().consoleEnd();
    pair.primary().run("system_reset");
    pair.primary().run("cont");
    pair.primary().machine().awaitThat("the service", () -> serves(pair.primary(), from));
  }

  private void powerOffIsTheGuestsOnBothSides() throws Exception {
    int mark = pair.primary().machine().mark();
    pair.order("off");
    await(pair.primary(), "shutdown");
    checkpoint();
    await(pair.secondary(), "shutdown");
    assertEquals(List.of("SHUTDOWN true guest-shutdown"), told(pair.primary(), mark));
    pair.primary().machine().kill();
    pair.failOverSecondary("shutdown");
    pair.end();
  }
}
