package dev.pollux.cli;

import dev.pollux.cli.img.ImgTools;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/**
 * {@code pollux img}: qemu-img. Its words are read as qemu-img reads them, without the help of the
 * other commands' parser.
 */
@Command(
    name = ImgCommand.NAME,
    synopsisHeading = "",
    customSynopsis = "Usage: pollux img COMMAND [OPTION]... IMAGE...",
    description = "Makes, checks, converts and compares disk images, as qemu-img does.")
final class ImgCommand implements Callable<Integer> {
  static final String NAME = "img";

  @Override
  public Integer call() {
    return run(List.of());
  }

  /** Runs a command; its errors go to standard error. */
  static int run(List<String> words) {
    try {
      return ImgTools.run(words);
    } catch (ConfigException e) {
      System.err.println("pollux img: " + e.getMessage());
    } catch (IOException e) {
      System.err.println("pollux img: " + Errors.describe(e));
    }
    return Main.FAILURE;
  }
}
