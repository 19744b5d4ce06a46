package dev.pollux.devices.display;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.ObjectTree;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.TreeNode;
import java.util.Optional;
import java.util.stream.Stream;

/** The displays of a machine, by the names that users gave them. Machine lock held. */
public final class Displays {
  private Displays() {}

  /** The display that is shown where none is named. */
  public static Optional<Display> first(Machine machine) {
    return machine.devices().stream()
        .filter(Display.class::isInstance)
        .map(Display.class::cast)
        .findFirst();
  }

  /**
   * The display with the screen of a console.
   *
   * @throws ConfigException if there is no such device, or it has no such screen
   */
  public static Display of(ObjectTree tree, Console console) {
    if (tree.peripheral().child(console.device()).isEmpty()) {
      throw ConfigException.deviceNotFound("Device '%s' not found".formatted(console.device()));
    }
    return find(tree, console)
        .orElseThrow(
            () ->
                new ConfigException(
                    "Device %s (head %s) is not bound to a console: it has no such screen"
                        .formatted(console.device(), Integer.toUnsignedString(console.head()))));
  }

  /** The display with the screen of a console, if it is there. */
  public static Optional<Display> find(ObjectTree tree, Console console) {
    return tree.peripheral().child(console.device()).stream()
        .flatMap(Displays::displays)
        .filter(display -> Integer.compareUnsigned(console.head(), display.heads()) < 0)
        .findFirst();
  }

  /** A card may have the display as a part. */
  private static Stream<Display> displays(TreeNode node) {
    Stream<Display> own =
        node instanceof DeviceNode device && device.device() instanceof Display display
            ? Stream.of(display)
            : Stream.empty();
    return Stream.concat(own, node.children().stream().flatMap(Displays::displays));
  }

  /** The console that properties of a device name; empty where they name none. */
  public static Optional<Console> console(
      DeviceContext context, Property<String> display, Property<Long> head) {
    return console(context, display, context.get(head));
  }

  /** As above, of the first screen. */
  public static Optional<Console> console(DeviceContext context, Property<String> display) {
    return console(context, display, 0);
  }

  private static Optional<Console> console(
      DeviceContext context, Property<String> display, long head) {
    String name = context.get(display);
    if (name.isEmpty()) {
      return Optional.empty();
    }
    Console console = new Console(name, (int) head);
    Display _ = of(context.devices().tree(), console);
    return Optional.of(console);
  }
}
