package dev.pollux.qmp.hmp;

import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.cpu.RegisterDump;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.jit.JitEngine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.migration.ColoStatistics;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationService;
import dev.pollux.qmp.command.HostThreads;
import dev.pollux.qmp.command.MachineCommands;
import dev.pollux.qmp.command.MemorySave;
import dev.pollux.qmp.protocol.QmpException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Carries out lines of the human monitor. One object per monitor; everything on the event loop with
 * the machine lock held.
 */
public final class HumanMonitor {
  private static final Map<String, HmpCommand> COMMANDS = new TreeMap<>();
  private static final Map<String, HmpCommand> INFO = new TreeMap<>();

  private static void command(
      String names, String parameters, String help, HmpCommand.Action action) {
    HmpCommand command = HmpCommand.of(names, parameters, help, action);
    command.names().forEach(name -> COMMANDS.put(name, command));
  }

  private static void info(String name, String parameters, String help, HmpCommand.Action action) {
    INFO.put(name, HmpCommand.of(name, parameters, help, action));
  }

  static {
    command("help|?", "[cmd]", "list the commands, or explain one", HumanMonitor::help);
    command("info", "[subcommand]", "show a part of the machine's state", HumanMonitor::info);
    command(
        "quit|q",
        "",
        "end the emulator",
        (s, a) -> out -> s.machine().requestShutdown(ShutdownCause.HOST_QMP_QUIT));
    command("stop|s", "", "stop the guest", (s, a) -> out -> s.migration().stop());
    command("cont|c", "", "let the guest go on", (s, a) -> out -> s.migration().cont());
    command(
        "system_reset",
        "",
        "reset the machine",
        (s, a) -> out -> s.machine().requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET));
    command(
        "system_powerdown",
        "",
        "press the power button",
        (s, a) -> out -> s.machine().requestPowerdown());
    command("system_wakeup", "", "wake a guest that sleeps in RAM", (s, a) -> out -> wakeUp(s));
    command(
        "nmi",
        "",
        "send a non-maskable interrupt to all CPUs",
        (s, a) -> out -> s.machine().vcpus().forEach(v -> v.raise(Interrupts.NMI)));
    command(
        "cpu",
        "index",
        "choose the CPU that commands look at",
        (s, a) -> {
          long index = a.expression();
          return out -> s.selectCpu(index);
        });
    command(
        "x",
        "/fmt addr",
        "dump memory at a virtual address",
        (s, a) -> MemoryDump.prepare(s, a, false));
    command(
        "xp",
        "/fmt addr",
        "dump memory at a physical address",
        (s, a) -> MemoryDump.prepare(s, a, true));
    command(
        "pmemsave",
        "addr size file",
        "save memory at a physical address to a file of the host",
        (s, a) -> {
          long address = a.expression();
          long size = a.expression();
          String file = a.requiredWord("file");
          return out -> save(s, address, size, file);
        });
    command(
        "print|p",
        "/fmt expr",
        "show the value of an expression, $reg for a register",
        HumanMonitor::print);
    command("i", "/fmt addr", "read from an I/O port", HumanMonitor::readPort);
    command("o", "/fmt addr value", "write to an I/O port", HumanMonitor::writePort);
    command("chardev-add", "args", "make a character device", HumanMonitor::addCharDevice);
    command(
        "chardev-remove",
        "id",
        "remove a character device",
        (s, a) -> {
          String id = a.requiredWord("id");
          return out -> s.charDevices().remove(id);
        });
    command(
        "x_colo_lost_heartbeat",
        "",
        "the other side of the COLO pair is gone: take over",
        (s, a) -> out -> s.migration().lostHeartbeat());
    DeviceCommands.declare(HumanMonitor::command, HumanMonitor::info);
    NetworkCommands.declare(HumanMonitor::command, HumanMonitor::info);
    DiskCommands.declare(HumanMonitor::info);
    DisplayMonitor.declare(HumanMonitor::command, HumanMonitor::info);
    MigrationCommands.declare(HumanMonitor::command, HumanMonitor::info);

