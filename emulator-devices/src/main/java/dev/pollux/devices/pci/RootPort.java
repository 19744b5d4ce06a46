package dev.pollux.devices.pci;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import java.util.List;

/**
 * A PCI Express root port with one slot, whose device comes and goes by native hot-plug (PCI
 * Express 4.0, 6.7 and 7.5.3). The guest hears of a button being pressed, and lets go by switching
 * power and its indicator off.
 */
public final class RootPort implements PciDevice, PciBus.Hotplug {
  private static final Property<Long> CHASSIS =
      Property.unsigned("chassis", 8, 0, 0, 255, "number of the chassis");
  private static final Property<Long> SLOT =
      Property.unsigned("slot", 16, 0, 0, 8191, "number of the slot");
  private static final Property<Long> PORT =
      Property.unsigned("port", 8, 0, 0, 255, "number of the port");
  private static final Property<Boolean> HOTPLUG =
      Property.flag("hotplug", true, "whether its device may come and go");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "pcie-root-port", RootPort::create)
          .category(DeviceCategory.BRIDGE)
          .description("PCI Express Root Port")
          .parents("pcie-root-port-base", "pcie-slot", "pcie-port", "base-pci-bridge")
          .properties(CHASSIS, SLOT, PORT, HOTPLUG)
          .coldPlugOnly();

  private static final int CAP_EXPRESS = 0x10;
  private static final int CAP_SIZE = 60;
  private static final int LINK_STATUS = 0x12;
  private static final int SLOT_CAPABILITIES = 0x14;
  private static final int SLOT_CONTROL = 0x18;
  private static final int SLOT_STATUS = 0x1a;

  private static final int LINK_ACTIVE = 0x2000;

  private static final int BUTTON = 0x01;
  private static final int POWER_CONTROLLER = 0x02;
  private static final int ATTENTION_INDICATOR = 0x08;
  private static final int POWER_INDICATOR = 0x10;
  private static final int HOTPLUG_CAPABLE = 0x40;

  private static final int CONTROL_INTERRUPT = 0x20;
  private static final int CONTROL_POWER_OFF = 0x400;
  private static final int CONTROL_INDICATOR = 0x300;
  private static final int CONTROL_INDICATOR_OFF = 0x300;

  private static final int BUTTON_PRESSED = 0x01;
  private static final int PRESENCE_CHANGED = 0x08;
  private static final int COMMAND_COMPLETED = 0x10;
  private static final int PRESENT = 0x40;
  private static final int LINK_CHANGED = 0x100;

  private final StateDescriptor<RootPort> declaration;
  private final PciFunction pci =
      new PciFunction("pcie-root-port", new PciIdentity(0x1b36, 0x000c, 0x06_0400, 0), true);
  private final PciBridge bridge = new PciBridge(pci);
  private final DeviceManager devices;
  private final Msi msi;

  @HostOnly("where the capability is; fixed")
  private final int express;

  /** The slot control register as it was when last looked at. */
  private int control;

  private RootPort(DeviceContext context) {
    this.devices = context.devices();
    boolean hotplug = context.get(HOTPLUG);
    pci.setInterruptPin(1);
    express = pci.addCapability(CAP_EXPRESS, CAP_SIZE);
    msi = pci.addMsi(0);
    int slot = (int) (long) context.get(SLOT);
    int features =
        hotplug
            ? BUTTON | POWER_CONTROLLER | ATTENTION_INDICATOR | POWER_INDICATOR | HOTPLUG_CAPABLE
            : 0;
    pci.config()
        .init(express + 2, 2, 2 | 4 << 4 | 0x100) // version 2, root port, slot
        .init(express + 4, 4, 0x8000) // role-based errors
        .allow(express + 8, 2, 0xf)
        .allowClear(express + 0x0a, 2, 0xf)
        .init(express + 0x0c, 4, 0x10_0011L | (long) context.get(PORT) << 24) // 2.5 GT/s, x1
        .allow(express + 0x10, 2, 0x1f3)
        .init(express + LINK_STATUS, 2, 0x11)
        .mark(express + LINK_STATUS, 2, LINK_ACTIVE)
        .init(express + SLOT_CAPABILITIES, 4, features | (long) slot << 19)
        .init(express + SLOT_CONTROL, 2, CONTROL_INDICATOR_OFF | 0xc0)
        .allow(express + SLOT_CONTROL, 2, 0x1fff)
        .allowClear(express + SLOT_STATUS, 2, 0x11f)
        .mark(express + SLOT_STATUS, 2, PRESENT)
        .allow(express + 0x1c, 2, 0xf)
        .init(express + 0x2c, 4, 2); // 2.5 GT/s
    pci.onConfigWrite(this::written);
    declaration =
        StateDescriptor.of(RootPort.class, "pcie-root-port", 1)
            .u16("control", p -> p.control, (p, v) -> p.control = v)
            .struct("pci", pci.descriptor(), p -> p.pci);
  }

  private static Device create(PciBus bus, DeviceContext context) {
    RootPort port = new RootPort(context);
    String name = context.node().id().orElseGet(() -> context.busName("pcie", 0));
    PciBus secondary = new PciBus(name, bus.host(), port.bridge, 1);
    port.bridge.connect(secondary);
    if (context.get(HOTPLUG)) {
      secondary.setHotplug(port);
    }
    context.addBus(secondary);
    return port;
  }

  private void written() {
    bridge.update();
    int was = control;
    control = pci.config().get(express + SLOT_CONTROL, 2);
    if (control != was) {
      if (isOff(control) && !isOff(was)) {
        eject();
      }
      setStatus(COMMAND_COMPLETED);
    }
    updateInterrupt();
  }

  private static boolean isOff(int control) {
    return (control & CONTROL_POWER_OFF) != 0
        && (control & CONTROL_INDICATOR) == CONTROL_INDICATOR_OFF;
  }

  private void eject() {
    List<DeviceNode> gone =
        bridge.secondary().devices().stream().filter(DeviceNode::unplugRequested).toList();
    if (!gone.isEmpty()) {
      gone.forEach(devices::remove);
      setPresence(false);
    }
  }

  private void setPresence(boolean present) {
    PciConfig config = pci.config();
    int status = config.get(express + SLOT_STATUS, 2) & ~PRESENT;
    int link = config.get(express + LINK_STATUS, 2) & ~LINK_ACTIVE;
    config.set(express + SLOT_STATUS, 2, present ? status | PRESENT : status);
    config.set(express + LINK_STATUS, 2, present ? link | LINK_ACTIVE : link);
    setStatus(PRESENCE_CHANGED | LINK_CHANGED);
  }

  private void setStatus(int bits) {
    int status = pci.config().get(express + SLOT_STATUS, 2);
    pci.config().set(express + SLOT_STATUS, 2, status | bits);
  }

  /** Events that the guest has asked for: the enables are where the events are. */
  private void updateInterrupt() {
    int status = pci.config().get(express + SLOT_STATUS, 2);
    int enabled = control & 0x1f | (control & 0x1000) >> 4; // the link's enable is elsewhere
    boolean wanted = (control & CONTROL_INTERRUPT) != 0 && (status & enabled) != 0;
    if (msi.isEnabled()) {
      if (wanted) {
        msi.notify(0);
      }
    } else {
      pci.setInterrupt(wanted);
    }
  }

  @Override
  public void plugged(DeviceNode node, int slot) {
    setPresence(true);
    setStatus(BUTTON_PRESSED);
    updateInterrupt();
  }

  @Override
  public void requestUnplug(DeviceNode node, int slot) {
    setStatus(BUTTON_PRESSED);
    updateInterrupt();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "pcie-root-port";
  }

  @Override
  public void reset() {
    List<DeviceNode> going =
        bridge.secondary().devices().stream().filter(DeviceNode::unplugRequested).toList();
    going.forEach(devices::remove);
    pci.reset();
    boolean present = !bridge.secondary().devices().isEmpty();
    if (present) {
      setPresence(true);
      pci.config().set(express + SLOT_STATUS, 2, PRESENT);
      pci.config().set(express + SLOT_CONTROL, 2, 0x1c0); // power on, its indicator too
    }
    control = pci.config().get(express + SLOT_CONTROL, 2);
    bridge.update();
    updateInterrupt();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
