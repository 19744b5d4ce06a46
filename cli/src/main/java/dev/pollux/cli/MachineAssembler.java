package dev.pollux.cli;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.chr.CharTarget;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.terminal.TextDisplay;
import dev.pollux.backend.vnc.MachineScreen;
import dev.pollux.backend.vnc.VncOptions;
import dev.pollux.backend.vnc.VncServer;
import dev.pollux.backend.vnc.WebScreen;
import dev.pollux.cli.script.ConsoleScript;
import dev.pollux.cli.script.ScriptRunner;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.board.Board;
import dev.pollux.devices.board.BoardConfig;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.board.Firmware;
import dev.pollux.devices.board.MachineType;
import dev.pollux.devices.boot.FirmwareSetup;
import dev.pollux.devices.boot.KernelLoader;
import dev.pollux.devices.display.Displays;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.isa.DebugConsole;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.ObjectTree;
import dev.pollux.devices.model.SecretObject;
import dev.pollux.devices.model.UserObject;
import dev.pollux.devices.storage.floppy.FloppyController;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.colo.BlockReplicas;
import dev.pollux.migration.colo.NetworkCheckpoints;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Emulator;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.hmp.HumanMonitor;
import dev.pollux.qmp.hmp.MonitorConsole;
import dev.pollux.qmp.server.DeviceEvents;
import dev.pollux.qmp.server.JobEvents;
import dev.pollux.qmp.server.MachineEvents;
import dev.pollux.qmp.server.MigrationEvents;
import dev.pollux.qmp.server.NetworkEvents;
import dev.pollux.qmp.server.QmpServer;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Builds the machine that a {@link RunConfig} describes; closing takes it apart again. */
final class MachineAssembler implements AutoCloseable {
  private final RunConfig config;
  private final Machine machine;
  private final CharDevices charDevices;
  private final BlockGraph blocks;
  private final Networks networks = new Networks();
  private final LiveMigration migration;
  private final ObjectManager objects;
  private final DeviceManager devices;

  private Optional<ScriptRunner> script = Optional.empty();
  private Optional<TextDisplay> textDisplay = Optional.empty();
  private Optional<WebScreen> webScreen = Optional.empty();

  /** Only where there is a monitor: to describe the commands takes its time. */
  private final Optional<QmpServer> qmp;

  /**
   * Builds the machine and puts it into its power-on state; nothing runs yet.
   *
   * @throws ConfigException when the host cannot give what is asked for
   */
  MachineAssembler(RunConfig config, TraceLog traceLog) throws IOException {
    this.config = config;
    machine = new Machine(config.name(), config.endPolicy());
    machine.setTraceLog(traceLog);
    charDevices =
        new CharDevices(machine.loop()::post, () -> machine.requestShutdown(ShutdownCause.HOST_UI));
    blocks = new BlockGraph(new DiskEvents(machine, this::emit), machine.loop()::post);
    blocks.jobs().setListener(new JobEvents(this::emit));
    ObjectTree tree = new ObjectTree(config.machine().type().name() + "-machine");
    objects = new ObjectManager(tree, DeviceRequests.OBJECT_TYPES);
    devices =
        new DeviceManager(
            new MachineServices(machine, charDevices, blocks, networks, objects),
            tree,
            Devices.CATALOG,
            config.devices().globals());
    UUID uuid = config.uuid().orElse(new UUID(0, 0));
    migration = new LiveMigration(machine, config.machine().type().name(), uuid);
    NetworkCheckpoints.connect(migration.colo(), networks.checkpoints());
    networks.addListener(new NetworkEvents(machine.loop()::post, this::emit));
    migration.colo().setDisks(new BlockReplicas(blocks.replication()));
    qmp = config.consoles().qmp().isEmpty() ? Optional.empty() : Optional.of(qmpServer(uuid));
    machine.lock().lock();
    try {
      build();
    } catch (IOException | RuntimeException e) {
      migration.close();
      qmp.ifPresent(QmpServer::close);
      devices.services().vnc().ifPresent(VncServer::close);
      textDisplay.ifPresent(TextDisplay::close);
      webScreen.ifPresent(WebScreen::close);
      objects.close();
      networks.close();
      charDevices.close();
      blocks.close();
      throw e;
    } finally {
      machine.lock().unlock();
    }
  }

