package dev.pollux.cli;

import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.ImageFormats;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.cli.pair.PairDisk;
import dev.pollux.cli.pair.PairMetrics;
import dev.pollux.cli.pair.PairOptions;
import dev.pollux.cli.pair.PlannedFault;
import dev.pollux.cli.pair.Supervisor;
import dev.pollux.cli.pair.host.Endpoint;
import dev.pollux.cli.pair.host.HostAgent;
import dev.pollux.cli.pair.host.HostOptions;
import dev.pollux.cli.pair.host.LeasePlace;
import dev.pollux.cli.pair.watch.PairWatcher;
import dev.pollux.cli.pair.web.PairWeb;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.Terminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code pollux pair}: a guest on two processes, one of which may die. */
@Command(
    name = "pair",
    synopsisHeading = "",
    customSynopsis = "Usage: pollux pair [--OPTION]... [OPTION of run]...",
    description = {
      "Runs a virtual machine that survives the death of its process: a second process becomes an"
          + " exact copy of it again and again, and goes on when the first one is gone; then"
          + " another copy is made.",
      "",
      "The machine's options are those of run. The exit status is that of the process in which the"
          + " guest ended; 1 if the guest was lost.",
      "",
      "pollux pair status, demote, resync, stop --folder FOLDER speak to a pair that runs, on two"
          + " hosts also promote; pollux pair fault harms one on one machine; pollux pair"
          + " coordinator is a ZooKeeper server for trials."
    },
    sortOptions = false,
    separator = " ",
    subcommands = {
      PairControl.Status.class,
      PairControl.Promote.class,
      PairControl.Demote.class,
      PairControl.Resync.class,
      PairControl.Stop.class,
      PairControl.Fault.class,
      PairControl.Coordinator.class
    })
final class PairCommand implements Callable<Integer> {
  /** Those of {@code run} that would make both processes use the same thing of the host. */
  private static final Map<String, String> REFUSED =
      Map.ofEntries(
          Map.entry("-chardev", "both sides would use it"),
          Map.entry("-monitor", "the monitors are in the folder of --folder, one a side"),
          Map.entry("-mon", "the monitors are in the folder of --folder, one a side"),
          Map.entry("-qmp", "the monitors are in the folder of --folder, one a side"),
          Map.entry("-qmp-pretty", "the monitors are in the folder of --folder, one a side"),
          Map.entry("-debugcon", "both sides would use it"),
          Map.entry("-expect", "the guest's console goes where --console says"),
          Map.entry("-S", "a pair runs from the start"),
          Map.entry("-incoming", "the pair decides who waits for whom"),
          Map.entry("-pidfile", "there are two processes"),
          Map.entry("-D", "both sides would write it"),
          Map.entry("-profile", "both sides would write it"),
          Map.entry("-blockdev", "write -drive file=FILE,if=virtio"),
          Map.entry("-fda", "pairs have no floppies"),
          Map.entry("-fdb", "pairs have no floppies"),
          Map.entry("-hda", "write -drive file=FILE,if=virtio"),
          Map.entry("-hdb", "write -drive file=FILE,if=virtio"),
          Map.entry("-hdc", "write -drive file=FILE,if=virtio"),
          Map.entry("-hdd", "write -drive file=FILE,if=virtio"),
          Map.entry("-cdrom", "write -drive file=FILE,if=virtio"));

  /** Keys of {@code -drive} that its node takes. */
  private static final List<String> NODE_KEYS = List.of("cache", "discard", "detect-zeroes");

  /** Values of {@code if=}, and whether a device is made for it. */
  private static final Map<String, Optional<Boolean>> INTERFACES =
      Map.of("virtio", Optional.of(true), "none", Optional.of(false), "ide", Optional.empty());

  /** What the pair gives each side in its own way. */
  private static final Set<String> REPLACED =
      Set.of("-nographic", "-display", "-serial", "-netdev", "-nic", "-net", "-drive", "-run-with");

  @Spec private CommandSpec spec;

  @Mixin HelpOption help;

  @Option(
      names = "--kill",
      paramLabel = "primary|secondary[@<seconds>]",
      description =
          "Kill that side so many seconds after the pair is protected, to see what follows.")
  private final List<String> kills = new ArrayList<>();

