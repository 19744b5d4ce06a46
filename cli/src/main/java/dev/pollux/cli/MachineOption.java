package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.MachineType;
import dev.pollux.devices.board.Machines;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What {@code -machine} says.
 *
 * @param accelerators separated by colons, may be empty
 * @param pit whether there is an interval timer 8254
 * @param graphics without it firmware shows its screen on the first serial port
 * @param memoryBackend the object that RAM is made of
 * @param flash disks whose contents are in flash memory, by number
 */
record MachineOption(
    MachineType type,
    String accelerators,
    boolean pit,
    boolean graphics,
    Optional<String> memoryBackend,
    Map<Integer, String> flash) {
  /** Properties that QEMU has, with the only values that are true of these machines. */
  private static final Map<String, Set<String>> FIXED_PROPERTIES =
      Map.ofEntries(
          Map.entry("acpi", Set.of("on", "auto")),
          Map.entry("hpet", Set.of("on", "auto")),
          Map.entry("usb", Set.of("off")),
          Map.entry("smm", Set.of("off", "auto")),
          Map.entry("vmport", Set.of("off", "auto")),
          Map.entry("mem-merge", Set.of("on", "off")),
          Map.entry("dump-guest-core", Set.of("on", "off")),
          Map.entry("pic", Set.of("on", "auto")),
          Map.entry("rtc", Set.of("on", "auto")),
          Map.entry("isa-serial", Set.of("on")),
          Map.entry("x-option-roms", Set.of("on", "off")),
          Map.entry("auto-kernel-cmdline", Set.of("on", "off")),
          Map.entry("kernel-irqchip", Set.of("on", "off", "split")));

  static MachineOption parse(List<String> texts) {
    DeviceOptions machine = DeviceOptions.parse("-machine", texts, "type");
    MachineType type =
        machine.string("type").map(name -> find(machine, name)).orElseGet(Machines::byDefault);
    FIXED_PROPERTIES.forEach((property, possible) -> check(machine, property, possible));
    MachineOption option =
        new MachineOption(
            type,
            machine.string("accel", ""),
            machine.bool("pit", true),
            machine.bool("graphics", true),
            machine.string("memory-backend"),
            flash(machine));
    machine.rejectUnknown();
    return option;
  }

  private static Map<Integer, String> flash(DeviceOptions machine) {
    Map<Integer, String> flash = new TreeMap<>();
    for (int i = 0; i < 2; i++) {
      int number = i;
      machine.string("pflash" + i).ifPresent(node -> flash.put(number, node));
    }
    return flash;
  }

  private static MachineType find(DeviceOptions machine, String name) {
    try {
      return Machines.find(name);
    } catch (ConfigException e) {
      throw machine.error(e.getMessage());
    }
  }

  private static void check(DeviceOptions machine, String property, Set<String> possible) {
    machine
        .string(property)
        .filter(value -> !possible.contains(value))
        .ifPresent(
            value -> {
              throw machine.error(
                  "%s=%s is not possible yet; leave it out, or give %s"
                      .formatted(property, value, String.join(" or ", new TreeSet<>(possible))));
            });
  }
}
