package dev.pollux.devices.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Where devices are plugged in. Everything with the machine lock held. */
public abstract class Bus {
  private final BusKind<?> kind;
  private final String name;
  private final List<DeviceNode> devices = new ArrayList<>();

  /** The device whose bus it is; null for a bus of the board. */
  private DeviceNode owner;

  /**
   * @param name unique in a machine, for instance {@code pci.0}
   */
  protected Bus(BusKind<?> kind, String name) {
    this.kind = kind;
    this.name = name;
  }

  public final BusKind<?> kind() {
    return kind;
  }

  public final String name() {
    return name;
  }

  /** What is plugged in, in the order in which it came. */
  public final List<DeviceNode> devices() {
    return Collections.unmodifiableList(devices);
  }

  /** The device whose bus it is; empty for a bus of the board. */
  public final Optional<DeviceNode> owner() {
    return Optional.ofNullable(owner);
  }

  final void setOwner(DeviceNode device) {
    owner = device;
  }

  /** Whether one more device fits; a bus that is named by the user says so itself. */
  public boolean hasRoom() {
    return true;
  }

  /** Whether devices may come and go while the machine runs. */
  public boolean isHotpluggable() {
    return false;
  }

  /**
   * Finds a place for a device that is about to be made.
   *
   * @throws dev.pollux.core.config.ConfigException where there is none
   */
  protected void reserve(DeviceContext context) {}

  /** A device was made: plugs it in. */
  protected void attach(DeviceNode node) {}

  /** Unplugs a device, which is then closed. */
  protected void detach(DeviceNode node) {}

  /** Tells the guest of a device that came while the machine runs. */
  protected void announce(DeviceNode node) {}

  /**
   * Asks the guest to let go of a device; when it has, {@link DeviceManager#remove} follows.
   *
   * @throws dev.pollux.core.config.ConfigException where that is not possible
   */
  protected void requestUnplug(DeviceNode node) {
    throw new IllegalStateException(name + " cannot unplug");
  }

  /**
   * How firmware calls the place of a device on this bus, for instance {@code ethernet@3} (IEEE
   * 1275); empty where the bus adds nothing to a path.
   */
  public Optional<String> firmwareName(DeviceNode node) {
    return node.firmwareName();
  }

  /** What {@code info qtree} shows of a device beside its properties, a line each. */
  public List<String> describe(DeviceNode node) {
    return List.of();
  }

  final void add(DeviceNode node) {
    devices.add(node);
    attach(node);
  }

  final void remove(DeviceNode node) {
    detach(node);
    devices.remove(node);
  }

  @Override
  public String toString() {
    return name;
  }
}
