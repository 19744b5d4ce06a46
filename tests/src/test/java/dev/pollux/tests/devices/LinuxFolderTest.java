package dev.pollux.tests.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.host.HostFile;
import dev.pollux.core.host.HostFolder;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.HostPrograms;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A folder of the host in a Linux guest: programs find there what POSIX promises, the host finds
 * what they have left, whatever characters the names have and whatever the locale of the emulator
 * is.
 */
@Timeout(600)
class LinuxFolderTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** A name that is no text in any character set of today, and one in UTF-8, byte for byte. */
  private static final String RAW = "\u00ff\u00fe raw";

  private static final String TEXT =
      new String("\u00e4\u0436\u20ac2".getBytes(StandardCharsets.UTF_8), HostFolder.NAMES);

  private static final int CHECKS = 36;

  @TempDir private Path base;
  private final List<String> expected = new ArrayList<>();
  private Path shared;

  @ParameterizedTest
  @CsvSource({"CLOUD, pc, C"})
  void isAsPosixSays(Kernel kernel, String machine, String locale) throws Exception {
    use(kernel, machine, locale);
  }

  @Tag("campaign")
  @ParameterizedTest
  @CsvSource({"GENERIC, q35, C.UTF-8", "CLOUD, microvm, C"})
  void isAsPosixSaysElsewhere(Kernel kernel, String machine, String locale) throws Exception {
    use(kernel, machine, locale);
  }

  private void use(Kernel kernel, String machine, String locale) throws Exception {
    shared = Files.createDirectory(base.resolve("shared"));
    Files.writeString(shared.resolve("from-host"), "of the host\n");
    try (LinuxGuest guest = start(kernel, machine, locale).awaitShell()) {
      assertEquals("", guest.run("mkdir /mnt; mount -t virtiofs work /mnt 2>&1"));
      assertEquals("of the host", guest.run("cat /mnt/from-host"));
      List<String> lines = guest.run("perl /work/posix.pl /mnt 2>&1").lines().toList();
      assertEquals(expected, lines);
      assertEquals(CHECKS, lines.stream().filter(line -> line.startsWith("ok ")).count());
      assertHostSeesThem();
      Files.writeString(shared.resolve("later"), "later\n");
      assertEquals("later", guest.run("sleep 1; cat /mnt/later"));
      assertMigratesOnlyUnmounted(guest);
    }
  }

  private LinuxGuest start(Kernel kernel, String machine, String locale) throws IOException {
    Map<String, Path> files = HostPrograms.files("perl");
    assumeTrue(!files.isEmpty(), "the host has no perl");
    Path script = base.resolve("posix.pl");
    try (InputStream text = LinuxFolderTest.class.getResourceAsStream("posix.pl")) {
      Files.copy(text, script);
    }
    files.put("/work/posix.pl", script);
    files.putAll(runOnHost(script));
    Path initrd = LinuxGuest.initrd(base, kernel, files, "virtio_pci", "virtio_mmio", "virtiofs");
    List<String> arguments = new ArrayList<>(List.of("run", "-nographic", "-machine", machine));
    arguments.addAll(LinuxGuest.machine(kernel, initrd));
    String device = machine.equals("microvm") ? "virtio-fs-device" : "virtio-fs-pci";
    arguments.addAll(List.of("-device", device + ",tag=work,path=" + shared));
    arguments.addAll(List.of("-qmp", "unix:" + base.resolve("qmp") + ",server=on,wait=off"));
    return LinuxGuest.of(
        PolluxProcess.start(Map.of("LC_ALL", locale), arguments.toArray(String[]::new)));
  }

  /**
   * Runs the script on the host, where it says what is expected.
   *
   * @return the modules of Perl that it has used, by their paths in the guest
   */
  private Map<String, Path> runOnHost(Path script) throws IOException {
    Path folder = Files.createDirectory(base.resolve("own"));
    String code =
        "do $ARGV[1]; print qq(using $_\\n) for values %INC, @DynaLoader::dl_shared_objects";
    Process perl =
        new ProcessBuilder("perl", "-MDynaLoader", "-e", code, folder.toString(), script.toString())
            .start();
    perl.getOutputStream().close();
    Map<String, Path> used = new TreeMap<>();
    new String(perl.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
        .lines()
        .forEach(
            line -> {
              if (line.startsWith("using /") && !line.endsWith(script.toString())) {
                used.put(line.substring(6), Path.of(line.substring(6)));
              } else if (!line.startsWith("using ")) {
                expected.add(line);
              }
            });
    return used;
  }

  private void assertHostSeesThem() throws IOException {
    try (HostFile open = HostFile.open(shared.toString(), HostFile.O_RDONLY)) {
      List<String> names = HostFolder.list(open, 1000);
      assertTrue(names.contains(RAW) && names.contains(TEXT), () -> "names: " + names);
      assertFalse(names.contains("open"), "an open file that was unlinked");
    }
    assertEquals(5_000_000_003L, Files.size(shared.resolve("large")));
    assertEquals("mapped text", Files.readString(shared.resolve("mapped")).substring(5000, 5011));
  }

  private void assertMigratesOnlyUnmounted(LinuxGuest guest)
      throws IOException, CommandFailed, InterruptedException {
    try (QmpClient client = Monitors.connect(base.resolve("qmp"), _ -> {})) {
      ObjectNode to = JSON.createObjectNode().put("uri", "file:" + base.resolve("stream"));
      CommandFailed refused =
          assertThrows(CommandFailed.class, () -> client.execute("migrate", to));
      assertTrue(refused.getMessage().contains("'work' is mounted"), refused.getMessage());
      assertEquals("", guest.run("umount /mnt 2>&1"));
      JsonNode _ = client.execute("migrate", to);
      JsonNode _ = client.execute("quit");
    }
  }
}
