package dev.pollux.qmp.hmp;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.Balloon;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.TreeNode;
import dev.pollux.devices.usb.UsbBus;
import dev.pollux.devices.usb.UsbDevice;
import dev.pollux.qmp.command.OptionText;
import dev.pollux.qmp.command.PciCommands;
import java.util.List;
import java.util.Map;

/** Commands on devices and objects. */
final class DeviceCommands {
  private DeviceCommands() {}

  /** Takes declarations. */
  @FunctionalInterface
  interface Declarer {
    void declare(String names, String parameters, String help, HmpCommand.Action action);
  }

  static void declare(Declarer command, Declarer info) {
    command.declare(
        "device_add",
        "driver[,prop=value][,...]",
        "add a device",
        (s, a) -> {
          String text = a.rest();
          return out -> s.devices().add(OptionText.parse("device_add", text, "driver"), true);
        });
    command.declare(
        "device_del",
        "device",
        "ask the guest to let go of a device",
        (s, a) -> {
          String id = a.requiredWord("device");
          return out -> s.devices().requestRemoval(id);
        });
    command.declare(
        "object_add",
        "[qom-type=]type,id=str[,prop=value][,...]",
        "make an object",
        (s, a) -> {
          String text = a.rest();
          return out -> addObject(s.devices(), text);
        });
    command.declare(
        "object_del",
        "id",
        "remove an object that nothing uses",
        (s, a) -> {
          String id = a.requiredWord("id");
          return out -> s.devices().services().objects().remove(id);
        });
    command.declare(
        "qom-list",
        "path",
        "properties of an object",
        (s, a) -> {
          String path = a.requiredWord("path");
          return out -> list(s.devices().tree().find(path), out);
        });
    command.declare("qom-get", "path property", "value of a property", DeviceCommands::get);
    command.declare("qom-set", "path property value", "change a property", DeviceCommands::set);
    command.declare(
        "balloon",
        "target",
        "ask the guest to have this much memory, in MiB",
        (s, a) -> {
          long mebibytes = a.expression();
          if (mebibytes <= 0 || mebibytes > Long.MAX_VALUE >> 20) {
            throw new HmpException("Parameter 'target' expects a size");
          }
          return out -> balloon(s.devices()).setTarget(mebibytes << 20);
        });
    info.declare(
        "balloon",
        "",
        "how much memory the guest has",
        (s, a) ->
            out ->
                out.append("balloon: actual=%d\n".formatted(balloon(s.devices()).actual() >> 20)));
    info.declare("qtree", "", "devices by their buses", (s, a) -> out -> tree(s.devices(), out));
    info.declare("usb", "", "USB devices", (s, a) -> out -> usb(s.devices(), out));
    info.declare("pci", "", "PCI devices", (s, a) -> out -> pci(s.devices(), out));
    info.declare(
        "qom-tree",
        "[path]",
        "objects by their paths",
        (s, a) -> {
          String path = a.word();
          return out -> objects(s.devices().tree().find(path.isEmpty() ? "/" : path), 0, out);
        });
  }

  private static Balloon balloon(DeviceManager devices) {
    return devices
        .services()
        .balloon()
        .orElseThrow(() -> new ConfigException("No balloon device has been activated"));
  }

  private static void addObject(DeviceManager devices, String text) {
    DeviceOptions options = OptionText.parse("object_add", text, "qom-type");
    devices.services().objects().add(devices.services(), options);
  }

  private static void list(TreeNode node, StringBuilder out) {
    for (LiveProperty property : node.properties()) {
      out.append("%s (%s)\n".formatted(property.name(), property.type()));
    }
    for (TreeNode child : node.children()) {
      out.append("%s (child<%s>)\n".formatted(child.name(), child.type()));
    }
  }

  private static HmpCommand.Effect get(HmpSession session, HmpArguments arguments) {
    String path = arguments.requiredWord("path");
    String name = arguments.requiredWord("property");
    return out -> {
      TreeNode node = session.devices().tree().find(path);
      Object value =
          node.child(name).<Object>map(TreeNode::path).orElseGet(() -> value(node.property(name)));
      out.append(value instanceof String text ? '"' + text + '"' : value).append('\n');
    };
  }

  private static Object value(LiveProperty property) {
    if (property.get() == null) {
      throw new ConfigException("Property '%s' can only be set".formatted(property.name()));
    }
    return property.get().get();
  }

  private static HmpCommand.Effect set(HmpSession session, HmpArguments arguments) {
    String path = arguments.requiredWord("path");
    String name = arguments.requiredWord("property");
    String value = arguments.rest();
    return out -> {
      LiveProperty property = session.devices().tree().find(path).property(name);
      if (property.set() == null) {
        throw new ConfigException("Property '%s' is read-only".formatted(name));
      }
      property.set().accept(value);
    };
  }

  // ---- info qtree ----

  private static void tree(DeviceManager devices, StringBuilder out) {
    for (Bus bus : devices.boardBuses()) {
      bus(bus, 0, out);
    }
  }

