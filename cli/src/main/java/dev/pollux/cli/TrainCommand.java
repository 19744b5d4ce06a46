package dev.pollux.cli;

import dev.pollux.cli.training.TrainingGuest;
import dev.pollux.core.host.FirmwareFolders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code pollux train}: machines for the JVM to learn from when Pollux is built. */
@Command(name = "train", description = "Run the guests that the JVM learns from.", hidden = true)
final class TrainCommand implements Callable<Integer> {
  /** {@code isa-debug-exit} makes this of the guest's 0. */
  private static final int GUEST_DONE = 1;

  private static final String EXIT_DEVICE =
      "isa-debug-exit,iobase=0x%x,iosize=4".formatted(TrainingGuest.EXIT_PORT);

  private static final int IMAGE_BYTES = 8 << 20;
  private static final int FLOPPY_BYTES = 1_474_560;
  private static final String SEABIOS = "bios-256k.bin";

  /**
   * A boot sector of 16-bit code: reads the sector behind it by INT 13h, prints a character by INT
   * 10h, executes LODS, CMPS and SCAS with a count of 0, writes 0 to {@link
   * TrainingGuest#EXIT_PORT} and halts.
   */
  private static final String BOOT_SECTOR =
      "31c08ed8 8ec0bb00 80b80102 b90200ba 0000cd13 b8210ecd 1031c9f3 acf3a6f2 aebaf400 b000eef4"
          + " ebfd";

  @Mixin HelpOption help;

  @Option(
      names = "--write",
      paramLabel = "FILE",
      description = "Write the first guest's kernel to FILE, for a run of its own, and end.")
  private Path kernelFile;

  @Override
  public Integer call() throws IOException {
    if (kernelFile != null) {
      Files.write(kernelFile, TrainingGuest.image());
      return 0;
    }
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
              EXIT_DEVICE,
              "-kernel",
              kernel.toString());
      bootByFirmware();
      // What is mistaken, and other commands with a machine's options, are read so.
      var _ = Main.parse("run", "-m", "64", "-S");
      TrainingPair.run();
      convertImages();
      return status == GUEST_DONE ? 0 : Main.FAILURE;
    } finally {
      Files.delete(kernel);
    }
  }

  /** A machine that begins with SeaBIOS and has a floppy, a disk and a screen. */
  private static void bootByFirmware() throws IOException {
    if (FirmwareFolders.find(SEABIOS).isEmpty()) {
      return; // it is not needed to build, and machines with firmware start as they would have
    }
    Path floppy = Files.createTempFile("pollux-training", ".img");
    try {
      byte[] code = HexFormat.of().parseHex(BOOT_SECTOR.replace(" ", ""));
      byte[] image = Arrays.copyOf(code, FLOPPY_BYTES);
      image[510] = 0x55;
      image[511] = (byte) 0xaa;
      Files.write(floppy, image);
      Main.execute(
          "run",
          "-snapshot",
          "-display",
          "none",
          "-serial",
          "stdio",
          "-device",
          EXIT_DEVICE,
          "-drive",
          "file=%s,if=floppy,format=raw".formatted(floppy),
          "-drive",
          "file=%s,if=virtio,format=raw".formatted(floppy),
          "-boot",
          "a");
    } finally {
      Files.delete(floppy);
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
