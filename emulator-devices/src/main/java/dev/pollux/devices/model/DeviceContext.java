package dev.pollux.devices.model;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What the factory of a device works with: the values of its properties and what it may claim. What
 * is claimed here is given back when the device is removed, or when making it fails. Machine lock
 * held.
 */
public final class DeviceContext {
  /**
   * A device inside a device, with its own place in the tree and its own saved state.
   *
   * @param name under the outer device
   * @param values of its properties
   */
  record Part(String name, DeviceType<?> type, Bus bus, Device device, PropertyValues values) {}

  private final List<Part> parts = new ArrayList<>();
  private final DeviceManager devices;
  private final MachineServices services;
  private final DeviceNode node;
  private final DeviceOptions options;

  DeviceContext(DeviceManager devices, DeviceNode node, DeviceOptions options) {
    this.devices = devices;
    this.services = devices.services();
    this.node = node;
    this.options = options;
  }

  public Machine machine() {
    return services.machine();
  }

  /** All devices, for those that plug and unplug others. */
  public DeviceManager devices() {
    return devices;
  }

  public MachineServices services() {
    return services;
  }

  /** The value of a property that the type or its bus declares. */
  public <T> T get(Property<T> property) {
    return node.values().get(property);
  }

  /** The device's place in the object tree. */
  public DeviceNode node() {
    return node;
  }

  /** An error about the device as the user wrote it. */
  public ConfigException error(String message) {
    return options.error(message);
  }

  /**
   * The character device that a property names, for this device alone, which attaches to it and
   * detaches when it is closed.
   *
   * @throws ConfigException if there is none, or it is taken
   */
  public CharBackend charDevice(Property<String> property) {
    String name = get(property);
    if (name.isEmpty()) {
      throw error("%s is missing; add %s=ID of a -chardev".formatted(property, property));
    }
    return services.charDevices().claim(name);
  }

  /**
   * The network back end that a property names, or a cable that ends nowhere; given back when the
   * device is removed.
   *
   * @param address the card's hardware address; no bytes for the next free one
   * @throws ConfigException if there is none, or it is taken
   */
  public NetworkClaim network(Property<String> property, byte[] address) {
    NetworkClaim claim = services.networks().claim(node.id().orElse(""), get(property), address);
    claim.locate(this::workingPath);
    onRemove(claim::release);
    return claim;
  }

  /** Where the device is among the objects, or the part of it that does the work. */
  private String workingPath() {
    return parts.isEmpty() ? node.path() : node.path() + "/" + parts.getFirst().name();
  }

  /**
   * The object that a property names. It cannot be removed as long as the device is there.
   *
   * @throws ConfigException if there is none, or it is of another kind
   */
  public <T> T object(Property<String> property, Class<T> kind) {
    UserObject object = services.objects().get(get(property), kind);
    object.use();
    onRemove(object::unuse);
    return kind.cast(object.target());
  }

  /** Maps registers that stay where they are as long as the device is there. */
  public void map(AddressSpace space, long address, Region region) {
    FlatView.Mapping mapping = space.map(address, region);
    onRemove(() -> space.unmap(mapping));
  }

  /** Runs something when the device is removed, before its object is closed. */
  public void onRemove(Runnable action) {
    node.onRelease(action);
  }

  /** The name of a bus of this device: {@code ID.n}, or the stem and a number. */
  public String busName(String stem, int number) {
    return node.id().map(id -> id + "." + number).orElseGet(() -> services.freeBusName(stem));
  }

  /** Adds a bus that this device provides. */
  public void addBus(Bus bus) {
    node.addBus(bus);
  }

  /**
   * Adds a device that is a part of this one, on a bus of this one; it shows the properties of its
   * type with the values that this one has.
   *
   * @param name its name under this device in the object tree
   */
  public void addPart(String name, DeviceType<?> type, Bus bus, Device device) {
    parts.add(new Part(name, type, bus, device, node.values()));
  }

  /**
   * As above, for a type that has other properties than this device.
   *
   * @param given values of its properties where they are not the default
   */
  public void addPart(
      String name, DeviceType<?> type, Bus bus, Device device, Map<String, String> given) {
    PropertyValues values =
        PropertyValues.read(type.allProperties(), DeviceOptions.of(type.name(), given));
    parts.add(new Part(name, type, bus, device, values));
  }

  List<Part> parts() {
    return parts;
  }

  /** A property that changes while the device is there. */
  public void expose(LiveProperty property) {
    node.expose(property);
  }
}
