package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.pair.ComparedNetwork;
import dev.pollux.cli.pair.PairDisk;
import dev.pollux.cli.pair.PairStream;
import dev.pollux.cli.pair.Places;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.cli.process.Monitor;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Makes the other side's machine a copy of the one here: disks, then networks and memory; and takes
 * it all down again. A thread that may wait.
 */
final class Bonding {
  private static final long LOOK_MILLIS = 20;
  private static final long PATIENCE_SECONDS = 60;

  private final List<PairDisk> disks;
  private final List<ComparedNetwork> networks;
  private final Places places;
  private final PairStream stream;

  Bonding(
      List<PairDisk> disks,
      List<ComparedNetwork> networks,
      Places places,
      int checkpointMillis,
      int silenceMillis) {
    this.disks = disks;
    this.networks = networks;
    this.places = places;
    stream = new PairStream(places, networks, checkpointMillis, silenceMillis);
  }

  /**
   * Makes the pair; returns when the first checkpoint is whole.
   *
   * @param number of the pair, counted by this side
   */
  void bond(Monitor from, Monitor to, int number) throws IOException {
    if (!disks.isEmpty()) {
      copyDisks(from, to, number);
    }
    stream.start(from, to, number);
    if (!networks.isEmpty()) {
      awaitMigration(from, "pre-switchover");
      stream.compare(from);
    }
    awaitMigration(from, "colo");
    awaitCheckpoint(from);
  }

  private void copyDisks(Monitor from, Monitor to, int number) throws IOException {
    PairDisk.serve(to, places, number);
    for (PairDisk disk : disks) {
      disk.beginCopy(from, to, places, number);
    }
    for (PairDisk disk : disks) {
      while (!disk.follows(from)) { // as long as the disk is large, and the other side answers
        MachineProcess.pause(LOOK_MILLIS);
        var _ = to.run("query-status");
      }
    }
    var _ = from.run("stop");
    try {
      for (PairDisk disk : disks) {
        disk.endCopy(from);
      }
    } finally {
      var _ = from.run("cont");
    }
  }

  private static void awaitMigration(Monitor from, String wanted) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (true) {
      JsonNode info = from.run("query-migrate");
      String status = info.path("status").asText();
      if (status.equals(wanted)) {
        return;
      }
      if (List.of("failed", "cancelled", "completed").contains(status)) {
        throw new IOException(
            info.path("error-desc").asText("the migration is %s".formatted(status)));
      }
      await(end, wanted);
    }
  }

  private static void awaitCheckpoint(Monitor from) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (from.run("x-pollux-query-colo-statistics").path("checkpoints").asLong() == 0
        || !from.run("query-colo-status").path("mode").asText().equals("primary")) {
      if (from.run("query-colo-status").path("mode").asText().equals("none")) {
        throw new IOException("the pair has ended before its first checkpoint");
      }
      await(end, "first checkpoint");
    }
  }

  private static void await(long end, String what) throws IOException {
    if (System.nanoTime() > end) {
      throw new IOException("%s: not within %d s".formatted(what, PATIENCE_SECONDS));
    }
    MachineProcess.pause(LOOK_MILLIS);
  }

  /** The side that ran the guest goes on alone, and lets go what it has held. */
  void goOnAlone(Monitor survivor) throws IOException {
    MachineProcess.attempt(() -> survivor.run("migrate_cancel"));
    MachineProcess.attempt(() -> survivor.run("x-colo-lost-heartbeat"));
    networks.forEach(network -> network.endOnPrimary(survivor));
    disks.forEach(disk -> disk.endOnPrimary(survivor));
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!survivor.run("query-colo-status").path("mode").asText().equals("none")) {
      await(end, "end of the pair");
    }
  }

  /** The copy goes on. */
  void takeOver(Monitor survivor) throws IOException {
    MachineProcess.attempt(() -> survivor.run("nbd-server-stop"));
    var _ = survivor.run("x-colo-lost-heartbeat");
    networks.forEach(network -> network.endOnSecondary(survivor));
  }
}
