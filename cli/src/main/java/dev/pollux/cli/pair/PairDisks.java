package dev.pollux.cli.pair;

import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;

/**
 * The disks of a pair on one machine, which begin, change sides and end together: none is put in
 * its place before all are settled.
 */
record PairDisks(List<PairDisk> all) {
  PairDisks {
    all = List.copyOf(all);
  }

  boolean isEmpty() {
    return all.isEmpty();
  }

  /**
   * Puts what an earlier pair has left in its place.
   *
   * @param told hears a sentence about each disk that has such
   */
  void begin(Consumer<String> told) throws IOException {
    settle();
    for (PairDisk disk : all) {
      String found = disk.recover();
      if (!found.isEmpty()) {
        told.accept(found);
      }
      disk.reserveNote();
    }
  }

  private void settle() throws IOException {
    boolean merge = true;
    for (PairDisk disk : all) {
      merge &= disk.hasTakenOver();
    }
    for (PairDisk disk : all) {
      disk.settle(merge);
    }
  }

  /** This side's images are the ones that count from now on, also if this process dies. */
  void newest(String side) throws IOException {
    for (PairDisk disk : all) {
      disk.newest(side);
    }
  }

  /** The pair has ended, and all processes: the newest images take the user's places. */
  void end() throws IOException {
    settle();
    for (PairDisk disk : all) {
      disk.finish();
    }
  }

  /** Whether writes to that node go to the secondary's images. */
  boolean hasTarget(String node) {
    return all.stream().anyMatch(disk -> disk.hasTarget(node));
  }

  /** Whether that node is one of the primary's own. */
  boolean isOwn(String node) {
    return all.stream().anyMatch(disk -> disk.isOwn(node));
  }
}
