package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.PcBoard;
import dev.pollux.devices.isa.DebugExit;
import dev.pollux.devices.isa.PcTestDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The devices that {@code -device} can add. */
enum DeviceType {
  ISA_DEBUG_EXIT(
      "isa-debug-exit", "a write of n ends the process with status n * 2 + 1", "iobase iosize") {
    @Override
    void add(PcBoard board, DeviceOptions options) {
      int base = (int) options.number("iobase", 0x501, 0, 0xffff);
      int size = (int) options.number("iosize", 2, 1, 4);
      finish(options);
      if (base + size > 0x1_0000) {
        throw options.error("ports beyond 0xffff; give a smaller iobase");
      }
      board
          .machine()
          .io()
          .map(base, board.machine().add(new DebugExit(board.machine(), size)).ports());
    }
  },

  PC_TESTDEV(
      "pc-testdev", "ports and memory that test suites look for; it is at fixed places", "") {
    @Override
    void add(PcBoard board, DeviceOptions options) {
      finish(options);
      Machine machine = board.machine();
      List<IrqLine> irqs = IntStream.range(0, 16).mapToObj(board::isaIrq).toList();
      machine.add(new PcTestDevice(irqs)).map(machine.io(), machine.memory());
    }
  };

  private final String label;
  private final String description;

  /** Their names, separated by spaces. */
  private final String properties;

  DeviceType(String label, String description, String properties) {
    this.label = label;
    this.description = description;
    this.properties = properties;
  }

  /** Makes the device and wires it to the board. Machine not started, lock held. */
  abstract void add(PcBoard board, DeviceOptions options);

  /** Every device takes an id; nothing else is left over. */
  private static void finish(DeviceOptions options) {
    options.string("driver");
    options.string("id");
    options.rejectUnknown();
  }

  /**
   * The devices asked for.
   *
   * @param devices arguments of {@code -device}
   * @param globals arguments of {@code -global}: {@code type.property=value}, or the three as
   *     properties
   */
  static List<DeviceOptions> parse(List<String> devices, List<String> globals) {
    List<DeviceOptions> parsed = new ArrayList<>();
    List<String> defaults = globals.stream().map(DeviceType::parseGlobal).toList();
    for (String device : devices) {
      String name = of(DeviceOptions.parse("-device", device, "driver")).label;
      List<String> texts =
          new ArrayList<>(defaults.stream().filter(text -> text.startsWith(name + ",")).toList());
      texts.add(device);
      parsed.add(DeviceOptions.parse("-device", texts, "driver"));
    }
    return parsed;
  }

  private static String parseGlobal(String text) {
    DeviceOptions global = DeviceOptions.parse("-global", text, "");
    if (global.has("driver")) {
      String driver = find(global, global.required("driver")).label;
      return "%s,%s=%s".formatted(driver, global.required("property"), global.required("value"));
    }
    int dot = text.indexOf('.');
    if (dot < 0 || text.indexOf('=') < dot) {
      throw global.error("a global default looks like type.property=value");
    }
    return find(global, text.substring(0, dot)).label + "," + text.substring(dot + 1);
  }

  /** The type that the option {@code driver} names. */
  static DeviceType of(DeviceOptions options) {
    return find(options, options.required("driver"));
  }

  private static DeviceType find(DeviceOptions options, String name) {
    return Stream.of(values())
        .filter(type -> type.label.equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                options.error(
                    "unknown device \"%s\"; %s".formatted(name, Suggestions.hint(name, labels()))));
  }

  private static List<String> labels() {
    return Stream.of(values()).map(type -> type.label).toList();
  }

  /** What {@code -device help} prints. */
  static List<String> help() {
    return Stream.of(values())
        .map(type -> "%-16s %s".formatted(type.label, type.description))
        .toList();
  }

  /**
   * What {@code -device TYPE,help} prints.
   *
   * @throws ConfigException if there is no such type
   */
  List<String> propertyHelp() {
    if (properties.isEmpty()) {
      return List.of("There are no options for %s.".formatted(label));
    }
    return Stream.of(properties.split(" ")).map(property -> label + "." + property).toList();
  }
}
