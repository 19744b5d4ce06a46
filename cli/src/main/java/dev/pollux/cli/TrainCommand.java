package dev.pollux.cli;

import dev.pollux.cli.training.TrainingGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code pollux train}: machines for the JVM to learn from when Pollux is built. */
@Command(name = "train", description = "Run the guests that the JVM learns from.", hidden = true)
final class TrainCommand implements Callable<Integer> {
  /** {@code isa-debug-exit} makes this of the guest's 0. */
  private static final int GUEST_DONE = 1;

  @Mixin HelpOption help;

  @Override
  public Integer call() throws IOException {
    Path kernel = Files.createTempFile("pollux-training", ".bin");
    try {
      Files.write(kernel, TrainingGuest.image());
      int status =
          Main.execute(
              "run",
              "-m",
              Integer.toString(TrainingGuest.MEBIBYTES),
              "-nographic",
              "-no-reboot",
              "-device",
              "isa-debug-exit,iobase=0x%x,iosize=4".formatted(TrainingGuest.EXIT_PORT),
              "-kernel",
              kernel.toString());
      TrainingPair.run();
      return status == GUEST_DONE ? 0 : Main.FAILURE;
    } finally {
      Files.delete(kernel);
    }
  }
}
