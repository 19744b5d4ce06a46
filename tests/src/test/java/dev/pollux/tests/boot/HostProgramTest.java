package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.HostPrograms;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Programs of the host, copied into a guest with their libraries, do there what they do on the
 * host. The guest has all features that there are, so its C library and its cryptography choose
 * what the newest processors offer: AVX2 strings, AES and SHA instructions.
 */
class HostProgramTest {
  private static final int DATA_BYTES = 200_003;

  @TempDir private static Path folder;

  /** Host files by their paths in the guest. */
  private static final Map<String, Path> files = new TreeMap<>();

  private static final Set<String> programs = new HashSet<>();
  private static LinuxGuest guest;

  @BeforeAll
  static void boot() throws IOException {
    // A missing guest is a reason to skip before anything is copied.
    assumeTrue(
        GuestImages.ofUser().find(Kernel.CLOUD).isPresent(),
        "no cloud Linux guest; \"./pollux guest linux\" fetches it");
    add("perl");
    add("openssl");
    assumeTrue(!programs.isEmpty(), "the host has neither perl nor openssl");
    try (InputStream script = HostProgramTest.class.getResourceAsStream("workload.pl")) {
      Files.copy(script, folder.resolve("workload.pl"));
    }
    byte[] data = new byte[DATA_BYTES];
    new Random(1).nextBytes(data);
    Files.write(folder.resolve("data"), data);
    files.put("/work/workload.pl", folder.resolve("workload.pl"));
    files.put("/work/data", folder.resolve("data"));
    Path initrd = folder.resolve("initrd.cpio");
    GuestImages.ofUser().writeInitrd(initrd, files);
    guest = LinuxGuest.start(Kernel.CLOUD, initrd, "-cpu", "max").awaitShell();
  }

  @AfterAll
  static void end() {
    if (guest != null) {
      guest.close();
    }
  }

  /** Adds a program with its libraries, if the host has it. */
  private static void add(String name) throws IOException {
    Map<String, Path> found = HostPrograms.files(name);
    if (!found.isEmpty()) {
      files.putAll(found);
      programs.add(name);
    }
  }

  /** What a command prints on the host. */
  private static String host(String command) throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(List.of("sh", "-c", command));
    builder.environment().put("LC_ALL", "C");
    Path output = Files.createTempFile(folder, "output", ".txt");
    Process process =
        builder
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    if (!process.waitFor(1, TimeUnit.MINUTES)) {
      process.destroyForcibly();
      throw new IOException(command + " does not end");
    }
    return Files.readString(output, StandardCharsets.ISO_8859_1).strip();
  }

  private static void sameInGuest(String command) throws IOException, InterruptedException {
    String expected = host(command);
    assertTrue(!expected.isEmpty(), command);
    assertEquals(expected, guest.run("cd /work; LC_ALL=C; export LC_ALL; " + command), command);
  }

  @Test
  void perl() throws IOException, InterruptedException {
    assumeTrue(programs.contains("perl"), "the host has no perl");
    sameInGuest("perl workload.pl");
  }

  @Test
  void openssl() throws IOException, InterruptedException {
    assumeTrue(programs.contains("openssl"), "the host has no openssl");
    for (String digest : List.of("sha1", "sha256", "sha512", "sha3-256", "blake2b512")) {
      sameInGuest("openssl dgst -" + digest + " data");
    }
    String key = "-K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    String iv = "-iv 101112131415161718191a1b1c1d1e1f";
    for (String cipher : List.of("aes-256-cbc", "aes-256-ctr", "chacha20", "camellia-256-cbc")) {
      sameInGuest(
          "openssl enc -%s %s %s -in data | openssl dgst -sha256".formatted(cipher, key, iv));
    }
    sameInGuest("openssl dgst -sha256 -hmac key data");
  }
}
