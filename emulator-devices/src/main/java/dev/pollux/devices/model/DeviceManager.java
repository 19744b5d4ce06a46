package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.machine.Device;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Makes devices by the names of their types, plugs them in and removes them. Everything with the
 * machine lock held.
 */
public final class DeviceManager {
  private final MachineServices services;
  private final ObjectTree tree;
  private final DeviceCatalog catalog;
  private final List<GlobalDefault> globals;
  private final List<Bus> boardBuses = new ArrayList<>();
  private final List<DeviceListener> listeners = new ArrayList<>();

  /**
   * @param globals what {@code -global} says of devices; a later one wins
   */
  public DeviceManager(
      MachineServices services,
      ObjectTree tree,
      DeviceCatalog catalog,
      List<GlobalDefault> globals) {
    this.services = services;
    this.tree = tree;
    this.catalog = catalog;
    this.globals = List.copyOf(globals);
  }

  public MachineServices services() {
    return services;
  }

  public ObjectTree tree() {
    return tree;
  }

  public DeviceCatalog catalog() {
    return catalog;
  }

  public void addListener(DeviceListener listener) {
    listeners.add(listener);
  }

  /** Tells users what happens to a device. For devices. */
  public void tell(Consumer<DeviceListener> what) {
    listeners.forEach(what);
  }

  // ---- for boards ----

  /** Adds a bus of the board. Those added first are searched first. */
  public <B extends Bus> B addBus(B bus) {
    boardBuses.add(bus);
    return bus;
  }

  /** The values of a part's properties: defaults, or what {@code -global} says. */
  public PropertyValues values(DeviceType<?> type) {
    return PropertyValues.read(
        type.allProperties(), DeviceOptions.of("-global " + type.name(), defaults(type)));
  }

  /** Enters a part that the board has made, with the default values of its properties. */
  public <D extends Device> D enter(DeviceType<?> type, Bus bus, D device) {
    return enter(type, bus, values(type), device);
  }

  /** Enters a part that the board has made. */
  public <D extends Device> D enter(DeviceType<?> type, Bus bus, PropertyValues values, D device) {
    enterPart(type, bus, values, device);
    return device;
  }

  /** As {@link #enter}, for a part that provides buses: they are added to the node. */
  public DeviceNode enterPart(DeviceType<?> type, Bus bus, PropertyValues values, Device device) {
    DeviceNode node = new DeviceNode(type, Optional.empty(), bus, values, false);
    tree.unattached().addNumbered("device", node);
    node.setDevice(device);
    bus.add(node);
    services.machine().add(device);
    return node;
  }

  /** Says that a part provides a bus. */
  public void provide(DeviceNode part, Bus bus) {
    part.addBus(bus);
  }

  // ---- for users ----

  /**
   * Makes a device and plugs it in.
   *
   * @param given with {@code driver}, perhaps {@code id} and {@code bus}, and properties
   * @param hotplug whether the machine has been started: then the bus and the type have to allow
   *     it, and the guest is told
   * @throws ConfigException with one line for the user; nothing has changed then
   */
  public DeviceNode add(DeviceOptions given, boolean hotplug) {
    DeviceType<?> type = find(given);
    DeviceOptions options = given.withDefaults(defaults(type));
    options.has("driver");
    Optional<String> id = options.string("id").map(Identifiers::check);
    if (id.isPresent() && tree.peripheral().child(id.get()).isPresent()) {
      throw options.error("Duplicate device ID '%s'; choose another".formatted(id.get()));
    }
    Bus bus = bus(type, options);
    if (hotplug && !(bus.isHotpluggable() && type.hotpluggable())) {
      throw options.error(
          bus.isHotpluggable()
              ? "Device '%s' does not support hotplugging".formatted(type.name())
              : "Bus '%s' does not support hotplugging".formatted(bus.name()));
    }
    PropertyValues values = PropertyValues.read(type.allProperties(), options);
    DeviceNode node = new DeviceNode(type, id, bus, values, hotplug);
    make(type, bus, node, options);
    return node;
  }

  private DeviceType<?> find(DeviceOptions given) {
    DeviceType<?> type;
    try {
      type = catalog.find(given.required("driver"));
    } catch (ConfigException e) {
      throw e.getMessage().contains("driver is missing") ? e : given.error(e.getMessage());
    }
    if (!type.userCreatable()) {
      throw given.error(
          "'%s' is a part of machines and cannot be added; \"-device help\" lists what can"
              .formatted(type.name()));
    }
    return type;
  }

  private Map<String, String> defaults(DeviceType<?> type) {
    Map<String, String> defaults = new LinkedHashMap<>();
    globals.stream()
        .filter(global -> global.isFor(type))
        .forEach(global -> defaults.put(global.property(), global.value()));
    return defaults;
  }

