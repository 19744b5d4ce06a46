package dev.pollux.cli;

import dev.pollux.cli.img.NbdTool;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code pollux nbd}: qemu-nbd. Its words are read as qemu-nbd reads them. */
@Command(
    name = NbdCommand.NAME,
    synopsisHeading = "",
    customSynopsis = "Usage: pollux nbd [OPTION]... FILE",
    description = "Offers a disk image over the network, as qemu-nbd does.")
final class NbdCommand implements Callable<Integer> {
  static final String NAME = "nbd";

  @Override
  public Integer call() {
    return run(List.of());
  }

  /** Runs the command; its errors go to standard error. */
  static int run(List<String> words) {
    try {
      return NbdTool.run(words);
    } catch (ConfigException e) {
      System.err.println("pollux nbd: " + e.getMessage());
    } catch (IOException e) {
      System.err.println("pollux nbd: " + Errors.describe(e));
    }
    return Main.FAILURE;
  }
}