  private static void bus(Bus bus, int depth, StringBuilder out) {
    line(out, depth, "bus: " + bus.name());
    line(out, depth + 1, "type " + bus.kind().name());
    for (DeviceNode node : bus.devices().reversed()) {
      device(bus, node, depth + 1, out);
    }
  }

  private static void device(Bus bus, DeviceNode node, int depth, StringBuilder out) {
    line(out, depth, "dev: %s, id \"%s\"".formatted(node.type(), node.id().orElse("")));
    for (Map.Entry<String, Object> property : node.shownProperties().entrySet()) {
      line(out, depth + 1, property.getKey() + " = " + shown(property.getValue()));
    }
    bus.describe(node).forEach(text -> line(out, depth + 1, text));
    node.buses().forEach(own -> bus(own, depth + 1, out));
  }

  private static String shown(Object value) {
    return switch (value) {
      case String text -> '"' + text + '"';
      case Long number -> "%d (0x%x)".formatted(number, number);
      default -> value.toString();
    };
  }

  private static void line(StringBuilder out, int depth, String text) {
    out.append("  ".repeat(depth)).append(text).append('\n');
  }

  // ---- info qom-tree ----

  private static void objects(TreeNode node, int depth, StringBuilder out) {
    line(out, depth, "/%s (%s)".formatted(node.name(), node.type()));
    node.children().forEach(child -> objects(child, depth + 1, out));
  }

  // ---- info pci ----

  private static void usb(DeviceManager devices, StringBuilder out) {
    List<UsbBus> buses =
        devices.buses().stream().filter(UsbBus.class::isInstance).map(UsbBus.class::cast).toList();
    if (buses.isEmpty()) {
      out.append("USB support not enabled\n");
    }
    buses.forEach(bus -> bus.devices().forEach(node -> usb(node, (UsbDevice) node.device(), out)));
  }

  private static void usb(DeviceNode node, UsbDevice device, StringBuilder out) {
    out.append(
            "  Device 0.%d, Port %d, Speed %d Mb/s, Product %s"
                .formatted(
                    device.address(),
                    device.port().number(),
                    device.port().speed().megabits(),
                    device.productName()))
        .append(node.id().map(id -> ", ID: " + id).orElse(""))
        .append('\n');
  }

  private static void pci(DeviceManager devices, StringBuilder out) {
    for (PciCommands.PciInfo root : PciCommands.QueryPci.of(devices.buses())) {
      root.devices().forEach(device -> pci(device, out));
    }
    if (out.isEmpty()) {
      out.append("No PCI buses\n");
    }
  }

  private static void pci(PciCommands.PciDeviceInfo device, StringBuilder out) {
    out.append(
        "  Bus %2d, device %3d, function %d:\n"
            .formatted(device.bus(), device.slot(), device.function()));
    out.append(
        "    %s: PCI device %04x:%04x\n"
            .formatted(
                device.classInfo().desc().orElse(""), device.id().vendor(), device.id().device()));
    device
        .id()
        .subsystem()
        .ifPresent(
            id ->
                out.append(
                    "      PCI subsystem %04x:%04x\n"
                        .formatted(device.id().subsystemVendor().orElse(0L), id)));
    device
        .irq()
        .ifPresent(
            irq ->
                out.append(
                    "      IRQ %d, pin %c\n".formatted(irq, (char) ('A' + device.irqPin() - 1))));
    device.bridge().ifPresent(bridge -> bridge(bridge.bus(), out));
    for (PciCommands.PciMemoryRegion region : device.regions()) {
      region(region, out);
    }
    out.append("      id \"%s\"\n".formatted(device.qdevId()));
    device
        .bridge()
        .flatMap(PciCommands.PciBridgeInfo::devices)
        .ifPresent(behind -> behind.forEach(inner -> pci(inner, out)));
  }

  private static void bridge(PciCommands.PciBusInfo bus, StringBuilder out) {
    out.append("      BUS %d.\n".formatted(bus.number()));
    out.append("      secondary bus %d.\n".formatted(bus.secondary()));
    out.append("      subordinate bus %d.\n".formatted(bus.subordinate()));
    out.append("      IO range [0x%04x, 0x%04x]\n".formatted(bus.io().base(), bus.io().limit()));
    out.append(
        "      memory range [0x%08x, 0x%08x]\n"
            .formatted(bus.memory().base(), bus.memory().limit()));
    out.append(
        "      prefetchable memory range [0x%08x, 0x%08x]\n"
            .formatted(bus.prefetchable().base(), bus.prefetchable().limit()));
  }

  private static void region(PciCommands.PciMemoryRegion region, StringBuilder out) {
    long end = region.address() + region.size() - 1;
    if (region.type().equals("io")) {
      out.append(
          "      BAR%d: I/O at 0x%04x [0x%04x].\n".formatted(region.bar(), region.address(), end));
    } else {
      out.append(
          "      BAR%d: %d bit%s memory at 0x%08x [0x%08x].\n"
              .formatted(
                  region.bar(),
                  region.wide().orElse(false) ? 64 : 32,
                  region.prefetch().orElse(false) ? " prefetchable" : "",
                  region.address(),
                  end));
    }
  }
}
