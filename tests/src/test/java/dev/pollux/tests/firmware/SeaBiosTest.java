package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** SeaBIOS finds its way about the machines and boots from their disks. */
class SeaBiosTest {
  private static final Path BIOS = Path.of("/usr/share/seabios/bios-256k.bin");
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String TEXT = "read by the BIOS";

  @TempDir private Path folder;

  @BeforeEach
  void hostHasSeaBios() {
    assumeTrue(Files.isReadable(BIOS), "no " + BIOS + " (Debian: apt-get install seabios)");
  }

  private Path disk(int sectorSize) throws IOException {
    return Files.write(folder.resolve("disk.img"), BootSector.disk(TEXT, 9, sectorSize));
  }

  /** Runs a machine to its end; what was on the first serial port. */
  private String run(String... options) throws IOException {
    List<String> arguments =
        new ArrayList<>(
            List.of("run", "-m", "32", "-serial", "stdio", "-device", "isa-debug-exit"));
    Path log = folder.resolve("bios.log");
    arguments.addAll(List.of("-chardev", "file,id=log,path=" + log));
    arguments.addAll(List.of("-device", "isa-debugcon,iobase=0x402,chardev=log"));
    arguments.addAll(List.of(options));
    try (PolluxProcess vm = PolluxProcess.start(arguments.toArray(String[]::new))) {
      assertEquals(BootSector.EXIT_STATUS, vm.await(PATIENCE), () -> vm.errors() + readable(log));
      return vm.output();
    }
  }

  private static String readable(Path log) {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return e.toString();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"pc", "q35"})
  void bootsFromVirtio(String machine) throws IOException {
    String drive = "file=%s,format=raw,if=virtio".formatted(disk(512));
    assertEquals(TEXT, run("-machine", machine, "-smp", "2", "-drive", drive));
    String log = Files.readString(folder.resolve("bios.log"));
    assertTrue(log.contains("Found 2 cpu(s) max supported 2 cpu(s)"), log);
    assertTrue(log.contains("(via xsdt)"), log);
    assertTrue(log.contains("PS2 keyboard initialized"), log);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3})
  void bootsFromIde(int index) throws IOException {
    assertEquals(TEXT, run("-drive", "file=%s,format=raw,index=%d".formatted(disk(512), index)));
  }

  @Test
  void bootsFromADisc() throws IOException {
    Path disc = Files.write(folder.resolve("disc.iso"), BootSector.disc(TEXT, 9));
    assertEquals(TEXT, run("-boot", "d", "-cdrom", disc.toString()));
  }

  @Test
  void showsItsScreenOnTheSerialPortWithoutGraphics() throws IOException {
    String drive = "file=%s,format=raw,if=virtio".formatted(disk(512));
    String screen = run("-nographic", "-monitor", "none", "-drive", drive);
    assertTrue(screen.contains("SeaBIOS (version"), screen);
    assertTrue(
        screen.contains("Booting from Hard Disk"), screen); // the rest is mixed with the text
  }
}
