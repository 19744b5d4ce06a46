package dev.pollux.cli;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuTopology;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.boot.KernelFiles;
import dev.pollux.devices.display.VgaCard;
import dev.pollux.devices.timer.RtcBase;
import dev.pollux.devices.virtio.transport.VirtioVga;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationService;
import dev.pollux.migration.MigrationSettings;
import dev.pollux.migration.MigrationUri;
import dev.pollux.qmp.command.OptionText;
import dev.pollux.qmp.schema.CompatPolicy;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * A virtual machine as the command line describes it, checked as far as that goes without touching
 * the host.
 *
 * @param name what people call the machine, may be empty
 * @param uuid identity shown to the guest and in monitors
 * @param ramSize bytes, a multiple of 4,096
 * @param boot kernel to start without firmware; empty where nothing is to be started so
 * @param firmware what the machine begins with otherwise
 * @param vga type of the graphics card that nobody has asked for as a device; empty for none
 * @param consoles character devices and who uses them
 * @param disks backends and nodes
 * @param networks back ends of networks, and cards that options for both ask for
 * @param devices devices and objects to make, and defaults of their properties
 * @param compat what to do about deprecated and unstable interfaces of QMP
 * @param autostart the guest runs as soon as it can
 * @param incoming a migration to wait for instead of booting
 * @param migrationDefaults what {@code -global} says of migrations
 */
