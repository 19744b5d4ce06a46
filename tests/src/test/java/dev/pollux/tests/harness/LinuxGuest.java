package dev.pollux.tests.harness;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Image;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.cli.guest.KernelModules;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/**
 * A Debian kernel with a busybox shell on its serial console, run by {@code pollux run} in a
 * process of its own. Tests that want one are skipped where it has not been fetched.
 */
public final class LinuxGuest implements AutoCloseable {
  /** A loaded machine interprets a kernel's start slowly. */
  private static final Duration BOOT = Duration.ofMinutes(4);

  private static final Duration ANSWER = Duration.ofMinutes(1);
  private static final String PROMPT = "root@pollux:";
  private static final String MONITOR_PROMPT = "(qemu) ";

  /** Ctrl-A c: from the guest to the monitor, and back. */
  private static final String SWITCH = "\001c";

  private final PolluxProcess process;

  private LinuxGuest(PolluxProcess process) {
    this.process = process;
  }

  /**
   * Starts a guest with 512 MiB; its console is the process's standard input and output.
   *
   * @param options more options for {@code pollux run}
   */
  public static LinuxGuest start(Kernel kernel, String... options) {
    return start(kernel, image(kernel).initrd(), options);
  }

  /**
   * As above, with another first root file system.
   *
   * @param initrd as {@link GuestImages#writeInitrd} makes it
   */
  public static LinuxGuest start(Kernel kernel, Path initrd, String... options) {
    return startBy(List.of(), kernel, initrd, options);
  }

  /** As above, started by another program, for instance {@code ip netns exec NAME}. */
  public static LinuxGuest startBy(
      List<String> starter, Kernel kernel, Path initrd, String... options) {
    List<String> arguments = new ArrayList<>(List.of("run", "-nographic"));
    arguments.addAll(machine(kernel, initrd));
    arguments.addAll(List.of(options));
    return new LinuxGuest(PolluxProcess.startBy(starter, arguments.toArray(String[]::new)));
  }

  /**
   * As above, with another command line of the kernel.
   *
   * @param append for instance {@code console=hvc0}
   */
  public static LinuxGuest startWith(String append, Kernel kernel, Path initrd, String... options) {
    List<String> arguments = new ArrayList<>(List.of("run", "-nographic"));
    arguments.addAll(machine(kernel, initrd));
    arguments.set(arguments.indexOf("-append") + 1, append);
    arguments.addAll(List.of(options));
    return new LinuxGuest(PolluxProcess.start(arguments.toArray(String[]::new)));
  }

  /** A guest of {@link #machine}, on the console of a process that a test has started. */
  public static LinuxGuest of(PolluxProcess process) {
    return new LinuxGuest(process);
  }

  /** The options of {@code run} that such a guest has, apart from those for its console. */
  public static List<String> machine(Kernel kernel) {
    return machine(kernel, image(kernel).initrd());
  }

  /** As above, with another first root file system. */
  public static List<String> machine(Kernel kernel, Path initrd) {
    return List.of(
        "-m",
        "512",
        "-no-reboot",
        "-kernel",
        image(kernel).kernel().toString(),
        "-initrd",
        initrd.toString(),
        "-append",
        "console=ttyS0 quiet panic=-1");
  }

  /**
   * Makes a first root file system whose init loads modules of the kernel, with what they need;
   * names of what is built in are fine. Without the fetched guest the test is skipped.
   *
   * @param folder where the file goes
   * @param modules for instance {@code virtio_pci}, {@code virtio_blk}, {@code ext4}
   */
  public static Path initrd(Path folder, Kernel kernel, String... modules) throws IOException {
    return initrd(folder, kernel, Map.of(), modules);
  }

  /**
   * As above, with more files.
   *
   * @param added host files and folders by their absolute path in the guest
   */
  public static Path initrd(Path folder, Kernel kernel, Map<String, Path> added, String... modules)
      throws IOException {
    image(kernel);
    GuestImages images = GuestImages.ofUser();
    Optional<KernelModules> present = images.modules(kernel);
    Assumptions.assumeTrue(
        present.isPresent(),
        () ->
            "no modules of the %s Linux guest; \"./pollux guest linux --kernel %s\" fetches them"
                .formatted(kernel.label(), kernel.label()));
    Path initrd = folder.resolve("initrd-" + kernel.label() + ".cpio");
    images.writeInitrd(initrd, added, present.get().withNeeds(List.of(modules)));
    return initrd;
  }

  /** Whether a kernel that has been fetched has a module. */
  public static boolean hasModule(Kernel kernel, String name) throws IOException {
    Optional<KernelModules> modules = GuestImages.ofUser().modules(kernel);
    return modules.isPresent() && modules.get().has(name);
  }

  /** The fetched guest; without it the test is skipped. */
  private static Image image(Kernel kernel) {
    Optional<Image> image = GuestImages.ofUser().find(kernel);
    Assumptions.assumeTrue(
        image.isPresent(),
        () ->
            "no %s Linux guest in %s; \"./pollux guest linux --kernel %s\" fetches it"
                .formatted(kernel.label(), GuestImages.userCache(), kernel.label()));
    return image.get();
  }

  /** Waits for the shell's first prompt. */
  public LinuxGuest awaitShell() {
    process.expect(PROMPT, BOOT);
    return this;
  }

  /**
   * Types a command and waits until it is done.
   *
   * @return what it printed, its lines separated by line feeds
   */
  public String run(String command) {
    // The markers are typed in two parts, so that the echo of the command does not hold them.
    process.type("echo beg''in; " + command + "; echo en''d\n");
    process.expect("begin\r\n", ANSWER);
    String printed = process.expect("end\r\n", ANSWER);
    process.expect(PROMPT, ANSWER);
    return printed.replace("\r\n", "\n").strip();
  }

  /**
   * Asks the monitor on the same terminal.
   *
   * @return its answer, its lines separated by line feeds
   */
  public String monitor(String command) {
    process.type(SWITCH);
    process.expect(MONITOR_PROMPT, ANSWER);
    process.type(command + "\n");
    process.expect("\n", ANSWER); // the echo
    String printed = process.expect(MONITOR_PROMPT, ANSWER);
    process.type(SWITCH);
    return printed.replace("\r\n", "\n");
  }

  /** Types text as it is. */
  public void type(String text) {
    process.type(text);
  }

  public PolluxProcess process() {
    return process;
  }

  @Override
  public void close() {
    process.close();
  }
}
