package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Makes the secondary a copy of the primary, one step after the other as the sides tell that they
 * are ready: disks, networks, memory; and takes it all down. It decides nothing. The deciding
 * thread.
 */
final class Pairing {
  private static final long BANDWIDTH = 10_000_000_000L;
  private static final int DOWNTIME_MILLIS = 1000;

  private final PairOptions options;
  private final List<PairDisk> disks;
  private final List<PairNetwork> networks;
  private final Places places;

  /** Disks whose copy does not follow yet. */
  private final Set<PairDisk> copying = new HashSet<>();

  /** Of the pair that is being made. */
  private int number;

  Pairing(PairOptions options, List<PairDisk> disks, List<PairNetwork> networks) {
    this.options = options;
    this.disks = disks;
    this.networks = networks;
    this.places = Places.in(options.folder());
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  /** Begins to copy the disks; {@link #copied} says when they follow. */
  void beginCopy(MachineProcess from, MachineProcess to) throws IOException {
    copying.clear();
    copying.addAll(disks);
    PairDisk.serve(to, places, number);
    for (PairDisk disk : disks) {
      disk.beginCopy(from, to, places, number);
    }
  }

  /** Disks whose copy does not follow yet. */
  Set<PairDisk> copying() {
    return Set.copyOf(copying);
  }

  /**
   * A job's copy follows its original.
   *
   * @return whether all do: then the secondary gets every write
   */
  boolean copied(String job, MachineProcess from) throws IOException {
    copying.removeIf(disk -> disk.hasJob(job));
    if (!copying.isEmpty()) {
      return false;
    }
    var _ = from.run("stop");
    try {
      for (PairDisk disk : disks) {
        disk.endCopy(from);
      }
    } finally {
      var _ = from.run("cont");
    }
    return true;
  }

  /** Has the primary's state sent to the secondary. */
  void connect(MachineProcess from, MachineProcess to) throws IOException {
    for (MachineProcess side : List.of(from, to)) {
      side.switchOn("return-path", "x-colo", "events");
      var _ =
          side.run(
              "migrate-set-parameters",
              object()
                  .put("x-checkpoint-delay", options.checkpointMillis())
                  .put("x-pollux-silence", options.silenceMillis())
                  .put("max-bandwidth", BANDWIDTH)
                  .put("downtime-limit", DOWNTIME_MILLIS));
    }
    if (!networks.isEmpty()) {
      from.switchOn("pause-before-switchover");
    }
    for (PairNetwork network : networks) {
      network.compared().prepare(from, to, number);
    }
    String uri = places.at("pair" + number++, Places.End.SECONDARY).uri();
    var _ = to.run("migrate-incoming", object().put("uri", uri));
    var _ = from.run("migrate", object().put("uri", uri));
  }

  /** The primary's guest stands still, and the secondary has its state in a moment. */
  void compare(MachineProcess from) throws IOException {
    for (PairNetwork network : networks) {
      network.compared().begin(from);
    }
    var _ = from.run("migrate-continue", object().put("state", "pre-switchover"));
  }

  /** The primary goes on alone. */
  void endOnPrimary(MachineProcess survivor) {
    networks.forEach(network -> network.compared().endOnPrimary(survivor));
    disks.forEach(disk -> disk.endOnPrimary(survivor));
  }

  /** The secondary goes on alone. */
  void endOnSecondary(MachineProcess survivor) {
    networks.forEach(network -> network.compared().endOnSecondary(survivor));
  }
}
