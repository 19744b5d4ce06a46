package dev.pollux.cli.img;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.config.ConfigException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code pollux nbd} with the clients of QEMU, and beside qemu-nbd. */
class NbdToolTest {
  private final List<Process> processes = new ArrayList<>();

  @TempDir Path folder;

  @AfterEach
  void end() {
    processes.forEach(Process::destroyForcibly);
  }

  private static void assumeQemu() {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/qemu-nbd"))
            && Files.isExecutable(Path.of("/usr/bin/qemu-io")),
        "qemu-nbd and qemu-io are not installed (Debian: qemu-utils)");
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private static CompletableFuture<Integer> tool(String... words) {
    CompletableFuture<Integer> status = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              try {
                status.complete(NbdTool.run(List.of(words)));
              } catch (IOException | RuntimeException e) {
                status.completeExceptionally(e);
              }
            });
    return status;
  }

  private void awaitFile(String name) throws InterruptedException {
    for (int i = 0; i < 2000 && !Files.exists(folder.resolve(name)); i++) {
      Thread.sleep(10);
    }
    assertTrue(Files.exists(folder.resolve(name)), name);
  }

  private void awaitFile(String name, CompletableFuture<Integer> tool) throws Exception {
    for (int i = 0; i < 2000 && !Files.exists(folder.resolve(name)); i++) {
      assertEquals(-1, tool.getNow(-1)); // or it throws what has gone wrong
      Thread.sleep(10);
    }
    assertTrue(Files.exists(folder.resolve(name)), name);
  }

  private static String run(String... command) throws IOException {
    Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS), "still running: " + List.of(command));
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    assertEquals(0, process.exitValue(), String.join(" ", command) + "\n" + output);
    return output;
  }

  @Test
  void itServesAnImageUntilItsClientGoes() throws Exception {
    assumeQemu();
    run("qemu-img", "create", "-q", "-f", "qcow2", path("i.qcow2"), "32M");
    CompletableFuture<Integer> tool =
        tool(
            "-f",
            "qcow2",
            "-k",
            path("sock"),
            "--pid-file=" + path("pid"),
            "-x",
            "name",
            "-D",
            "a disk",
            path("i.qcow2"));
    awaitFile("pid", tool);
    String url = "nbd+unix:///name?socket=" + path("sock");
    run("qemu-io", "-f", "raw", "-c", "write -P 3 1M 2M", "-c", "flush", url);
    assertEquals(0, tool.get(20, TimeUnit.SECONDS));
    run("qemu-io", "-f", "qcow2", "-c", "read -P 3 1M 2M", path("i.qcow2"));
    run("qemu-img", "check", path("i.qcow2"));
  }

  @Test
  void aPersistentServerLetsAsManyInAsItIsTold() throws Exception {
    assumeQemu();
    run("qemu-img", "create", "-q", "-f", "raw", path("i"), "1M");
    CompletableFuture<Integer> tool =
        tool(
            "-t",
            "-r",
            "-e",
            "0",
            "-f",
            "raw",
            "-k",
            path("sock"),
            "--pid-file=" + path("pid"),
            path("i"));
    awaitFile("pid", tool);
    String url = "nbd+unix:///?socket=" + path("sock");
    for (int i = 0; i < 3; i++) {
      run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0 0 1M", url);
    }
    assertTrue(!tool.isDone());
  }

  /** What a server offers, told by both. */
  @Test
  void theListIsThatOfQemu() throws Exception {
    assumeQemu();
    run("qemu-img", "create", "-q", "-f", "raw", path("i"), "3M");
    processes.add(
        new ProcessBuilder(
                "qemu-nbd",
                "-t",
                "-e",
                "0",
                "-f",
                "raw",
                "-k",
                path("sock"),
                "-x",
                "e",
                "-D",
                "text",
                path("i"))
            .start());
    awaitFile("sock");
    String theirs = run("qemu-nbd", "-L", "-k", path("sock"));
    PrintStream before = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      assertEquals(0, NbdTool.run(List.of("-L", "-k", path("sock"))));
    } finally {
      System.setOut(before);
    }
    assertEquals(theirs, bytes.toString(StandardCharsets.UTF_8));
  }

  @Test
  void whatCannotBeIsToldInOneSentence() {
    for (String[] words :
        new String[][] {
          {},
          {"-k", "x", "-p", "5", "file"},
          {"--fork", "file"},
          {"--tls-creds=x", "file"},
          {"-e", "-1", "file"},
          {"-p", "99999", "-L"},
          {"-L", "file"}
        }) {
      assertThrows(ConfigException.class, () -> NbdTool.run(List.of(words)));
    }
  }
}
