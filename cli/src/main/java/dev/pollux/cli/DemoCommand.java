package dev.pollux.cli;

import dev.pollux.cli.demo.Demo;
import java.io.Console;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code pollux demo}: a pair of machines, one of which dies. */
@Command(
    name = "demo",
    description = {
      "Show a guest survive the death of its process: two processes run it, one is killed, the"
          + " other goes on.",
      "",
      "The exit status is 0 only if nothing was lost."
    },
    optionListHeading = "%nOptions:%n")
final class DemoCommand implements Callable<Integer> {
  @Mixin HelpOption help;

  @Option(
      names = {"-linux", "--linux"},
      description = "Run the Linux guest that \"pollux guest linux\" fetches.")
  private boolean linux;

  @Override
  public Integer call() throws IOException {
    boolean terminal =
        Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent();
    try (Demo demo = new Demo(linux, terminal)) {
      Runtime.getRuntime().addShutdownHook(new Thread(demo::close, "end of demo"));
      return demo.run() ? 0 : Main.FAILURE;
    }
  }
}
