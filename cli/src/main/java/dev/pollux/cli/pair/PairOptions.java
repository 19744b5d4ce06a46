package dev.pollux.cli.pair;

import dev.pollux.cli.pair.watch.PairWatcher;
import dev.pollux.core.config.DeviceOptions;
import java.nio.file.Path;
import java.util.List;

/**
 * How a pair is run.
 *
 * @param machine options of {@code run} that both sides get
 * @param networks back ends that outlive the sides
 * @param disks each with an image a side
 * @param folder for sockets and logs; it exists
 * @param checkpointMillis longest time between two checkpoints
 * @param silenceMillis a side from which nothing comes for so long counts as dead
 * @param faults what goes wrong on purpose
 * @param json events are JSON lines on standard output
 * @param logConsoles what each side prints is kept in the folder
 * @param watchers are told what happens
 * @param console where the guest's first serial port goes
 */
public record PairOptions(
    List<String> machine,
    List<DeviceOptions> networks,
    List<PairDisk.Spec> disks,
    Path folder,
    int checkpointMillis,
    int silenceMillis,
    List<PlannedFault> faults,
    boolean json,
    boolean logConsoles,
    List<PairWatcher> watchers,
    Console console) {
  /** Where the guest's console is. */
  public sealed interface Console {
    /** Standard input and output. */
    record Stdio() implements Console {}

    /** A socket on which one client at a time is served, whichever side is the primary. */
    record Socket(Path path) implements Console {}

    /** Nowhere. */
    record None() implements Console {}
  }
}
