package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.tests.colo.ManagedPair.Hardware;
import dev.pollux.tests.net.Namespace;
import java.nio.file.Path;
import java.util.List;
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

  @Test
  void endsAndPausesOfAPair() throws Exception {
    try (Namespace world = Namespace.create();
        ManagedPair managed =
            new ManagedPair(folder, world, new Hardware("pc", "virtio-blk", "virtio-net-pci"))) {
      pair = managed;
      try (ServiceClients clients = new ServiceClients(world, pair, CLIENTS, 0)) {
        givesUpBeforeThereAreTwo(clients);
        pausesAndGoesOn(clients);
        secondarysOwnResetCountsForNothing(clients);
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

  /** Its guest begins anew while the primary's works. */
  private void secondarysOwnResetCountsForNothing(ServiceClients clients) throws Exception {
    ManagedMachine side = pair.secondary();
    int mark = side.machine().mark();
    side.run("system_reset");
    clients.awaitRound();
    checkpoint();
    await(side, "running");
    clients.awaitRound();
    assertEquals(List.of("RESET false host-qmp-system-reset"), told(side, mark));
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
