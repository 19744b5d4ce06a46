package dev.pollux.devices.pci;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;

/**
 * The host bridge of the i440FX chip set (Intel 82441FX data sheet). Its registers for shadow RAM
 * keep what is written; RAM is always there.
 */
public final class I440Fx implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "i440FX")
          .category(DeviceCategory.BRIDGE)
          .description("Host bridge");

  private static final int SHADOW_RAM = 0x59;
  private static final int SMRAM = 0x72;

  private final StateDescriptor<I440Fx> declaration;
  private final PciFunction pci =
      new PciFunction("i440FX", new PciIdentity(0x8086, 0x1237, 0x06_0000, 2));

  public I440Fx() {
    pci.config()
        .init(PciConfig.COMMAND, 2, 6)
        .init(PciConfig.STATUS, 2, 0x0280)
        .allow(SHADOW_RAM, 4, 0x3333_3330L)
        .allow(SHADOW_RAM + 4, 3, 0x33_3333)
        .init(SMRAM, 1, 2)
        .allow(SMRAM, 1, 0x78);
    declaration =
        StateDescriptor.of(I440Fx.class, "I440FX", 1).struct("pci", pci.descriptor(), d -> d.pci);
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "I440FX";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