  @Option(
      names = "--fault",
      paramLabel = "<fault>[@<seconds>]",
      description =
          "Cause a fault: kill-primary, kill-secondary, freeze-primary, freeze-secondary,"
              + " cut-link.")
  private final List<String> faults = new ArrayList<>();

  @Option(
      names = "--delay",
      paramLabel = "<ms>",
      defaultValue = "200",
      description = "Longest time between two checkpoints. Default: 200.")
  private int delay;

  @Option(
      names = "--silence",
      paramLabel = "<ms>",
      defaultValue = "1000",
      description = "A side from which nothing comes for so long counts as dead. Default: 1000.")
  private int silence;

  @Option(
      names = "--console",
      paramLabel = "stdio|unix:<path>|none",
      description =
          "Where the guest's first serial port goes, whichever side runs it. Default: stdio, none"
              + " with --json.")
  private String console;

  @Option(
      names = "--folder",
      paramLabel = "<folder>",
      description =
          "Keep sockets and logs here: NAME.qmp and NAME.log of each side. Default: a new one that"
              + " is removed at the end.")
  private Path folder;

  @Option(
      names = "--log-consoles",
      description = "Keep what each side's console prints in NAME.console.log of the folder.")
  private boolean logConsoles;

  @Option(
      names = "--metrics",
      paramLabel = "<host>:<port>",
      description = "Serve /metrics for Prometheus.")
  private String metrics;

  @Option(
      names = "--web",
      paramLabel = "[<host>:]<port>",
      description = "Serve a page that shows the pair and works on it. Default host: 127.0.0.1.")
  private String web;

  @Option(
      names = "--web-token",
      paramLabel = "<file>|none",
      description =
          "Visitors of the page have to know what is in this file, or nothing. Default: a token"
              + " that is made and told.")
  private String webToken;

  @Option(names = "--json", description = "Tell each event as a line of JSON on standard output.")
  private boolean json;

  @ArgGroup(exclusive = false, heading = "%nOn two hosts, on each of them:%n")
  private Hosts hosts;

  /** What a side of a pair on two hosts needs to know. */
  static final class Hosts {
    @Option(
        names = "--host",
        paramLabel = "<host>[:<port>]",
        description = "This side: where its agent listens. Default port: 7070; 63 more follow.")
    private String host;

    @Option(
        names = "--peer",
        paramLabel = "<host>[:<port>]",
        description = "The other side, as that says --host.")
    private String peer;

    @Option(
        names = "--lease",
        paramLabel = "zookeeper:<servers>|file:<path>",
        description = "Where both sides agree who runs the guest.")
    private String lease;

    @Option(
        names = "--lease-time",
        paramLabel = "<ms>",
        defaultValue = "2000",
        description = "So long the right to run lasts without being renewed. Default: 2000.")
    private int leaseTime;

    @Option(
        names = "--name",
        paramLabel = "<name>",
        defaultValue = "pair",
        description = "The pair's name, the same on both sides. Default: pair.")
    private String name;

    @Option(
        names = "--fence",
        paramLabel = "<command>",
        description = "Switches the other host off; status 0 says that it is.")
    private String fence;

    @Option(
        names = "--secret",
        paramLabel = "<file>",
        description =
            "What both agents know, and who does not is refused: 16 characters at least, for the"
                + " owner's eyes only.")
    private Path secret;
  }

  @Option(
      names = "--config",
      paramLabel = "<file>",
      description = "Take all options from this file (TOML).")
  private Path config;

  @Mixin RunOptions options;

