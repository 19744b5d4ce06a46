package dev.pollux.tests.colo;

import dev.pollux.cli.demo.CountingGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts machines that are alike: 16 MiB, with the same counting guest. */
final class ColoMachines {
  private final Path folder;
  private final Path kernel;
  private final List<String> jvmOptions;

  /**
   * @param folder of what belongs to the machines
   * @param pages pages that the guest rewrites
   * @param steps how many of them at each tick
   * @param jvmOptions of their processes
   */
  ColoMachines(Path folder, int pages, int steps, List<String> jvmOptions) throws IOException {
    this.folder = folder;
    this.kernel = Files.write(folder.resolve("guest"), CountingGuest.image(pages, steps));
    this.jvmOptions = jvmOptions;
  }

  /** Starts a machine whose guest runs. */
  ColoMachine start(String name) throws IOException {
    return start(name, List.of());
  }

  /** Starts a machine that waits for a primary. */
  ColoMachine startWaiting(String name) throws IOException {
    return start(name, List.of("-incoming", "defer"));
  }

  private ColoMachine start(String name, List<String> more) throws IOException {
    List<String> options = new ArrayList<>(List.of("-m", "16", "-kernel", kernel.toString()));
    options.addAll(more);
    return new ColoMachine(name, folder, jvmOptions, options.toArray(String[]::new));
  }
}
