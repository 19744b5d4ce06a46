package dev.pollux.cli;

import dev.pollux.cli.training.TrainingGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code pollux train}: machines for the JVM to learn from when Pollux is built. */
@Command(name = "train", description = "Run the guests that the JVM learns from.", hidden = true)
final class TrainCommand implements Callable<Integer> {
  /** {@code isa-debug-exit} makes this of the guest's 0. */
  private static final int GUEST_DONE = 1;

  private static final int IMAGE_BYTES = 8 << 20;

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
      convertImages();
      return status == GUEST_DONE ? 0 : Main.FAILURE;
    } finally {
      Files.delete(kernel);
    }
  }

  /** What {@code pollux img} does most. */
  private static void convertImages() throws IOException {
    Path folder = Files.createTempDirectory("pollux-training");
    Path raw = folder.resolve("raw");
    Path qcow2 = folder.resolve("qcow2");
    try {
      byte[] data = new byte[IMAGE_BYTES];
      new Random(1).nextBytes(data);
      Files.write(raw, data);
      Main.execute("img", "convert", "-O", "qcow2", raw.toString(), qcow2.toString());
      Main.execute("img", "info", qcow2.toString());
      Main.execute("img", "check", qcow2.toString());
      Main.execute("img", "compare", raw.toString(), qcow2.toString());
    } finally {
      Files.deleteIfExists(raw);
      Files.deleteIfExists(qcow2);
      Files.delete(folder);
    }
  }
}