record RunConfig(
    String name,
    Optional<UUID> uuid,
    MachineOption machine,
    AccelConfig accel,
    CpuModel cpuModel,
    long ramSize,
    RtcBase rtc,
    Optional<KernelFiles> boot,
    Optional<FirmwareConfig> firmware,
    Optional<String> vga,
    ConsoleConfig consoles,
    DiskConfig disks,
    NetworkConfig networks,
    DeviceRequests devices,
    Machine.EndPolicy endPolicy,
    CompatPolicy compat,
    boolean autostart,
    Optional<Incoming> incoming,
    List<String> migrationDefaults) {

  /**
   * A migration is awaited.
   *
   * @param address empty where a monitor will say it
   */
  record Incoming(Optional<MigrationAddress> address) {}

  private static final String MIGRATION = "migration.";
  private static final long MIB = 1 << 20;
  private static final long LEAST_RAM = 4 * MIB;
  private static final long MOST_RAM = 64L << 30;
  private static final long DEFAULT_RAM = 128 * MIB;

  /** Reads the options; the first that makes no sense is an error. */
  static RunConfig of(RunOptions options) {
    options.absent.check();
    ImageDefaults.apply(options);
    MachineOption machine = MachineOption.parse(options.machine.machine);
    AccelConfig accel = AccelConfig.choose(options.machine.accel, machine.accelerators());
    CpuTopology topology = SmpOption.parse(options.machine.smp);
    if (accel.oneThread() && topology.count() > 1) {
      throw new ConfigException(
          "-accel thread=single: each of several CPUs has a thread; leave thread or -smp out");
    }
    Optional<KernelFiles> kernel = kernel(options.boot);
    DiskConfig disks = DiskConfig.of(options.disks);
    Optional<FirmwareConfig> firmware = firmware(options, machine, disks, kernel.isPresent());
    return new RunConfig(
        DeviceOptions.parse("-name", orEmpty(options.machine.name), "guest").string("guest", ""),
        uuid(options.machine.uuid),
        machine,
        accel,
        cpuModel(options.machine.cpu, topology, accel.guestFeatures()),
        ramSize(options.machine.memory),
        rtc(options.machine.rtc),
        kernel,
        firmware,
        vga(options, machine, firmware.isPresent()),
        ConsoleConfig.of(options),
        disks,
        NetworkConfig.of(options.networks),
        DeviceRequests.parse(
            options.devices,
            options.devices.global.stream().filter(text -> !isOfMigration(text)).toList()),
        new Machine.EndPolicy(options.running.noReboot, options.running.noShutdown),
        compat(options.running.compat),
        !options.running.stopped,
        Optional.ofNullable(options.running.incoming).map(RunConfig::incoming),
        options.devices.global.stream().filter(RunConfig::isOfMigration).toList());
  }

  private static boolean isOfMigration(String global) {
    return global.startsWith(MIGRATION);
  }

  /**
   * Applies {@code -global migration.NAME=VALUE}, a capability's name with {@code x-} before it.
   */
  void configure(MigrationService migration) {
    for (String text : migrationDefaults) {
      String setting = text.substring(MIGRATION.length());
      int equals = setting.indexOf('=');
      if (equals < 0) {
        throw new ConfigException("-global %s: looks like migration.NAME=VALUE".formatted(text));
      }
      String name = setting.substring(0, equals);
      String value = setting.substring(equals + 1);
      Optional<MigrationCapability> capability =
          Stream.of(MigrationCapability.values())
              .filter(c -> name.equals(c.label()) || name.equals("x-" + c.label()))
              .findFirst();
      if (capability.isEmpty()) {
        migration.setParameters(MigrationSettings.parameter(name, value));
      } else if (value.equals("on") || value.equals("off")) {
        migration.setCapabilities(Map.of(capability.get(), value.equals("on")));
      } else {
        throw new ConfigException("-global %s: give on or off".formatted(text));
      }
    }
  }

  private static Incoming incoming(String uri) {
    return new Incoming(
        uri.equals("defer") ? Optional.empty() : Optional.of(MigrationUri.parse(uri)));
  }

  private static CompatPolicy compat(List<String> texts) {
    DeviceOptions compat = DeviceOptions.parse("-compat", texts, "");
    Map<String, CompatPolicy.Input> inputs =
        Map.of(
            "accept", CompatPolicy.Input.ACCEPT,
            "reject", CompatPolicy.Input.REJECT,
            "crash", CompatPolicy.Input.CRASH);
    Map<String, CompatPolicy.Output> outputs =
        Map.of("accept", CompatPolicy.Output.ACCEPT, "hide", CompatPolicy.Output.HIDE);
    CompatPolicy policy =
        new CompatPolicy(
            compat.choice("deprecated-input", CompatPolicy.Input.ACCEPT, inputs),
            compat.choice("deprecated-output", CompatPolicy.Output.ACCEPT, outputs),
            compat.choice("unstable-input", CompatPolicy.Input.ACCEPT, inputs),
            compat.choice("unstable-output", CompatPolicy.Output.ACCEPT, outputs));
    compat.rejectUnknown();
    return policy;
  }

  private static String orEmpty(String text) {
    return text == null ? "" : text;
  }

  private static Optional<UUID> uuid(String text) {
    if (text == null) {
      return Optional.empty();
    }
    try {
      if (text.length() == 36) {
        return Optional.of(UUID.fromString(text));
      }
    } catch (IllegalArgumentException e) {
      // The same message as for a wrong length.
    }
    throw new ConfigException(
        "-uuid %s: not a UUID; it looks like 550e8400-e29b-41d4-a716-446655440000".formatted(text));
  }

  private static CpuModel cpuModel(String text, CpuTopology topology, Set<CpuFeature> available) {
    try {
      return new CpuModel(text == null ? "max" : text, topology, available);
    } catch (IllegalArgumentException e) {
      throw new ConfigException("-cpu %s: %s".formatted(text, e.getMessage()), e);
    }
  }

  private static long ramSize(List<String> texts) {
    DeviceOptions memory = DeviceOptions.parse("-m", texts, "size");
    long size = memory.size("size", DEFAULT_RAM, 'M');
    long most = memory.size("maxmem", size, 'M');
    memory.number("slots", 0, 0, 256);
    memory.rejectUnknown();
    if (size < LEAST_RAM || size > MOST_RAM) {
      throw memory.error(
          "a machine has %dM to %dG of memory; give a size in between"
              .formatted(LEAST_RAM / MIB, MOST_RAM >> 30));
    }
    if (most != size) {
      throw memory.error("memory cannot be added while the machine runs; leave maxmem out");
    }
    return (size + 4095) & -4096;
  }

  /** {@code base} is utc, localtime, or a date with or without a time. */
  private static RtcBase rtc(List<String> texts) {
    DeviceOptions rtc = DeviceOptions.parse("-rtc", texts, "base");
    String base = rtc.string("base", "utc");
    ClockType clock =
        rtc.choice(
            "clock",
            ClockType.HOST,
            Map.of("host", ClockType.HOST, "vm", ClockType.VIRTUAL, "rt", ClockType.REALTIME));
    rtc.choice("driftfix", "none", Map.of("none", "none", "slew", "slew"));
    rtc.rejectUnknown();
    long start =
        switch (base) {
          case "utc" -> Instant.now().getEpochSecond();
          case "localtime" ->
              LocalDateTime.now(ZoneId.systemDefault()).toEpochSecond(ZoneOffset.UTC);
          default -> date(rtc, base).toEpochSecond(ZoneOffset.UTC);
        };
    return new RtcBase(start, clock);
  }

  private static LocalDateTime date(DeviceOptions rtc, String text) {
    try {
      return text.contains("T") ? LocalDateTime.parse(text) : LocalDate.parse(text).atStartOfDay();
    } catch (DateTimeException e) {
      throw rtc.error(
          "base=%s is no time; give utc, localtime, or a date like 2026-06-16T16:01:21"
              .formatted(text));
    }
  }

  /** A card is there if it is asked for, or usual and not among the devices already. */
  private static Optional<String> vga(
      RunOptions options, MachineOption machine, boolean hasFirmware) {
    String asked = options.devices.vga;
    if (asked == null) {
      boolean usual =
          hasFirmware
              && !options.devices.nodefaults
              && options.devices.device.stream().noneMatch(RunConfig::isVga);
      return usual ? Optional.of(VgaCard.TYPE.name()) : Optional.empty();
    }
    if (asked.equals("none")) {
      return Optional.empty();
    }
    if (!machine.type().hasPci()) {
      throw new ConfigException(
          "-vga %s: the machine has no PCI bus for it; give none".formatted(asked));
    }
    return switch (asked) {
      case "std" -> Optional.of(VgaCard.TYPE.name());
      case "virtio" -> Optional.of(VirtioVga.TYPE.name());
      default ->
          throw new ConfigException(
              "-vga %s: there is no such card; give std, virtio or none".formatted(asked));
    };
  }

  private static boolean isVga(String device) {
    String driver = OptionText.parse("-device", device, "driver").string("driver", "");
    return driver.equals(VgaCard.TYPE.name()) || driver.equals(VirtioVga.TYPE.name());
  }

  /** The machine's firmware; without a kernel there has to be some, if the guest is to run now. */
  private static Optional<FirmwareConfig> firmware(
      RunOptions options, MachineOption machine, DiskConfig disks, boolean hasKernel) {
    List<FlashDrive> flash = FlashDrive.of(machine, disks);
    if (hasKernel && (options.boot.bios != null || !flash.isEmpty())) {
      throw new ConfigException(
          "%s: kernels are started without firmware; leave it or -kernel out"
              .formatted(
                  flash.isEmpty() ? "-bios " + options.boot.bios : flash.getFirst().option()));
    }
    Optional<FirmwareConfig> firmware =
        FirmwareConfig.of(
            options.boot,
            flash,
            options.consoles.nographic || !machine.graphics(),
            !hasKernel && machine.type().bootsFirmware(),
            SmbiosOptions.of(options.boot.smbios, machine.type(), uuid(options.machine.uuid)));
    if (firmware.isEmpty() && !options.boot.smbios.isEmpty()) {
      throw new ConfigException(
          "-smbios %s: firmware makes tables of it, and there is none; leave -kernel out"
              .formatted(options.boot.smbios.getFirst()));
    }
    boolean mayDoWithout = options.running.stopped || options.running.incoming != null;
    if (firmware.isEmpty() && !hasKernel && !mayDoWithout) {
      throw new ConfigException(
          machine.type().bootsFirmware()
              ? "nothing to boot: SeaBIOS is not on this host; install it (Debian, Ubuntu: apt-get"
                  + " install seabios), or let \"pollux guest firmware\" fetch it; or add -kernel"
                  + " FILE"
              : "nothing to boot; add -kernel FILE (\"pollux guest linux\" fetches a kernel and an"
                  + " initrd)");
    }
    return firmware;
  }

  private static Optional<KernelFiles> kernel(RunOptions.Boot boot) {
    if (boot.kernel == null) {
      if (boot.initrd != null || boot.append != null) {
        throw new ConfigException(
            "%s needs a kernel; add -kernel FILE"
                .formatted(boot.initrd != null ? "-initrd" : "-append"));
      }
      return Optional.empty();
    }
    return Optional.of(new KernelFiles(boot.kernel, files(boot.initrd), orEmpty(boot.append)));
  }

  /** Cuts at single commas; a doubled one stands for itself. */
  private static List<String> files(String text) {
    List<String> files = new ArrayList<>();
    if (text != null) {
      for (String file : text.replace(",,", "\0").split(",", -1)) {
        files.add(file.replace('\0', ','));
      }
    }
    return List.copyOf(files);
  }
}
