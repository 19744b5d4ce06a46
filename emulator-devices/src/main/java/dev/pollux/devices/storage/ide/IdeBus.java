package dev.pollux.devices.storage.ide;

import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import java.util.List;
import java.util.Optional;

/** A cable with one or two drives. Machine lock held. */
public final class IdeBus extends Bus {
  static final Property<Long> UNIT =
      Property.signed("unit", 0, 1, "0 for the first drive on the cable, 1 for the second");

  public static final BusKind<IdeBus> KIND =
      new BusKind<>("IDE", IdeBus.class, "ide-device", List.of(UNIT));

  private final IdeDrive[] drives;
  private final AtaLink link;
  private int reserved;

  /**
   * @param units drives that it has room for
   * @param link what they are connected to
   */
  IdeBus(String name, int units, AtaLink link) {
    super(KIND, name);
    this.drives = new IdeDrive[units];
    this.link = link;
  }

  /** A drive by its number. */
  Optional<IdeDrive> drive(int unit) {
    return unit < drives.length ? Optional.ofNullable(drives[unit]) : Optional.empty();
  }

  int units() {
    return drives.length;
  }

  /** Which cable of its controller it is, by its name. */
  private int number() {
    String digits = name().substring(name().lastIndexOf('.') + 1).replaceAll("[^0-9]", "");
    return digits.isEmpty()
        ? 0
        : Integer.parseInt(digits.substring(0, Math.min(4, digits.length())));
  }

  /** A number for the drive that is being made, by its place. */
  int serialNumber() {
    return number() * drives.length + reserved + 1;
  }

  @Override
  public boolean hasRoom() {
    return freeUnit() >= 0;
  }

  private int freeUnit() {
    for (int i = 0; i < drives.length; i++) {
      if (drives[i] == null) {
        return i;
      }
    }
    return -1;
  }

  @Override
  protected void reserve(DeviceContext context) {
    int wanted = (int) (long) context.get(UNIT);
    int unit = wanted < 0 ? freeUnit() : wanted;
    if (unit < 0 || unit < drives.length && drives[unit] != null) {
      throw context.error(
          "bus '%s' has no room: it has %d drives".formatted(name(), drives.length));
    }
    if (unit >= drives.length) {
      throw context.error(
          "Can't create IDE unit %d, bus supports only %d units".formatted(unit, drives.length));
    }
    reserved = unit;
  }

  /** The place of the drive that is being made. */
  int reservedUnit() {
    return reserved;
  }

  @Override
  public Optional<String> firmwareName(DeviceNode node) {
    return Optional.of("drive@%x".formatted(number()));
  }

  @Override
  protected void attach(DeviceNode node) {
    plug((IdeDrive) node.device());
  }

  /** Connects a drive in its place. */
  void plug(IdeDrive drive) {
    drives[drive.unit()] = drive;
    drive.connect(link);
  }

  @Override
  protected void detach(DeviceNode node) {
    IdeDrive drive = (IdeDrive) node.device();
    drives[drive.unit()] = null;
    drive.connect(AtaLink.NONE);
  }
}