  @Override
  public Integer call() throws IOException {
    if (config != null) {
      return runFile();
    }
    RunConfig machine = RunConfig.of(options);
    options.running.endWithParentIfAsked();
    List<String> words = machineOptions();
    NetworkConfig networks = NetworkConfig.of(options.networks);
    for (DeviceOptions card : networks.cards()) {
      words.addAll(List.of("-device", describe(card)));
    }
    List<PlannedFault> planned = new ArrayList<>();
    kills.forEach(text -> planned.add(PlannedFault.parseKill(text)));
    faults.forEach(text -> planned.add(PlannedFault.parse(text)));
    if (delay < 1 || delay > 60_000) {
      throw new ConfigException("--delay %d: 1 to 60000 ms are possible".formatted(delay));
    }
    if (silence < 200 || silence > 60_000) {
      throw new ConfigException("--silence %d: 200 to 60000 ms are possible".formatted(silence));
    }
    PairOptions.Console where = console();
    Path own = folder == null ? Files.createTempDirectory("pollux-pair") : folder;
    Files.createDirectories(own);
    boolean terminal = Terminal.on(2).isPresent();
    List<PairWatcher> watchers = new ArrayList<>();
    if (metrics != null) {
      watchers.add(serve());
    }
    Optional<PairWeb> page = web == null ? Optional.empty() : Optional.of(page());
    page.ifPresent(
        served -> {
          watchers.add(served);
          System.err.println("pollux: the page of the pair is " + served.address());
        });
    PairOptions pair =
        new PairOptions(
            words,
            networks.backends(),
            disks(machine),
            own.toAbsolutePath(),
            delay,
            silence,
            planned,
            json,
            logConsoles,
            watchers,
            where);
    if (hosts != null) {
      return runHost(pair, terminal);
    }
    try (Supervisor supervisor = new Supervisor(pair, terminal)) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> close(supervisor), "end of pair"));
      return supervisor.run();
    } finally {
      if (folder == null) {
        remove(own);
      }
    }
  }

  /** As if the file's words had been typed. */
  private int runFile() throws IOException {
    if (spec.commandLine().getParseResult().originalArgs().size() != 3) {
      throw new ConfigException("--config %s: the file has all options".formatted(config));
    }
    List<String> words = new ArrayList<>(List.of(spec.name()));
    words.addAll(PairFile.read(config));
    return spec.commandLine().getParent().execute(words.toArray(String[]::new));
  }

  private int runHost(PairOptions machine, boolean terminal) throws IOException {
    if (hosts.host == null || hosts.peer == null || hosts.lease == null) {
      throw new ConfigException("a pair on two hosts needs --host, --peer and --lease");
    }
    if (folder == null) {
      throw new ConfigException("--host needs --folder: there a side remembers what it had");
    }
    if (!machine.faults().isEmpty()) {
      throw new ConfigException("--host: --kill and --fault are for pairs on one machine");
    }
    if (hosts.leaseTime < 500 || hosts.leaseTime > 60_000) {
      throw new ConfigException(
          "--lease-time %d: 500 to 60000 ms are possible".formatted(hosts.leaseTime));
    }
    if (!hosts.name.matches("[A-Za-z0-9._-]{1,64}")) {
      throw new ConfigException(
          "--name %s: letters, digits, '.', '_' and '-', 64 at most".formatted(hosts.name));
    }
    if (machine.networks().size() > Endpoint.MOST_NETWORKS) {
      throw new ConfigException(
          "--host: %d networks; there are ports for %d"
              .formatted(machine.networks().size(), Endpoint.MOST_NETWORKS));
    }
    HostOptions side =
        new HostOptions(
            hosts.name,
            Endpoint.parse("--host", hosts.host),
            Endpoint.parse("--peer", hosts.peer),
            LeasePlace.parse(hosts.lease),
            Duration.ofMillis(hosts.leaseTime),
            Optional.ofNullable(hosts.fence),
            Optional.ofNullable(hosts.secret),
            machine);
    try (HostAgent agent = new HostAgent(side, terminal)) {
      Runtime.getRuntime().addShutdownHook(new Thread(agent::end, "end of pair"));
      return agent.run();
    }
  }

  private PairWeb page() throws IOException {
    Endpoint at = Endpoint.exact("--web", web.matches("\\d+") ? "127.0.0.1:" + web : web);
    return new PairWeb(at.host(), at.port(), token());
  }

  private Optional<String> token() throws IOException {
    if (webToken == null) {
      return Optional.of(PairWeb.newToken());
    }
    if (webToken.equals("none")) {
      return Optional.empty();
    }
    String token = Files.readString(Path.of(webToken)).strip();
    if (!token.matches("[A-Za-z0-9._~-]{8,256}")) {
      throw new ConfigException(
          "--web-token %s: 8 to 256 letters, digits, '.', '_', '~' and '-' are to be in it"
              .formatted(webToken));
    }
    return Optional.of(token);
  }

  private PairMetrics serve() throws IOException {
    Endpoint at = Endpoint.exact("--metrics", metrics);
    return new PairMetrics(at.host(), at.port());
  }

  private List<PairDisk.Spec> disks(RunConfig config) throws IOException {
    List<PairDisk.Spec> disks = new ArrayList<>();
    String type = config.machine().type().hasPci() ? "virtio-blk-pci" : "virtio-blk-device";
    for (String text : options.disks.drive) {
      DeviceOptions drive = DeviceOptions.parse("-drive", text, "file");
      String id = drive.string("id", "disk" + disks.size());
      boolean virtio =
          drive
              .choice("if", Optional.<Boolean>empty(), INTERFACES)
              .orElseThrow(() -> noDisk(drive));
      Path file = Path.of(drive.required("file"));
      String format = drive.string("format", "");
      if (format.isEmpty()) {
        format = hosts == null || Files.exists(file) ? probe(file) : unknown(drive);
      }
      String serial = drive.string("serial").map(s -> ",serial=" + s).orElse("");
      disks.add(
          new PairDisk.Spec(
              id,
              file.toAbsolutePath(),
              format,
              NODE_KEYS.stream()
                  .filter(drive::has)
                  .map(key -> ",%s=%s".formatted(key, drive.string(key, "")))
                  .collect(Collectors.joining()),
              virtio ? "%s,drive=%s%s".formatted(type, id, serial) : ""));
      drive.string("index");
      drive.rejectUnknown();
    }
    return disks;
  }

  private static ConfigException noDisk(DeviceOptions drive) {
    return drive.error("the disks of a pair are if=virtio, or if=none and of a device");
  }

  /** A side's disk that is not there yet is made as a copy. */
  private static String unknown(DeviceOptions drive) {
    throw drive.error("there is no such file yet: say which format= it is to have");
  }

  private static String probe(Path file) throws IOException {
    NodeOptions reading = NodeOptions.of("probed").withReadOnly(true);
    try (FileNode node = FileNode.open(reading, file.toString(), Locking.OFF)) {
      return ImageFormats.probe(node);
    }
  }

  private static String describe(DeviceOptions device) {
    return device.required("driver")
        + device.keys().stream()
            .filter(key -> !key.equals("driver"))
            .map(key -> "," + key + "=" + device.string(key, "").replace(",", ",,"))
            .collect(Collectors.joining());
  }

  /** Part of the JVM's shutdown; nothing is left to do where the pair has ended by itself. */
  private static void close(Supervisor supervisor) {
    supervisor.end();
    try {
      supervisor.close();
    } catch (IOException e) {
      // Nothing is left to be closed.
    }
  }

  private static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.deleteIfExists(file);
      }
    }
    Files.deleteIfExists(folder);
  }

  private PairOptions.Console console() {
    String serial =
        options.consoles.serial.isEmpty() ? "stdio" : options.consoles.serial.getFirst();
    if (options.consoles.serial.size() > 1 || !Set.of("stdio", "mon:stdio").contains(serial)) {
      throw new ConfigException(
          "-serial %s: a pair has one serial port; say where it goes with --console"
              .formatted(options.consoles.serial.getLast()));
    }
    String text = console == null ? json ? "none" : "stdio" : console;
    if (text.equals("stdio") && json) {
      throw new ConfigException(
          "--console stdio: standard output has the events of --json; give unix:<path> or none");
    }
    if (text.startsWith("unix:") && text.length() > 5) {
      return new PairOptions.Console.Socket(Path.of(text.substring(5)));
    }
    return switch (text) {
      case "stdio" -> new PairOptions.Console.Stdio();
      case "none" -> new PairOptions.Console.None();
      default ->
          throw new ConfigException(
              "--console %s: give stdio, unix:<path> or none".formatted(text));
    };
  }

  /** The words of the command line that describe the machine. */
  private List<String> machineOptions() {
    List<String> words = new ArrayList<>();
    List<String> all = spec.commandLine().getParseResult().originalArgs();
    int from = all.indexOf(spec.name()) + 1;
    for (int i = from; i < all.size(); i++) {
      String word = all.get(i);
      OptionSpec option = spec.findOption(word);
      int arguments = option == null ? 0 : option.arity().min();
      String why = REFUSED.get(word);
      if (why != null) {
        throw new ConfigException("%s: not in a pair: %s".formatted(word, why));
      }
      if (!word.startsWith("--") && !REPLACED.contains(word)) {
        words.addAll(all.subList(i, Math.min(all.size(), i + 1 + arguments)));
      }
      i += arguments;
    }
    return words;
  }
}