  private Bus bus(DeviceType<?> type, DeviceOptions options) {
    Optional<String> name = options.string("bus");
    if (name.isEmpty()) {
      return buses().stream()
          .filter(bus -> fits(type, bus) && bus.hasRoom())
          .findFirst()
          .orElseThrow(
              () ->
                  options.error(
                      "No '%s' bus found for device '%s'"
                          .formatted(type.bus().name(), type.name())));
    }
    List<Bus> all = buses();
    Bus bus =
        all.stream()
            .filter(b -> b.name().equals(name.get()))
            .findFirst()
            .orElseThrow(
                () ->
                    options.error(
                        "Bus '%s' not found; %s"
                            .formatted(
                                name.get(),
                                Suggestions.hint(
                                    name.get(), all.stream().map(Bus::name).toList()))));
    if (!fits(type, bus)) {
      throw options.error(
          "Device '%s' can't go on %s bus".formatted(type.name(), bus.kind().name()));
    }
    return bus;
  }

  private static boolean fits(DeviceType<?> type, Bus bus) {
    return type.bus().type().isInstance(bus);
  }

  private <B extends Bus> void make(
      DeviceType<B> type, Bus bus, DeviceNode node, DeviceOptions options) {
    DeviceContext context = new DeviceContext(this, node, options);
    boolean made = false;
    try {
      bus.reserve(context);
      node.setDevice(type.factory().create(type.bus().type().cast(bus), context));
      if (node.id().isPresent()) {
        tree.peripheral().add(node.id().get(), node);
      } else {
        tree.anonymous().addNumbered("device", node);
      }
      bus.add(node);
      services.machine().add(node.device());
      context.parts().forEach(part -> enterChild(node, part));
      made = true;
    } finally {
      if (!made) {
        node.release();
        node.remove();
      }
    }
    if (node.hotplugged()) {
      resetAll(node);
      bus.announce(node);
    }
  }

  private void enterChild(DeviceNode parent, DeviceContext.Part part) {
    DeviceNode node =
        new DeviceNode(
            part.type(), Optional.empty(), part.bus(), part.values(), parent.hotplugged());
    parent.add(part.name(), node);
    node.setDevice(part.device());
    part.bus().add(node);
    services.machine().add(part.device());
  }

  private static void resetAll(DeviceNode node) {
    node.device().reset();
    node.buses().forEach(bus -> bus.devices().forEach(DeviceManager::resetAll));
  }

  /**
   * Asks the guest to let go of a device; it is removed when the guest has done so.
   *
   * @param name its id or its path
   * @throws ConfigException if there is no such device, or it cannot go
   */
  public void requestRemoval(String name) {
    DeviceNode node = removable(name);
    if (node.unplugRequested()) {
      throw new ConfigException(
          "Device %s is already in the process of unplug".formatted(node.label()));
    }
    node.setUnplugRequested(true);
    try {
      node.bus().requestUnplug(node);
    } catch (ConfigException e) {
      node.setUnplugRequested(false);
      throw e;
    }
  }

  private DeviceNode removable(String name) {
    Optional<TreeNode> found =
        name.startsWith("/") ? Optional.of(tree.find(name)) : tree.peripheral().child(name);
    if (found.isEmpty() || !(found.get() instanceof DeviceNode node)) {
      List<String> ids = tree.peripheral().children().stream().map(TreeNode::name).toList();
      throw ConfigException.deviceNotFound(
          "Device '%s' not found%s"
              .formatted(name, ids.isEmpty() ? "" : "; " + Suggestions.hint(name, ids)));
    }
    if (!node.bus().isHotpluggable()) {
      throw new ConfigException(
          "Bus '%s' does not support hotplugging".formatted(node.bus().name()));
    }
    if (!node.declaration().hotpluggable()) {
      throw new ConfigException("Device '%s' does not support hotplugging".formatted(node.label()));
    }
    return node;
  }

  /** The guest would not let go. For buses. */
  public void refuseRemoval(DeviceNode node) {
    node.setUnplugRequested(false);
    listeners.forEach(l -> l.unplugRefused(node.id(), node.path()));
  }

  /** Removes a device, with all that is plugged into it. For buses, when the guest has let go. */
  public void remove(DeviceNode node) {
    String path = node.path();
    for (Bus bus : node.buses()) {
      List.copyOf(bus.devices()).forEach(this::remove);
    }
    node.bus().remove(node);
    services.machine().remove(node.device());
    node.release();
    node.remove();
    listeners.forEach(l -> l.removed(node.id(), path));
  }

  // ---- for monitors ----

  /** All buses: each of the board's, followed by what hangs on it. */
  public List<Bus> buses() {
    List<Bus> all = new ArrayList<>();
    boardBuses.forEach(bus -> collect(bus, all));
    return all;
  }

  private static void collect(Bus bus, List<Bus> into) {
    if (into.contains(bus)) {
      return;
    }
    into.add(bus);
    for (DeviceNode device : bus.devices()) {
      device.buses().forEach(own -> collect(own, into));
    }
  }

  /** The buses of the board. */
  public List<Bus> boardBuses() {
    return List.copyOf(boardBuses);
  }
}
