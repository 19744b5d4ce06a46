package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.DeviceCatalog;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.GlobalDefault;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.usb.UsbKeyboard;
import dev.pollux.devices.usb.UsbMouse;
import dev.pollux.devices.usb.UsbTablet;
import dev.pollux.devices.usb.xhci.Xhci;
import dev.pollux.migration.colo.compare.ComparisonObjects;
import dev.pollux.migration.lease.LeaseObject;
import dev.pollux.qmp.command.OptionText;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What {@code -device}, {@code -object} and {@code -global} ask for, checked as far as types go.
 *
 * @param objects what {@code -object} makes, in order
 * @param devices made after all back ends, in order
 * @param globals defaults of properties; a later one wins
 */
record DeviceRequests(
    List<DeviceOptions> objects, List<DeviceOptions> devices, List<GlobalDefault> globals) {
  private static final String DEVICE = "-device";
  private static final String OBJECT = "-object";

  /** What {@code -usbdevice} calls devices. */
  private static final Map<String, DeviceType<?>> USB_DEVICES =
      Map.of(
          "tablet", UsbTablet.TYPE,
          "mouse", UsbMouse.TYPE,
          "keyboard", UsbKeyboard.TYPE,
          "kbd", UsbKeyboard.TYPE);

  /** Every type of {@code -object}. */
  static final List<ObjectType> OBJECT_TYPES =
      Stream.of(Devices.OBJECTS, ComparisonObjects.TYPES, LeaseObject.TYPES)
          .flatMap(List::stream)
          .toList();

  /** Objects that back ends and devices may refer to, in order. */
  List<DeviceOptions> early() {
    return objects.stream().filter(object -> !typeOf(object).late()).toList();
  }

  /** Objects that refer to back ends, in order. */
  List<DeviceOptions> late() {
    return objects.stream().filter(object -> typeOf(object).late()).toList();
  }

  private static ObjectType typeOf(DeviceOptions object) {
    return ObjectManager.type(OBJECT_TYPES, object.required("qom-type"));
  }

  /**
   * Reads the options.
   *
   * @param globals arguments of {@code -global} that are about devices
   */
  static DeviceRequests parse(RunOptions.Devices options, List<String> globals) {
    List<DeviceOptions> objects = new ArrayList<>();
    for (String text : options.object) {
      DeviceOptions object = OptionText.parse(OBJECT, text, "qom-type");
      typeOf(object);
      objects.add(object);
    }
    List<DeviceOptions> devices = usb(options);
    for (String text : options.device) {
      DeviceOptions device = OptionText.parse(DEVICE, text, "driver");
      Devices.CATALOG.find(device.required("driver"));
      devices.add(device);
    }
    return new DeviceRequests(
        objects,
        devices,
        globals.stream().map(text -> GlobalDefault.parse(text, Devices.CATALOG)).toList());
  }

  /**
   * What {@code -usb} and {@code -usbdevice} ask for: a controller, and what is plugged into it.
   */
  private static List<DeviceOptions> usb(RunOptions.Devices options) {
    List<DeviceOptions> devices = new ArrayList<>();
    if (options.usb || !options.usbdevice.isEmpty()) {
      devices.add(DeviceOptions.of("-usb", Map.of("driver", Xhci.TYPE.name())));
    }
    for (String name : options.usbdevice) {
      DeviceType<?> type = USB_DEVICES.get(name);
      if (type == null) {
        throw new ConfigException(
            "-usbdevice %s: there is no such device; give tablet, mouse or keyboard"
                .formatted(name));
      }
      devices.add(DeviceOptions.of("-usbdevice " + name, Map.of("driver", type.name())));
    }
    return devices;
  }

  /** The list that some {@code -device} or {@code -object} asks for. */
  static Optional<List<String>> helpAsked(RunOptions.Devices options) {
    for (String text : options.device) {
      if (isHelp(text)) {
        return Optional.of(Devices.CATALOG.help());
      }
      DeviceOptions device = OptionText.parse(DEVICE, text, "driver");
      if (asksForHelp(device)) {
        return Optional.of(DeviceCatalog.help(Devices.CATALOG.find(device.required("driver"))));
      }
    }
    for (String text : options.object) {
      if (isHelp(text)) {
        return Optional.of(objectHelp());
      }
      DeviceOptions object = OptionText.parse(OBJECT, text, "qom-type");
      if (asksForHelp(object)) {
        ObjectType type = typeOf(object);
        return Optional.of(DeviceCatalog.propertyHelp(type.name(), type.properties()));
      }
    }
    return Optional.empty();
  }

  private static List<String> objectHelp() {
    List<String> lines = new ArrayList<>();
    lines.add("List of user creatable objects:");
    OBJECT_TYPES.stream().map(type -> "  " + type.name()).sorted().forEach(lines::add);
    return lines;
  }

  private static boolean isHelp(String text) {
    return text.equals("help") || text.equals("?");
  }

  private static boolean asksForHelp(DeviceOptions options) {
    return options.has("help") || options.has("?");
  }
}
