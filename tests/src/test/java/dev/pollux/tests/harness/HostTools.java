package dev.pollux.tests.harness;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** Programs of the host that make images and file systems, and check them. */
public final class HostTools {
  private static final int PATIENCE_SECONDS = 120;

  private HostTools() {}

  /** Without qemu-img and the tools of ext4 the test is skipped. */
  public static void assumeInstalled() {
    for (String tool : List.of("/usr/bin/qemu-img", "/sbin/mke2fs", "/sbin/e2fsck")) {
      Assumptions.assumeTrue(
          Files.isExecutable(Path.of(tool)),
          tool + " is not installed (Debian: qemu-utils, e2fsprogs)");
    }
  }

  /** Runs a program, which has to succeed; returns what it said. */
  public static String run(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertTrue(
          process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "still running: " + command[0]);
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    assertEquals(0, process.exitValue(), String.join(" ", command) + "\n" + said);
    return said;
  }

  /** A qcow2 image with an empty ext4 file system. */
  public static void makeExt4(Path image, int mebibytes) throws IOException {
    Path raw = image.resolveSibling(image.getFileName() + ".raw");
    run("/sbin/mke2fs", "-q", "-t", "ext4", raw.toString(), mebibytes + "M");
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.toString(), image.toString());
    Files.delete(raw);
  }

  /**
   * The image is clean, and so is the file system in it; returns the file system as a raw image.
   */
  public static Path checkExt4(Path image) throws IOException {
    Path raw = image.resolveSibling(image.getFileName() + ".checked");
    run("qemu-img", "check", "-f", "qcow2", image.toString());
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image.toString(), raw.toString());
    run("/sbin/e2fsck", "-fn", raw.toString());
    return raw;
  }

  /** Copies a folder of an ext4 file system into one of the host. */
  public static void copyOut(Path raw, String folder, Path target) throws IOException {
    Files.createDirectories(target);
    run("/sbin/debugfs", "-R", "rdump %s %s".formatted(folder, target), raw.toString());
  }
}
