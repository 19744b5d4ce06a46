package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.tests.harness.GuestScreen;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** SeaBIOS finds its way about the machines and boots from their disks. */
class SeaBiosTest {
  private static final Path BIOS = Path.of("/usr/share/seabios/bios-256k.bin");
  private static final Path VGA_BIOS = Path.of("/usr/share/seabios/vgabios-stdvga.bin");
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

  @ParameterizedTest
  @ValueSource(strings = {"pc", "q35"})
  void bootsFromADisc(String machine) throws IOException {
    Path disc = Files.write(folder.resolve("disc.iso"), BootSector.disc(TEXT, 9));
    assertEquals(TEXT, run("-machine", machine, "-boot", "d", "-cdrom", disc.toString()));
  }

  @Test
  void bootsFromSataByItsIndex() throws IOException {
    byte[] other = BootSector.disk("another disk", 9, 512);
    Path second = Files.write(folder.resolve("other.img"), other);
    List<String> options = new ArrayList<>(List.of("-machine", "q35"));
    options.addAll(List.of("-drive", "if=ide,format=raw,file=" + second));
    options.addAll(List.of("-drive", "if=none,id=d,format=raw,file=" + disk(512)));
    options.addAll(List.of("-device", "ahci,id=more,addr=6"));
    options.addAll(List.of("-device", "ide-hd,drive=d,bus=more.4,bootindex=0"));
    assertEquals(TEXT, run(options.toArray(String[]::new)));
  }

  @Test
  void bootsFromNvmeByItsIndex() throws IOException {
    Path other = Files.write(folder.resolve("other.img"), BootSector.disk("another disk", 9, 512));
    List<String> options = new ArrayList<>(List.of("-drive", "format=raw,if=virtio,file=" + other));
    options.addAll(List.of("-drive", "if=none,id=d,format=raw,file=" + disk(512)));
    options.addAll(List.of("-device", "nvme,drive=d,serial=S1,bootindex=0"));
    assertEquals(TEXT, run(options.toArray(String[]::new)));
  }

  @Test
  void bootsFromUsbByItsIndex() throws IOException {
    Path other = Files.write(folder.resolve("other.img"), BootSector.disk("another disk", 9, 512));
    List<String> options = new ArrayList<>(List.of("-drive", "format=raw,if=virtio,file=" + other));
    options.addAll(List.of("-drive", "if=none,id=d,format=raw,file=" + disk(512)));
    options.addAll(List.of("-device", "qemu-xhci", "-device", "usb-kbd"));
    options.addAll(List.of("-device", "usb-storage,drive=d,bootindex=0"));
    assertEquals(TEXT, run(options.toArray(String[]::new)));
    String log = Files.readString(folder.resolve("bios.log"));
    assertTrue(log.contains("USB keyboard initialized"), log);
  }

  @ParameterizedTest
  @CsvSource({"pc, 18", "q35, 36"})
  void bootsAKernelFromAFloppyAndWritesToIt(String machine, int sectors) throws IOException {
    Path floppy =
        Files.write(folder.resolve("floppy.img"), FloppyKernel.image(TEXT + "\n", sectors));
    String drive = "if=floppy,format=raw,file=" + floppy;
    assertEquals(TEXT + "\n", run("-machine", machine, "-drive", drive));
    byte[] image = Files.readAllBytes(floppy);
    String last = new String(image, image.length - 512, TEXT.length(), StandardCharsets.US_ASCII);
    assertEquals(TEXT, last);
  }

  /** Types on the keyboard what the menu asks for, and looks at the screen through the monitor. */
  @ParameterizedTest
  @CsvSource({
    "VGA, vgabios-stdvga.bin, 720, 400",
    "virtio-vga, vgabios-virtio.bin, 720, 400",
    "ramfb, vgabios-ramfb.bin, 1024, 768"
  })
  void menuIsSeenAndTakesKeys(String card, String videoBios, int width, int height)
      throws IOException {
    Path rom = BIOS.resolveSibling(videoBios);
    assumeTrue(Files.isReadable(rom), "no " + rom);
    Path picture = folder.resolve("screen.ppm");
    try (PolluxProcess vm =
        PolluxProcess.start(
            "run",
            "-m",
            "32",
            "-monitor",
            "stdio",
            "-serial",
            "file:" + folder.resolve("serial"),
            "-device",
            "isa-debug-exit",
            "-debugcon",
            "null",
            "-vga",
            "none",
            "-device",
            card,
            "-boot",
            "menu=on,splash-time=60000",
            "-chardev",
            "file,id=log,path=" + folder.resolve("bios.log"),
            "-device",
            "isa-debugcon,iobase=0x402,chardev=log",
            "-hda",
            disk(512).toString())) {
      vm.expect("(qemu)", PATIENCE);
      waitFor(folder.resolve("bios.log"), "ESC for boot menu");
      vm.type("screendump %s\n".formatted(picture));
      vm.type("sendkey esc\n");
      waitFor(folder.resolve("bios.log"), "Select boot device");
      vm.type("sendkey 1\n");
      assertEquals(BootSector.EXIT_STATUS, vm.await(PATIENCE), vm.errors());
    }
    assertEquals(TEXT, Files.readString(folder.resolve("serial")));
    GuestScreen.assertLetters(Files.readAllBytes(picture), width, height);
  }

  /** The boot menu again, in the terminal: an escape character alone is a key. */
  @Test
  void menuIsSeenInTheTerminal() throws IOException {
    assumeTrue(Files.isReadable(VGA_BIOS), "no " + VGA_BIOS);
    try (PolluxProcess vm =
        PolluxProcess.start(
            "run",
            "-m",
            "32",
            "-display",
            "curses",
            "-serial",
            "file:" + folder.resolve("serial"),
            "-device",
            "isa-debug-exit",
            "-boot",
            "menu=on,splash-time=60000",
            "-hda",
            disk(512).toString())) {
      vm.expect("Press ESC for boot menu", PATIENCE);
      vm.type("\033");
      vm.expect("Select boot device", PATIENCE);
      vm.type("1");
      assertEquals(BootSector.EXIT_STATUS, vm.await(PATIENCE), vm.errors());
    }
    assertEquals(TEXT, Files.readString(folder.resolve("serial")));
  }

  private static void waitFor(Path log, String text) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!readable(log).contains(text)) {
      assertTrue(System.nanoTime() < deadline, () -> "no \"" + text + "\" in " + readable(log));
      LockSupport.parkNanos(20_000_000);
    }
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
