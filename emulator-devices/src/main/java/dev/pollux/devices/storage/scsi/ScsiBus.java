package dev.pollux.devices.storage.scsi;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import java.util.List;
import java.util.Optional;

/** What SCSI disks are plugged into: targets with logical units. Disks come and go at any time. */
public final class ScsiBus extends Bus {
  public static final int TARGETS = 256;
  public static final int UNITS = 16384;

  private static final long ANY = 0xffff_ffffL;

  static final Property<Long> CHANNEL = Property.unsigned("channel", 32, 0, 0, 0, "always 0");
  static final Property<Long> TARGET =
      Property.unsigned("scsi-id", 32, ANY, 0, TARGETS - 1, "target; the first free one");
  static final Property<Long> UNIT =
      Property.unsigned("lun", 32, ANY, 0, UNITS - 1, "unit of the target; the first free one");

  public static final BusKind<ScsiBus> KIND =
      new BusKind<>("SCSI", ScsiBus.class, "scsi-device", List.of(CHANNEL, TARGET, UNIT));

  private final ScsiController controller;
  private final DeviceManager devices;
  private final boolean hotplug;
  private final boolean closed;

  public ScsiBus(String name, ScsiController controller, DeviceManager devices, boolean hotplug) {
    this(name, controller, devices, hotplug, false);
  }

  private ScsiBus(
      String name,
      ScsiController controller,
      DeviceManager devices,
      boolean hotplug,
      boolean closed) {
    super(KIND, name);
    this.controller = controller;
    this.devices = devices;
    this.hotplug = hotplug;
    this.closed = closed;
  }

  /** A bus for the one disk that is a part of its controller. */
  public static ScsiBus ofOne(String name, ScsiController controller, DeviceManager devices) {
    return new ScsiBus(name, controller, devices, false, true);
  }

  @Override
  public boolean hasRoom() {
    return !closed;
  }

  ScsiController controller() {
    return controller;
  }

  /** All disks. */
  List<ScsiDisk> disks() {
    return devices().stream().map(node -> (ScsiDisk) node.device()).toList();
  }

  /** The disk at an address. */
  private Optional<ScsiDisk> disk(int target, int unit) {
    return disks().stream().filter(d -> d.target() == target && d.unit() == unit).findFirst();
  }

  /**
   * A free address: the one that is given, or the first free target.
   *
   * @return target and unit
   * @throws ConfigException if there is none
   */
  int[] choose(long target, long unit) {
    if (closed) {
      throw new ConfigException(
          "bus %s is for the disk of its device alone; choose another".formatted(name()));
    }
    int at = target == ANY ? freeTarget(unit) : (int) target;
    int number = unit == ANY ? freeUnit(at) : (int) unit;
    if (at == TARGETS || number == UNITS) {
      throw new ConfigException("no free address on %s; add another controller".formatted(name()));
    }
    if (taken(at, number)) {
      throw new ConfigException(
          "lun already used by %s; choose another scsi-id or lun"
              .formatted(disk(at, number).orElseThrow().id()));
    }
    return new int[] {at, number};
  }

  private int freeTarget(long unit) {
    int at = 0;
    while (at < TARGETS && taken(at, unit == ANY ? 0 : unit)) {
      at++;
    }
    return at;
  }

  private int freeUnit(int target) {
    int number = 0;
    while (number < UNITS && taken(target, number)) {
      number++;
    }
    return number;
  }

  private boolean taken(int target, long unit) {
    return disk(target, (int) unit).isPresent();
  }

  @Override
  public boolean isHotpluggable() {
    return hotplug;
  }

  @Override
  public Optional<String> firmwareName(DeviceNode node) {
    ScsiDisk disk = (ScsiDisk) node.device();
    return Optional.of("channel@0/disk@%x,%x".formatted(disk.target(), disk.unit()));
  }

  @Override
  protected void attach(DeviceNode node) {
    controller.added((ScsiDisk) node.device());
  }

  @Override
  protected void detach(DeviceNode node) {
    controller.removing((ScsiDisk) node.device());
  }

  /** The guest has no say: it is told that the disk is gone. */
  @Override
  protected void requestUnplug(DeviceNode node) {
    devices.remove(node);
  }
}