    info("chardev", "", "character devices", (s, a) -> out -> infoCharDevices(s, out));
    info("colo", "", "checkpoints of a COLO pair", (s, a) -> out -> infoColo(s, out));
    info("cpus", "", "CPUs", (s, a) -> out -> infoCpus(s, out));
    info("jit", "", "generated code, and how it is left", (s, a) -> out -> infoJit(s, out));
    info(
        "mem",
        "",
        "stretches of mapped virtual memory",
        (s, a) -> out -> PageTables.printMem(s.cpu().cpuState(), s.machine().memory(), out));
    info(
        "name",
        "",
        "name of the machine",
        (s, a) -> out -> out.append(s.machine().name()).append('\n'));
    info(
        "registers",
        "[-a|vcpu]",
        "registers of the chosen CPU, of all, or of one",
        HumanMonitor::infoRegisters);
    info("status", "", "whether the guest runs", (s, a) -> out -> infoStatus(s, out));
    info(
        "tlb",
        "",
        "mappings from virtual to physical memory",
        (s, a) -> out -> PageTables.printTlb(s.cpu().cpuState(), s.machine().memory(), out));
    info(
        "version",
        "",
        "version of the emulator",
        (s, a) -> out -> out.append(s.version()).append('\n'));
  }

  private static void save(HmpSession session, long address, long size, String file) {
    try {
      session.leave(MemorySave.start(session.machine(), address, size, file));
    } catch (QmpException e) {
      throw new HmpException(e.getMessage());
    }
  }

  private static void infoJit(HmpSession session, StringBuilder out) {
    for (Vcpu vcpu : session.machine().vcpus()) {
      if (vcpu.engine() instanceof JitEngine jit) {
        out.append("CPU #").append(vcpu.index()).append(":\n").append(jit.describe());
      } else {
        out.append("No code is generated: the interpreter executes the guest\n");
      }
    }
  }

  private final HmpSession session;

  /**
   * @param version of the emulator, as {@code info version} shows it
   */
  public HumanMonitor(DeviceManager devices, MigrationService migration, String version) {
    session = new HmpSession(devices, migration, version);
  }

  /** Makes commands look at a vCPU; a number that does not exist changes nothing. */
  public void selectCpu(int index) {
    if (index >= 0 && index < session.machine().vcpus().size()) {
      session.selectCpu(index);
    }
  }

  /**
   * Carries out one line.
   *
   * @return what it prints, lines ended by {@code \n}; also errors. It completes at once, but for
   *     commands that wait for others than the machine
   */
  public CompletableFuture<String> submit(String line) {
    StringBuilder out = new StringBuilder();
    String text = line.strip();
    if (!text.isEmpty()) {
      session.machine().whileParked(() -> execute(text, out));
    }
    return session.takeLeft().handle((_, failure) -> out + failure(failure));
  }

  private static String failure(Throwable failure) {
    if (failure == null) {
      return "";
    }
    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
    return "Error: %s\n".formatted(cause.getMessage());
  }

  /** As {@link #submit}, of a line that waits for nobody. */
  String execute(String line) {
    return submit(line).getNow("");
  }

  private void execute(String text, StringBuilder out) {
    int end = 0;
    while (end < text.length() && text.charAt(end) != ' ' && text.charAt(end) != '/') {
      end++;
    }
    String name = text.substring(0, end);
    HmpCommand command = COMMANDS.get(name);
    HmpArguments arguments =
        new HmpArguments(
            text.substring(end),
            session.machine().vcpus().isEmpty() ? null : session.cpu().cpuState());
    String title = name;
    if (name.equals("info") && !arguments.isEmpty()) {
      String topic = arguments.word();
      command = INFO.get(topic);
      title = "info " + topic;
    }
    if (command == null) {
      out.append("unknown command: '").append(title).append("'\n");
      return;
    }
    run(command, title, arguments, out);
  }

  private void run(HmpCommand command, String title, HmpArguments arguments, StringBuilder out) {
    try {
      HmpCommand.Effect effect = command.action().prepare(session, arguments);
      if (!arguments.isEmpty()) {
        throw new HmpException(command.title() + ": extraneous characters at the end of line");
      }
      effect.run(out);
    } catch (HmpException e) {
      out.append(e.getMessage())
          .append("\nTry \"help ")
          .append(title)
          .append("\" for more information\n");
    } catch (ConfigException e) {
      out.append("Error: ").append(e.getMessage()).append('\n');
    }
  }

  /** Names that begin with what was typed, for completion. */
  static List<String> completions(String typed) {
    if (typed.startsWith("info ")) {
      return INFO.keySet().stream()
          .map(name -> "info " + name)
          .filter(name -> name.startsWith(typed))
          .toList();
    }
    return COMMANDS.keySet().stream().filter(name -> name.startsWith(typed)).toList();
  }

  private static HmpCommand.Effect help(HmpSession s, HmpArguments arguments) {
    String name = arguments.word();
    if (name.equals("info")) {
      arguments.rest();
      return info(s, arguments);
    }
    return out -> help(name, out);
  }

  private static void help(String name, StringBuilder out) {
    COMMANDS.values().stream()
        .distinct()
        .filter(command -> name.isEmpty() || command.names().contains(name))
        .sorted(Comparator.comparing(HmpCommand::title))
        .forEach(command -> out.append(command.helpLine("")));
    if (out.isEmpty()) {
      out.append("unknown command: '").append(name).append("'\n");
    }
  }

  /** {@code info} alone; with a topic {@link #execute} has chosen another command. */
  private static HmpCommand.Effect info(HmpSession s, HmpArguments arguments) {
    return out -> INFO.values().forEach(command -> out.append(command.helpLine("info ")));
  }

  private static HmpCommand.Effect print(HmpSession s, HmpArguments arguments) {
    HmpArguments.Format format = arguments.format();
    long value = arguments.expression();
    return out -> print(format, value, out);
  }

  private static void print(HmpArguments.Format format, long value, StringBuilder out) {
    char letter = format.format() == 0 || format.format() == 'i' ? 'x' : format.format();
    out.append(
            switch (letter) {
              case 'd' -> Long.toString(value);
              case 'u' -> Long.toUnsignedString(value);
              case 'o' -> (value == 0 ? "" : "0") + Long.toOctalString(value);
              case 'c' -> MemoryDump.character((char) (value & 0xff));
              default -> "0x" + Long.toHexString(value);
            })
        .append('\n');
  }

  private static void wakeUp(HmpSession s) {
    if (!s.machine().wakeUp(WakeupReason.OTHER)) {
      throw new ConfigException(MachineCommands.NOT_ASLEEP);
    }
  }

  private static HmpCommand.Effect readPort(HmpSession s, HmpArguments arguments) {
    int size = portSize(arguments.format());
    int port = (int) arguments.expression() & 0xffff;
    return out -> {
      long value = s.machine().io().read(port, size);
      out.append(("port%s[0x%04x] = 0x%0" + size * 2 + "x\n").formatted(letter(size), port, value));
    };
  }

  private static HmpCommand.Effect writePort(HmpSession s, HmpArguments arguments) {
    int size = portSize(arguments.format());
    int port = (int) arguments.expression() & 0xffff;
    long value = arguments.expression() & -1L >>> 64 - size * 8;
    return out -> s.machine().io().write(port, size, value);
  }

  private static int portSize(HmpArguments.Format format) {
    return switch (format.size()) {
      case 2 -> 2;
      case 4 -> 4;
      default -> 1;
    };
  }

  private static String letter(int size) {
    return size == 1 ? "b" : size == 2 ? "w" : "l";
  }

  private static HmpCommand.Effect addCharDevice(HmpSession s, HmpArguments arguments) {
    String options = arguments.requiredWord("args") + arguments.rest();
    return out -> s.charDevices().add(CharOptions.parse(options));
  }

  private static void infoCharDevices(HmpSession s, StringBuilder out) {
    for (CharDevices.CharInfo row : s.charDevices().list()) {
      out.append("%s: filename=%s\n".formatted(row.label(), row.filename()));
    }
  }

  private static void infoColo(HmpSession s, StringBuilder out) {
    ColoStatus status = s.migration().coloStatus();
    ColoStatistics statistics = s.migration().coloStatistics();
    out.append("mode: %s\n".formatted(label(status.mode())));
    out.append("last mode: %s\n".formatted(label(status.lastMode())));
    out.append("exit reason: %s\n".formatted(label(status.reason())));
    out.append("checkpoints: %d".formatted(statistics.checkpoints()));
    statistics
        .causes()
        .forEach(c -> out.append(", %d by %s".formatted(c.checkpoints(), c.cause())));
    out.append(
        "\nsince the last: %d ms\nmemory: %d pages, %d KiB\n"
            .formatted(statistics.lag(), statistics.pages(), statistics.bytes() >> 10));
    out.append(
        "guest stopped: median %.1f ms, 99%% below %.1f ms, longest %.1f ms\n"
            .formatted(
                statistics.medianStop() / 1000.0,
                statistics.percentile99Stop() / 1000.0,
                statistics.longestStop() / 1000.0));
    for (ColoStatistics.StopTimes bar : statistics.stopTimes()) {
      out.append(
          bar.below() == Long.MAX_VALUE
              ? "  longer: %d\n".formatted(bar.stops())
              : "  < %.1f ms: %d\n".formatted(bar.below() / 1000.0, bar.stops()));
    }
    statistics.lastError().ifPresent(error -> out.append("last error: %s\n".formatted(error)));
  }

  private static String label(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  private static void infoCpus(HmpSession s, StringBuilder out) {
    for (Vcpu cpu : s.machine().vcpus()) {
      out.append(
          "%s CPU #%d: thread_id=%d\n"
              .formatted(
                  cpu.equals(s.cpu()) ? "*" : " ",
                  cpu.index(),
                  HostThreads.idOf("CPU " + cpu.index())));
    }
  }

  private static HmpCommand.Effect infoRegisters(HmpSession s, HmpArguments arguments) {
    List<Vcpu> cpus = new ArrayList<>();
    if (arguments.flag("-a")) {
      cpus.addAll(s.machine().vcpus());
    } else if (arguments.isEmpty()) {
      cpus.add(s.cpu());
    } else {
      long index = arguments.expression();
      if (index < 0 || index >= s.machine().vcpus().size()) {
        throw new ConfigException("CPU#" + index + " not available");
      }
      cpus.add(s.machine().vcpus().get((int) index));
    }
    return out -> {
      for (Vcpu cpu : cpus) {
        out.append("\nCPU#").append(cpu.index()).append('\n');
        RegisterDump.print(cpu.cpuState(), out);
      }
    };
  }

  private static void infoStatus(HmpSession s, StringBuilder out) {
    RunState state = s.machine().runState().current();
    out.append("VM status: ").append(state.isRunning() ? "running" : "paused");
    if (!state.isRunning() && state != RunState.PAUSED) {
      out.append(" (").append(state.qmpName()).append(')');
    }
    out.append('\n');
  }
}
