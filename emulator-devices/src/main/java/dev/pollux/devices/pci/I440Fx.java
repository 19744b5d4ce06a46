package dev.pollux.devices.pci;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import java.util.Optional;

/**
 * The host bridge of the i440FX chip set (Intel 82441FX data sheet). Without firmware its registers
 * for shadow RAM keep what is written; RAM is always there.
 */
public final class I440Fx implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "i440FX")
          .category(DeviceCategory.BRIDGE)
          .description("Host bridge");

  private static final int SHADOW_RAM = 0x59;
  private static final int SMRAM = 0x72;

  private final StateDescriptor<I440Fx> declaration;
  private final Optional<ShadowRam> shadowRam;
  private final PciFunction pci =
      new PciFunction("i440FX", new PciIdentity(0x8086, 0x1237, 0x06_0000, 2));

  /**
   * @param shadowRam what its registers control; empty without firmware
   */
  public I440Fx(Optional<ShadowRam> shadowRam) {
    this.shadowRam = shadowRam;
    pci.config()
        .init(PciConfig.COMMAND, 2, 6)
        .init(PciConfig.STATUS, 2, 0x0280)
        .allow(SHADOW_RAM, 4, 0x3333_3330L)
        .allow(SHADOW_RAM + 4, 3, 0x33_3333)
        .init(SMRAM, 1, 2)
        .allow(SMRAM, 1, 0x78);
    pci.onConfigWrite(this::update);
    declaration =
        StateDescriptor.of(I440Fx.class, "I440FX", 1).struct("pci", pci.descriptor(), d -> d.pci);
  }

  /** Shows RAM instead of firmware, as firmware does before it boots. */
  public void showRam() {
    pci.write(SHADOW_RAM, 4, 0x3333_3330);
    pci.write(SHADOW_RAM + 4, 2, 0x3333);
    pci.write(SHADOW_RAM + 6, 1, 0x33);
  }

  private void update() {
    shadowRam.ifPresent(ram -> ram.update(pci.config(), SHADOW_RAM));
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
    update();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