  Machine machine() {
    return machine;
  }

  private void build() throws IOException {
    config.devices().early().forEach(object -> objects.add(devices.services(), object));
    config.consoles().charDevices().forEach(charDevices::add);
    config.consoles().script().ifPresent(this::addScript);
    if (config.incoming().isPresent()) {
      blocks.awaitMigration();
    }
    config.disks().open(blocks);
    DiskOwner.watch(machine, blocks, migration);
    config.networks().backends().forEach(networks::add);
    networks.watch(machine);
    Arrivals.announce(migration, networks);
    config.devices().late().forEach(object -> objects.add(devices.services(), object));
    Board board = board();
    addSerialPorts(board);
    config
        .consoles()
        .debugConsole()
        .flatMap(this::connect)
        .ifPresent(backend -> DebugConsole.addTo(devices, board.isaBus(), backend));
    config.consoles().monitors().forEach(target -> connect(target).ifPresent(this::addMonitor));
    qmp.ifPresent(this::addQmpMonitors);
    config
        .vga()
        .ifPresent(card -> devices.add(DeviceOptions.of("-vga", Map.of("driver", card)), false));
    config.disks().drives().forEach(this::addDisk);
    config.devices().devices().forEach(device -> devices.add(device, false));
    config.networks().cards().forEach(card -> devices.add(card, false));
    Optional<KernelLoader> loader = config.boot().map(files -> KernelLoader.install(board, files));
    config.firmware().ifPresent(firmware -> FirmwareSetup.install(board, firmware.boot()));
    config.consoles().vnc().ifPresent(this::addVnc);
    webScreen = config.consoles().web().map(page -> page.show(screen(Optional.empty()), objects));
    textDisplay =
        config
            .consoles()
            .textScreen()
            .flatMap(this::connect)
            .map(terminal -> new TextDisplay(screen(Optional.empty()), terminal));
    machine.resetDevices();
    loader.ifPresent(KernelLoader::boot);
    config.configure(migration);
    migration.setAutostart(config.autostart());
    config.incoming().ifPresent(from -> migration.expect(from.address()));
  }

  private void addVnc(VncOptions options) {
    String password = options.secret().map(id -> SecretObject.text(objects, id)).orElse("");
    options.console().ifPresent(console -> Displays.of(devices.tree(), console));
    devices.services().setVnc(new VncServer(options, password, screen(options.console())));
  }

  private MachineScreen screen(Optional<Console> console) {
    return new MachineScreen(devices, console);
  }

  private QmpServer qmpServer(UUID uuid) {
    Emulator emulator = new Emulator(machine, devices, migration, uuid, Main.version());
    return new QmpServer(new CommandRegistry(emulator, config.compat()));
  }

  private void emit(Events event) {
    qmp.ifPresent(server -> server.emit(event));
  }

  private void addQmpMonitors(QmpServer server) {
    machine.addListener(new MachineEvents(server::emit));
    devices.addListener(new DeviceEvents(server::emit));
    migration.addListener(new MigrationEvents(migration.capabilities(), server::emit));
    for (ConsoleConfig.QmpTarget monitor : config.consoles().qmp()) {
      connect(monitor.target()).ifPresent(backend -> server.add(backend, monitor.pretty()));
    }
  }

  private void addMonitor(CharBackend backend) {
    HumanMonitor monitor = new HumanMonitor(devices, migration, Main.version());
    new MonitorConsole(monitor, backend, Main.version(), machine.loop()::post);
  }

  private Board board() throws IOException {
    Optional<RamBlock> memory = config.machine().memoryBackend().map(this::memory);
    Optional<Firmware> firmware = Optional.empty();
    if (config.firmware().isPresent()) {
      firmware = Optional.of(config.firmware().get().read(blocks));
    }
    try {
      return config
          .machine()
          .type()
          .factory()
          .create(
              devices,
              new BoardConfig(
                  config.ramSize(),
                  config.cpuModel().topology().count(),
                  config.cpuModel(),
                  config.accel()::engine,
                  config.rtc(),
                  config.machine().pit(),
                  memory,
                  firmware));
    } catch (IOException e) {
      throw new ConfigException(
          "-m %dM: the host does not give that much memory (%s); give less"
              .formatted(config.ramSize() >> 20, e.getMessage()),
          e);
    }
  }

