package dev.pollux.devices.pci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;

/**
 * QEMU's ports by which ACPI plugs and unplugs slots of a root bus (QEMU documentation,
 * "acpi_pci_hotplug"). A bit stands for a slot. Machine lock held.
 *
 * <pre>
 *   0   slots that have got a device; reading clears
 *   4   slots whose device is to go
 *   8   write: the guest has let go of these slots; read: 0
 *   12  slots whose device can go
 *   16  the bus that is meant; only bus 0 is here
 *   20  number by which ACPI knows the slot written here
 * </pre>
 */
public final class SlotHotplug implements Device, BusDevice, PciBus.Hotplug {
  public static final DeviceType<SystemBus> TYPE =
      DeviceType.part(SystemBus.KIND, "acpi-pci-hotplug");

  /** Where the DSDT says they are. */
  public static final int PORT = 0xae00;

  public static final int PORTS = 0x18;

  /** The general-purpose event that tells the guest. */
  public static final int EVENT = 1;

  private static final int UP = 0;
  private static final int DOWN = 4;
  private static final int EJECT = 8;
  private static final int REMOVABLE = 12;
  private static final int SELECT = 16;

  private static final StateDescriptor<SlotHotplug> STATE =
      StateDescriptor.of(SlotHotplug.class, "acpi_pci_hotplug", 1)
          .u32("up", h -> h.up, (h, v) -> h.up = v)
          .u32("down", h -> h.down, (h, v) -> h.down = v)
          .u32("selected", h -> h.selected, (h, v) -> h.selected = v);

  private final PciBus bus;
  private final DeviceManager devices;
  private final Runnable event;
  private int up;
  private int down;
  private int selected;

  /**
   * @param event raises {@link #EVENT}
   */
  public SlotHotplug(PciBus bus, DeviceManager devices, Runnable event) {
    this.bus = bus;
    this.devices = devices;
    this.event = event;
  }

  public Region ports() {
    return new Region.DeviceRegion("acpi-pci-hotplug", PORTS, 4, 4, this);
  }

  @Override
  public void plugged(DeviceNode node, int slot) {
    up |= 1 << slot;
    event.run();
  }

  @Override
  public void requestUnplug(DeviceNode node, int slot) {
    down |= 1 << slot;
    event.run();
  }

  @Override
  public long read(long offset, int size) {
    return switch ((int) offset) {
      case UP -> {
        int value = up;
        up = 0;
        yield value & 0xffff_ffffL;
      }
      case DOWN -> down & 0xffff_ffffL;
      case REMOVABLE -> removable() & 0xffff_ffffL;
      case SELECT -> selected & 0xffff_ffffL;
      default -> 0;
    };
  }

  private int removable() {
    int slots = -1;
    for (DeviceNode node : bus.devices()) {
      if (!isRemovable(node)) {
        slots &= ~(1 << PciBus.slot(node));
      }
    }
    return slots;
  }

  private static boolean isRemovable(DeviceNode node) {
    return node.declaration().hotpluggable() && ((PciDevice) node.device()).isRemovable();
  }

  @Override
  public void write(long offset, int size, long value) {
    if (offset == SELECT) {
      selected = (int) value;
    } else if (offset == EJECT && selected == 0) {
      for (int slot = 0; slot < 32; slot++) {
        if ((value >> slot & 1) != 0) {
          eject(slot);
        }
      }
    }
  }

  private void eject(int slot) {
    down &= ~(1 << slot);
    up &= ~(1 << slot);
    for (DeviceNode node : bus.in(slot)) {
      if (isRemovable(node)) {
        devices.remove(node);
      }
    }
  }

  @Override
  public String id() {
    return "acpi_pci_hotplug";
  }

  /** As QEMU does, a reset completes what was asked for: nobody uses the devices then. */
  @Override
  public void reset() {
    int pending = down;
    for (int slot = 0; slot < 32; slot++) {
      if ((pending >> slot & 1) != 0) {
        eject(slot);
      }
    }
    up = 0;
    down = 0;
    selected = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
