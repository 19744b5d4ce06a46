package dev.pollux.tests.baremetal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.jit.HostSupport;
import dev.pollux.tests.harness.JavaCommand;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Small guests, each about one part of the system architecture, that report over the debug console:
 * what they report must be what is recorded, and, where QEMU is installed, what they report there.
 *
 * <p>The record is what the manuals say, read line by line when it was made. {@code
 * -Dbaremetal.record=DIRECTORY} writes new records there instead of comparing, and {@code
 * -Dbaremetal.guest=NAME} runs one alone.
 */
class BareMetalTest {
  private static final String QEMU = "qemu-system-x86_64";
  private static final int TIMEOUT_SECONDS = 60;

  /** isa-debug-exit turns the value n into the exit status 2n + 1. */
  private static final int STATUS_DONE = 2 * Program.DONE + 1;

  private static final int DISK_BYTES = 1 << 20;

  private static final List<String> MACHINE =
      List.of(
          "-m",
          "64",
          "-display",
          "none",
          "-nodefaults",
          "-no-reboot",
          "-device",
          "isa-debug-exit,iobase=0xf4,iosize=4");

  /**
   * A program by name, how many processors it is for, and their model.
   *
   * @param onQemu QEMU has what the program is about, and does it as the manuals say
   * @param disks a fast and a slow one
   */
  record Guest(
      String name,
      Supplier<Program> program,
      int cpus,
      String model,
      boolean onQemu,
      boolean disks) {
    Guest(String name, Supplier<Program> program) {
      this(name, program, 1);
    }

    Guest(String name, Supplier<Program> program, int cpus) {
      this(name, program, cpus, "max", true, false);
    }

    static Guest withDisks(String name, Supplier<Program> program) {
      return new Guest(name, program, 1, "max", true, true);
    }

    /** One that only Pollux runs. */
    static Guest notOnQemu(String name, Supplier<Program> program, String model) {
      return new Guest(name, program, 1, model, false, false);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Guest> guests() {
    return Stream.of(
            new Guest("paging", PagingProgram::new),
            new Guest("tlb", TlbProgram::new),
            new Guest("legacy-paging", LegacyPagingProgram::new),
            new Guest("exceptions", ExceptionProgram::new),
            new Guest("debug", DebugProgram::new),
            new Guest("system-calls", SystemCallProgram::new),
            new Guest("protected", ProtectedProgram::new),
            new Guest("avx", AvxProgram::new),
            new Guest("page-edge", PageEdgeProgram::new),
            new Guest("chipset", ChipsetProgram::new),
            // QEMU has had no x2APIC without an accelerator for long, and has no deadline.
            Guest.notOnQemu("local-apic", LocalApicProgram::new, "max"),
            new Guest("protection-keys", ProtectionKeyProgram::new),
            new Guest("five-levels", FiveLevelProgram::new),
            Guest.notOnQemu("address-masking", () -> new AddressMaskingProgram(false), "max"),
            Guest.notOnQemu("address-masking-57", () -> new AddressMaskingProgram(true), "max"),
            // QEMU's error code lacks the present bit for a reserved one.
            Guest.notOnQemu("phys-bits-36", () -> new PhysicalWidthProgram(36), "max,phys-bits=36"),
            Guest.notOnQemu("phys-bits-48", () -> new PhysicalWidthProgram(48), "max,phys-bits=48"),
            new Guest("smp", SmpProgram::new, 4),
            Guest.withDisks("virtio-blk", VirtioBlkProgram::new))
        .filter(guest -> System.getProperty("baremetal.guest", guest.name()).equals(guest.name()));
  }

  @TempDir Path directory;

  private static boolean generatorRuns(Guest guest) {
    try {
      // Its guests have AVX where the host has it.
      Set<CpuFeature> features = HostSupport.guestFeatures();
      return !guest.name().equals("avx") || features.contains(CpuFeature.FMA);
    } catch (IOException e) {
      return false;
    }
  }

  /** Every guest with every engine that works here. */
  static Stream<Arguments> runs() {
    return guests()
        .flatMap(
            guest ->
                Stream.of("interp", "jit")
                    .filter(engine -> engine.equals("interp") || generatorRuns(guest))
                    .map(engine -> Arguments.of(guest, engine)));
  }

  @ParameterizedTest
  @MethodSource("runs")
  void reportsWhatIsRecorded(Guest guest, String engine) throws IOException, InterruptedException {
    String report = runOnPollux(guest, guest.program().get().build(false), engine);
    String record = System.getProperty("baremetal.record");
    if (record != null && engine.equals("interp")) {
      Files.writeString(Path.of(record, guest.name() + ".txt"), report);
      return;
    }
    try (InputStream expected = BareMetalTest.class.getResourceAsStream(guest.name() + ".txt")) {
      assertEquals(new String(expected.readAllBytes(), StandardCharsets.ISO_8859_1), report);
    }
  }

  @ParameterizedTest
  @MethodSource("guestsOfQemu")
  void reportsTheSameOnQemu(Guest guest) throws IOException, InterruptedException {
    assumeTrue(hasQemu(), QEMU + " is not installed");
    byte[] image = guest.program().get().build(true);
    List<String> command = new ArrayList<>(List.of(QEMU, "-accel", "tcg"));
    String qemu = run(guest, command, image);
    assertEquals(qemu, runOnPollux(guest, image, "interp"));
  }

  static Stream<Guest> guestsOfQemu() {
    return guests().filter(Guest::onQemu);
  }

  private static boolean hasQemu() {
    return Stream.of(System.getenv("PATH").split(":", -1))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, QEMU)));
  }

  private String runOnPollux(Guest guest, byte[] image, String accelerator)
      throws IOException, InterruptedException {
    List<String> command = JavaCommand.pollux();
    command.addAll(List.of("run", "-accel", accelerator));
    return run(guest, command, image);
  }

  /** What the guest in {@code image} writes to its debug console. */
  private String run(Guest guest, List<String> command, byte[] image)
      throws IOException, InterruptedException {
    Path kernel = Files.createTempFile(directory, "guest", ".elf");
    Path console = Files.createTempFile(directory, "console", ".txt");
    Path messages = Files.createTempFile(directory, "messages", ".txt");
    Files.write(kernel, image);
    command.addAll(MACHINE);
    command.addAll(List.of("-cpu", guest.model()));
    command.addAll(List.of("-smp", Integer.toString(guest.cpus())));
    if (guest.disks()) {
      command.addAll(List.of("-object", "throttle-group,id=limits,x-iops-total=20"));
      addDisk(command, "fast", "driver=raw,file.driver=file,file.filename=");
      addDisk(
          command,
          "slow",
          "driver=throttle,throttle-group=limits,file.driver=raw,file.file.driver=file,"
              + "file.file.filename=");
    }
    command.addAll(List.of("-debugcon", "file:" + console, "-kernel", kernel.toString()));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(messages.toFile())
            .start();
    boolean ended = process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    process.destroyForcibly().waitFor();
    String report = Files.readString(console, StandardCharsets.ISO_8859_1);
    if (!ended) {
      fail("no end within " + TIMEOUT_SECONDS + " s, reported so far:\n" + tail(report));
    }
    assertTrue(
        process.exitValue() == STATUS_DONE,
        () -> "status " + process.exitValue() + " after\n" + tail(report) + read(messages));
    return report;
  }

  /** A disk each of whose 32-bit words is its own number. */
  private void addDisk(List<String> command, String name, String node) throws IOException {
    ByteBuffer words = ByteBuffer.allocate(DISK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int word = 0; words.hasRemaining(); word++) {
      words.putInt(word);
    }
    Path file = Files.write(Files.createTempFile(directory, name, ".img"), words.array());
    command.addAll(List.of("-blockdev", "node-name=" + name + "," + node + file));
    command.addAll(List.of("-device", "virtio-blk-pci,disable-legacy=on,packed=on,drive=" + name));
  }

  private static String tail(String text) {
    return text.substring(Math.max(0, text.length() - 1000));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