  /** A drive with {@code if=virtio} or {@code if=ide} is a device too. */
  private void addDisk(DiskConfig.Drive drive) {
    MachineType type = config.machine().type();
    switch (drive.spec().bus()) {
      case VIRTIO ->
          add(drive, Map.of("driver", type.hasPci() ? "virtio-blk-pci" : "virtio-blk-device"));
      case IDE -> {
        int perBus = type.drivesPerBus();
        if (drive.number() >= type.ideDrives()) {
          throw new ConfigException(
              "drive '%s': the machine has no such IDE cable; give if=virtio"
                  .formatted(drive.name()));
        }
        add(
            drive,
            Map.of(
                "driver", drive.spec().cdrom() ? "ide-cd" : "ide-hd",
                "bus", "ide." + drive.number() / perBus,
                "unit", "" + drive.number() % perBus));
      }
      case FLOPPY -> {
        if (machine.devices().stream().noneMatch(FloppyController.class::isInstance)) {
          devices.add(
              DeviceOptions.of("-drive " + drive.name(), Map.of("driver", "isa-fdc")), false);
        }
        add(drive, Map.of("driver", "floppy", "unit", "" + drive.number()));
      }
      default -> {}
    }
  }

  private void add(DiskConfig.Drive drive, Map<String, String> options) {
    Map<String, String> all = new LinkedHashMap<>(options);
    all.put("drive", drive.name());
    devices.add(DeviceOptions.of("-drive " + drive.name(), all), false);
  }

  /** The memory that an object has made. */
  private RamBlock memory(String id) {
    UserObject object = objects.get(id, RamBlock.class);
    RamBlock block = (RamBlock) object.target();
    if (block.size() != config.ramSize()) {
      throw new ConfigException(
          "-machine memory-backend=%s: it has %dM, -m says %dM; give the same size to both"
              .formatted(id, block.size() >> 20, config.ramSize() >> 20));
    }
    object.use();
    return block;
  }

  @SuppressWarnings("StreamResourceLeak") // the process's own stream is not ours to close
  private void addScript(ConsoleScript steps) {
    ScriptRunner runner =
        new ScriptRunner(
            ConsoleConfig.SCRIPTED,
            steps,
            new FileOutputStream(FileDescriptor.out),
            status -> machine.requestExit(ShutdownCause.HOST_UI, status));
    charDevices.add(runner.console(), false);
    runner.start();
    script = Optional.of(runner);
  }

  /** Why the script of the console has failed; empty where it did not. */
  Optional<String> scriptFailure() {
    return script.flatMap(ScriptRunner::verdict);
  }

  private void addSerialPorts(Board board) {
    List<CharTarget> targets = config.consoles().serial();
    for (int i = 0; i < targets.size(); i++) {
      int number = i;
      connect(targets.get(i)).ifPresent(backend -> board.addSerialPort(number, backend));
    }
  }

  /** The back end that an option names or describes; empty for none. */
  private Optional<CharBackend> connect(CharTarget target) {
    return switch (target) {
      case CharTarget.None() -> Optional.empty();
      case CharTarget.Reference(String id) -> Optional.of(charDevices.claim(id));
      case CharTarget.New(CharOptions options, boolean withMonitor) -> {
        charDevices.add(options);
        CharBackend own = charDevices.claim(options.id());
        if (withMonitor) {
          addMonitor(charDevices.claim(options.id()));
        }
        yield Optional.of(own);
      }
    };
  }

  @Override
  public void close() {
    migration.close();
    qmp.ifPresent(QmpServer::close);
    devices.services().vnc().ifPresent(VncServer::close);
    textDisplay.ifPresent(TextDisplay::close);
    webScreen.ifPresent(WebScreen::close);
    machine.close();
    networks.close();
    blocks.close();
    objects.close();
    charDevices.close();
  }
}
