package dev.pollux.backend.block.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The tools qemu-img and qemu-io, where the host has them. */
final class QemuImg {
  /** What a tool ended with, and what it said. */
  record Result(int status, String output) {}

  private QemuImg() {}

  static void assumeInstalled() {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/qemu-img"))
            && Files.isExecutable(Path.of("/usr/bin/qemu-io")),
        "qemu-img and qemu-io are not installed (Debian: qemu-utils)");
  }

  static Result run(String... command) throws IOException {
    Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS), "still running: " + List.of(command));
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    return new Result(process.exitValue(), output);
  }

  static String ok(String... command) throws IOException {
    Result result = run(command);
    assertEquals(0, result.status, String.join(" ", command) + "\n" + result.output);
    return result.output;
  }

  /** Executes commands of qemu-io on an image. */
  static void io(Path image, String... commands) throws IOException {
    List<String> line = new ArrayList<>(List.of("qemu-io"));
    for (String command : commands) {
      line.addAll(List.of("-c", command));
    }
    line.add(image.toString());
    ok(line.toArray(String[]::new));
  }

  /** The image is clean. */
  static void check(Path image) throws IOException {
    ok("qemu-img", "check", "-f", "qcow2", image.toString());
  }
}
