package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Device;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A device in the object tree. Everything with the machine lock held. */
public final class DeviceNode extends TreeNode {
  private final DeviceType<?> declaration;
  private final Optional<String> id;
  private final Bus bus;
  private final PropertyValues values;
  private final boolean hotplugged;
  private final List<Bus> buses = new ArrayList<>();

  /** What gives back all that was claimed for the device, to be run last first. */
  private final List<Runnable> releases = new ArrayList<>();

  private Device device;
  private byte[] acpi = {};
  private Optional<String> firmwareName = Optional.empty();
  private boolean unplugRequested;

  DeviceNode(
      DeviceType<?> declaration,
      Optional<String> id,
      Bus bus,
      PropertyValues values,
      boolean hotplugged) {
    super(declaration.name());
    this.declaration = declaration;
    this.id = id;
    this.bus = bus;
    this.values = values;
    this.hotplugged = hotplugged;
    expose(LiveProperty.constant("realized", "bool", () -> device != null));
    expose(LiveProperty.constant("hotplugged", "bool", () -> hotplugged));
    expose(LiveProperty.constant("hotpluggable", "bool", declaration::hotpluggable));
    expose(LiveProperty.constant("parent_bus", "link<bus>", bus::name));
    declaration.allProperties().forEach(this::expose);
  }

  private <T> void expose(Property<T> property) {
    expose(
        new LiveProperty(
            property.name(),
            property.type(),
            property.description(),
            () -> values.shown(property),
            _ -> {
              throw new ConfigException(
                  "Attempt to set property '%s' on device '%s' (type '%s') after it was realized"
                      .formatted(property, id.orElse("(null)"), declaration.name()));
            }));
  }

  public DeviceType<?> declaration() {
    return declaration;
  }

  /** The name given by the user. */
  public Optional<String> id() {
    return id;
  }

  /** Where it is plugged in. */
  public Bus bus() {
    return bus;
  }

  public PropertyValues values() {
    return values;
  }

  /** The device itself. */
  public Device device() {
    return device;
  }

  /** Whether it came while the machine was running. */
  public boolean hotplugged() {
    return hotplugged;
  }

  /** The buses that it provides. */
  public List<Bus> buses() {
    return Collections.unmodifiableList(buses);
  }

  /** Whether the guest has been asked to let go of it. */
  public boolean unplugRequested() {
    return unplugRequested;
  }

  void setUnplugRequested(boolean requested) {
    unplugRequested = requested;
  }

  void setDevice(Device made) {
    device = made;
  }

  /** Says how the guest finds the device: terms for the scope of its bus in the DSDT. */
  public void setAcpi(byte[] terms) {
    acpi = terms;
  }

  /** Terms for the scope of its bus in the DSDT, none for a device that is found otherwise. */
  public byte[] acpi() {
    return acpi;
  }

  /** Says how firmware calls a part of a board that is at a fixed place. */
  public void setFirmwareName(String name) {
    firmwareName = Optional.of(name);
  }

  Optional<String> firmwareName() {
    return firmwareName;
  }

  void addBus(Bus own) {
    own.setOwner(this);
    buses.add(own);
    TreeNode node = add(own.name(), new TreeNode(own.kind().name()));
    node.expose(LiveProperty.constant("hotpluggable", "bool", own::isHotpluggable));
  }

  void onRelease(Runnable action) {
    releases.add(action);
  }

  void release() {
    releases.reversed().forEach(Runnable::run);
    releases.clear();
  }

  /** How errors and events call it. */
  public String label() {
    return id.orElseGet(this::path);
  }

  /** What {@code info qtree} shows of the properties. */
  public Map<String, Object> shownProperties() {
    Map<String, Object> shown = new LinkedHashMap<>();
    for (Property<?> property : declaration.allProperties()) {
      shown.put(property.name(), property(property.name()).get().get());
    }
    return shown;
  }
}
