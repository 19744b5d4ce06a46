package dev.pollux.cli;

import static java.util.Map.entry;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * Reads the words of {@code pollux run} that are right without picocli, which takes longer to learn
 * what options there are than a small guest to start. Whatever is not plain is left to picocli:
 * help, mistakes and rare options.
 */
final class RunWords {
  private static final Map<String, Consumer<RunOptions>> FLAGS =
      Map.ofEntries(
          entry("-nographic", o -> o.consoles.nographic = true),
          entry("-usb", o -> o.devices.usb = true),
          entry("-nodefaults", o -> o.devices.nodefaults = true),
          entry("-no-user-config", o -> o.devices.noUserConfig = true),
          entry("-snapshot", o -> o.disks.snapshot = true),
          entry("-S", o -> o.running.stopped = true),
          entry("-no-reboot", o -> o.running.noReboot = true),
          entry("-no-shutdown", o -> o.running.noShutdown = true),
          entry("-only-migratable", o -> o.running.onlyMigratable = true));

  /** Options with an argument. Of those that may be given once the last one counts. */
  private static final Map<String, BiConsumer<RunOptions, String>> WITH_ARGUMENT =
      Map.ofEntries(
          entry("-machine", (o, text) -> o.machine.machine.add(text)),
          entry("-M", (o, text) -> o.machine.machine.add(text)),
          entry("-accel", (o, text) -> o.machine.accel.add(text)),
          entry("-cpu", (o, text) -> o.machine.cpu = text),
          entry("-smp", (o, text) -> o.machine.smp.add(text)),
          entry("-m", (o, text) -> o.machine.memory.add(text)),
          entry("-name", (o, text) -> o.machine.name = text),
          entry("-uuid", (o, text) -> o.machine.uuid = text),
          entry("-rtc", (o, text) -> o.machine.rtc.add(text)),
          entry("-kernel", (o, text) -> o.boot.kernel = Path.of(text)),
          entry("-initrd", (o, text) -> o.boot.initrd = text),
          entry("-append", (o, text) -> o.boot.append = text),
          entry("-bios", (o, text) -> o.boot.bios = text),
          entry("-boot", (o, text) -> o.boot.boot.add(text)),
          entry("-option-rom", (o, text) -> o.boot.optionRom.add(text)),
          entry("-smbios", (o, text) -> o.boot.smbios.add(text)),
          entry("-display", (o, text) -> o.consoles.display = text),
          entry("-vnc", (o, text) -> o.consoles.vnc = text),
          entry("-serial", (o, text) -> o.consoles.serial.add(text)),
          entry("-expect", (o, text) -> o.consoles.expect = Path.of(text)),
          entry("--expect", (o, text) -> o.consoles.expect = Path.of(text)),
          entry("-chardev", (o, text) -> o.consoles.chardev.add(text)),
          entry("-monitor", (o, text) -> o.consoles.monitor.add(text)),
          entry("-mon", (o, text) -> o.consoles.mon.add(text)),
          entry("-qmp", (o, text) -> o.consoles.qmp.add(text)),
          entry("-qmp-pretty", (o, text) -> o.consoles.qmpPretty.add(text)),
          entry("-debugcon", (o, text) -> o.consoles.debugcon.add(text)),
          entry("-object", (o, text) -> o.devices.object.add(text)),
          entry("-device", (o, text) -> o.devices.device.add(text)),
          entry("-global", (o, text) -> o.devices.global.add(text)),
          entry("-vga", (o, text) -> o.devices.vga = text),
          entry("-usbdevice", (o, text) -> o.devices.usbdevice.add(text)),
          entry("-netdev", (o, text) -> o.networks.netdev.add(text)),
          entry("-nic", (o, text) -> o.networks.nic.add(text)),
          entry("-net", (o, text) -> o.networks.net.add(text)),
          entry("-drive", (o, text) -> o.disks.drive.add(text)),
          entry("-blockdev", (o, text) -> o.disks.blockdev.add(text)),
          entry("-fda", (o, text) -> o.disks.fda = text),
          entry("-fdb", (o, text) -> o.disks.fdb = text),
          entry("-hda", (o, text) -> o.disks.hda = text),
          entry("-hdb", (o, text) -> o.disks.hdb = text),
          entry("-hdc", (o, text) -> o.disks.hdc = text),
          entry("-hdd", (o, text) -> o.disks.hdd = text),
          entry("-cdrom", (o, text) -> o.disks.cdrom = text),
          entry("-run-with", (o, text) -> o.running.runWith.add(text)),
          entry("-sandbox", (o, text) -> o.running.sandbox.add(text)),
          entry("-pidfile", (o, text) -> o.running.pidfile = Path.of(text)),
          entry("-incoming", (o, text) -> o.running.incoming = text),
          entry("-compat", (o, text) -> o.running.compat.add(text)),
          entry("-d", (o, text) -> o.logs.items = text),
          entry("-D", (o, text) -> o.logs.file = Path.of(text)),
          entry("-msg", (o, text) -> o.logs.msg.add(text)),
          entry("-profile", (o, text) -> o.logs.profile = Path.of(text)),
          entry("--profile", (o, text) -> o.logs.profile = Path.of(text)),
          entry("-profile-symbols", (o, text) -> o.logs.profileSymbols = Path.of(text)),
          entry("--profile-symbols", (o, text) -> o.logs.profileSymbols = Path.of(text)));

  private RunWords() {}

  /**
   * What the words mean; empty where picocli has to look at them.
   *
   * @param words what stands behind {@code run}
   */
  static Optional<RunOptions> read(List<String> words) {
    RunOptions options = new RunOptions();
    try {
      for (int at = 0; at < words.size(); at++) {
        String word = words.get(at);
        if (FLAGS.containsKey(word)) {
          FLAGS.get(word).accept(options);
        } else if (WITH_ARGUMENT.containsKey(word) && at + 1 < words.size()) {
          WITH_ARGUMENT.get(word).accept(options, words.get(++at));
        } else if (!word.isEmpty() && !word.startsWith("-") && options.disks.image.isEmpty()) {
          options.disks.image.add(word);
        } else {
          return Optional.empty();
        }
      }
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
    return Optional.of(options);
  }
}
