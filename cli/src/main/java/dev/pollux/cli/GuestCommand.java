package dev.pollux.cli;

import dev.pollux.cli.guest.DebianImage;
import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Image;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code pollux guest}: brings guests to try Pollux with. */
@Command(
    name = "guest",
    synopsisSubcommandLabel = "GUEST",
    description = "Fetch a guest to try Pollux with, and show how to run it.",
    optionListHeading = "%nOptions:%n",
    commandListHeading = "%nGuests:%n",
    subcommands = {
      GuestCommand.Linux.class,
      GuestCommand.Debian.class,
      GuestCommand.Firmware.class
    })
final class GuestCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin HelpOption help;

  @Override
  public Integer call() {
    spec.commandLine().usage(System.out);
    return 0;
  }

  /** {@code pollux guest firmware}. */
  @Command(
      name = "firmware",
      description =
          "Fetch SeaBIOS, the BIOS of its VGA, and OVMF for UEFI, without root, for machines to"
              + " boot with.",
      optionListHeading = "%nOptions:%n")
  static final class Firmware implements Callable<Integer> {
    @Mixin HelpOption help;

    @Option(
        names = {"-refresh", "--refresh"},
        description = "Fetch again what is in the cache already.")
    private boolean refresh;

    @Override
    public Integer call() throws IOException {
      GuestImages images =
          new GuestImages(GuestImages.userCache(), line -> System.err.println("pollux: " + line));
      System.out.printf("firmware: %s%n", images.firmware(refresh));
      System.out.println("run: ./pollux run DISK");
      System.out.println("run by UEFI: ./pollux run -bios OVMF.fd DISK");
      return 0;
    }
  }

  /** {@code pollux guest debian}. */
  @Command(
      name = "debian",
      description =
          "Make a disk image with Debian, by mmdebstrap and without root, and fetch the firmware to"
              + " boot it with. Log in as root; there is no password.",
      optionListHeading = "%nOptions:%n")
  static final class Debian implements Callable<Integer> {
    @Mixin HelpOption help;

    @Option(
        names = {"-refresh", "--refresh"},
        description = "Make it again even if it is there.")
    private boolean refresh;

    @Option(
        names = {"-output", "--output"},
        paramLabel = "<file>",
        description = "Write the image here rather than to the cache.")
    private Path output;

    @Override
    public Integer call() throws IOException {
      Consumer<String> progress = line -> System.err.println("pollux: " + line);
      GuestImages images = new GuestImages(GuestImages.userCache(), progress);
      images.firmware(false);
      Path file = output != null ? output : GuestImages.userCache().resolve("debian.qcow2");
      if (refresh || !Files.exists(file)) {
        new DebianImage(progress).make(file.toAbsolutePath());
      }
      System.out.printf("image: %s%n", file);
      System.out.printf("run: ./pollux run %s%n", file);
      System.out.printf("run by UEFI: ./pollux run -bios OVMF.fd %s%n", file);
      return 0;
    }
  }

  /** {@code pollux guest linux}. */
  @Command(
      name = "linux",
      description =
          "Fetch a Debian kernel and busybox, without root, and make an initramfs that gives a"
              + " shell.",
      optionListHeading = "%nOptions:%n")
  static final class Linux implements Callable<Integer> {
    @Mixin HelpOption help;

    @Option(
        names = {"-kernel", "--kernel"},
        paramLabel = "<cloud|generic>",
        description =
            "Debian's small kernel for virtual machines (the default), or its common one.")
    private String kernel = Kernel.CLOUD.label();

    @Option(
        names = {"-refresh", "--refresh"},
        description = "Fetch again what is in the cache already.")
    private boolean refresh;

    @Option(
        names = {"-add", "--add"},
        paramLabel = "<file>[:<path>]",
        description =
            "Put a file or folder of this host into the initramfs too, at the same or another path."
                + " A program /etc/rc is run before the shell.")
    private List<String> add = new ArrayList<>();

    @Option(
        names = {"-modules", "--modules"},
        paramLabel = "<name>[,...]",
        split = ",",
        description =
            "Put modules of the kernel, and what they need, into the initramfs and load them, for"
                + " instance virtio_pci,virtio_blk,ext4.")
    private List<String> modules = new ArrayList<>();

    @Option(
        names = {"-output", "--output"},
        paramLabel = "<file>",
        description = "Write the initramfs here rather than to the cache.")
    private Path output;

    @Override
    public Integer call() throws IOException {
      Map<String, Kernel> kernels =
          Stream.of(Kernel.values()).collect(Collectors.toMap(Kernel::label, Function.identity()));
      Kernel wanted = kernels.get(kernel);
      if (wanted == null) {
        throw new ConfigException(
            "guest: unknown kernel \"%s\"; %s"
                .formatted(kernel, Suggestions.hint(kernel, kernels.keySet())));
      }
      Map<String, Path> added = added();
      GuestImages images =
          new GuestImages(GuestImages.userCache(), line -> System.err.println("pollux: " + line));
      Image image = images.get(wanted, refresh);
      Path initrd = image.initrd();
      if (output != null || !added.isEmpty() || !modules.isEmpty()) {
        initrd =
            output != null ? output.toAbsolutePath() : initrd.resolveSibling("initrd-added.cpio");
        List<Path> loaded = images.modules(wanted).orElseThrow().withNeeds(modules);
        images.writeInitrd(initrd, added, loaded);
      }
      System.out.printf(
          "version: %s%nkernel: %s%ninitrd: %s%n", image.version(), image.kernel(), initrd);
      System.out.printf(
          "run: ./pollux run -m 512 -nographic -kernel %s -initrd %s -append \"console=ttyS0\"%n",
          image.kernel(), initrd);
      return 0;
    }

    private Map<String, Path> added() {
      Map<String, Path> files = new TreeMap<>();
      for (String text : add) {
        int colon = text.indexOf(':');
        Path source = Path.of(colon < 0 ? text : text.substring(0, colon)).toAbsolutePath();
        String target = colon < 0 ? source.normalize().toString() : text.substring(colon + 1);
        if (!Files.isReadable(source)) {
          throw new ConfigException(
              "guest: -add %s: no such file, or not readable".formatted(text));
        }
        if (!target.startsWith("/") || target.endsWith("/")) {
          throw new ConfigException(
              "guest: -add %s: the path in the guest begins with / and names the file"
                  .formatted(text));
        }
        files.put(target, source);
      }
      return files;
    }
  }
}
