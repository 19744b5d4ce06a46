package dev.pollux.devices.storage.floppy;

import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.Property;
import java.util.List;

/** The cable of a floppy controller, with up to two drives. Machine lock held. */
public final class FloppyBus extends Bus {
  private static final Property<Long> UNIT =
      Property.signed("unit", 0, 1, "0 for drive A, 1 for drive B");

  public static final BusKind<FloppyBus> KIND =
      new BusKind<>("floppy-bus", FloppyBus.class, "device", List.of(UNIT));

  static final int DRIVES = 2;

  private final FloppyDrive[] drives = new FloppyDrive[DRIVES];
  private int reserved;

  FloppyBus(String name) {
    super(KIND, name);
  }

  /** A drive by its number, 0 to 3; null if there is none. */
  FloppyDrive drive(int unit) {
    return unit < DRIVES ? drives[unit] : null;
  }

  @Override
  public boolean hasRoom() {
    return drives[0] == null || drives[1] == null;
  }

  @Override
  protected void reserve(DeviceContext context) {
    int wanted = (int) (long) context.get(UNIT);
    int unit = wanted >= 0 ? wanted : drives[0] == null ? 0 : 1;
    if (drives[unit] != null) {
      throw context.error("Floppy unit %d is in use".formatted(unit));
    }
    reserved = unit;
  }

  /** The place of the drive that is being made. */
  int reservedUnit() {
    return reserved;
  }

  @Override
  protected void attach(DeviceNode node) {
    plug((FloppyDrive) node.device());
  }

  void plug(FloppyDrive drive) {
    drives[drive.unit()] = drive;
  }

  @Override
  protected void detach(DeviceNode node) {
    drives[((FloppyDrive) node.device()).unit()] = null;
  }
}
