package dev.pollux.devices.pci;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;

/** QEMU's {@code pci-bridge}: 32 more slots, for devices that stay. */
public final class ConventionalBridge implements PciDevice {
  private static final Property<Long> CHASSIS =
      Property.unsigned("chassis_nr", 8, 0, 0, 255, "number of the chassis");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "pci-bridge", ConventionalBridge::create)
          .category(DeviceCategory.BRIDGE)
          .description("Standard PCI Bridge")
          .parents("base-pci-bridge")
          .properties(CHASSIS)
          .coldPlugOnly();

  private final StateDescriptor<ConventionalBridge> declaration;
  private final PciFunction pci =
      new PciFunction("pci-bridge", new PciIdentity(0x1b36, 0x0001, 0x06_0400, 0));
  private final PciBridge bridge = new PciBridge(pci);

  private ConventionalBridge() {
    pci.config().init(PciConfig.STATUS, 2, 0x00a0);
    pci.onConfigWrite(bridge::update);
    declaration =
        StateDescriptor.of(ConventionalBridge.class, "pci_bridge", 1)
            .struct("pci", pci.descriptor(), d -> d.pci);
  }

  private static Device create(PciBus bus, DeviceContext context) {
    ConventionalBridge device = new ConventionalBridge();
    String name = context.node().id().orElseGet(() -> context.busName("pci-bridge", 0));
    PciBus secondary = new PciBus(name, bus.host(), device.bridge, 32);
    device.bridge.connect(secondary);
    context.addBus(secondary);
    return device;
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "pci_bridge";
  }

  @Override
  public void reset() {
    pci.reset();
    bridge.update();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
