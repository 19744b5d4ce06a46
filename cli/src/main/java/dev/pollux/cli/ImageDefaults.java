package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import java.util.ArrayList;
import java.util.List;

/** What {@code pollux run IMAGE} means where nothing else is said. */
final class ImageDefaults {
  private static final String MEMORY = "1G";

  private ImageDefaults() {}

  /** Fills in the options that the user has left out, and says in a line what was chosen. */
  static void apply(RunOptions options) {
    List<String> images = options.disks.image;
    if (images.isEmpty()) {
      return;
    }
    String image = images.getFirst();
    if (images.size() > 1 || options.boot.kernel != null) {
      throw new ConfigException(
          "unexpected argument \"%s\"; an image to boot from is alone, and no -kernel is given"
              .formatted(images.getLast()));
    }
    List<String> chosen = new ArrayList<>();
    options.disks.drive.addFirst("file=%s,if=virtio".formatted(image.replace(",", ",,")));
    chosen.add("a virtio disk");
    if (options.machine.memory.isEmpty()) {
      options.machine.memory.add(MEMORY);
      chosen.add(MEMORY + " of memory");
    }
    if (ConsoleConfig.CURSES.equals(options.consoles.display)) {
      chosen.add("its text screen on this terminal (Ctrl-A h helps)");
    } else if (options.consoles.serial.isEmpty()
        && options.consoles.monitor.isEmpty()
        && options.consoles.mon.isEmpty()
        && !options.devices.nodefaults) {
      options.consoles.nographic = true;
      chosen.add("the serial console on this terminal (Ctrl-A h helps)");
    }
    System.err.printf("pollux: %s: %s%n", image, String.join(", ", chosen));
  }
}
