package dev.pollux.cli.pair;

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
  private final List<PairDisk> disks;
  private final List<ComparedNetwork> networks;
  private final Places places;
  private final PairStream stream;

  /** Disks whose copy does not follow yet. */
  private final Set<PairDisk> copying = new HashSet<>();

  /** Of the pair that is being made. */
  private int number;

  Pairing(PairOptions options, List<PairDisk> disks, List<PairNetwork> networks) {
    this.disks = disks;
    this.networks = networks.stream().map(PairNetwork::compared).toList();
    this.places = Places.in(options.folder());
    stream =
        new PairStream(places, this.networks, options.checkpointMillis(), options.silenceMillis());
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
    stream.start(from, to, number++);
  }

  /** The primary's guest stands still, and the secondary has its state in a moment. */
  void compare(MachineProcess from) throws IOException {
    stream.compare(from);
  }

  /** The primary goes on alone. */
  void endOnPrimary(MachineProcess survivor) {
    networks.forEach(network -> network.endOnPrimary(survivor));
    disks.forEach(disk -> disk.endOnPrimary(survivor));
  }

  /** The secondary goes on alone. */
  void endOnSecondary(MachineProcess survivor) {
    networks.forEach(network -> network.endOnSecondary(survivor));
  }
}
