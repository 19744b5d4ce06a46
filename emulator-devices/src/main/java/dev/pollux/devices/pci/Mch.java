package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import java.util.Optional;

/**
 * The host bridge of the Q35 chip set (Intel 3 Series Express Chipset data sheet, chapter 5): shows
 * configuration spaces in memory (ECAM; PCI Express 4.0, 7.2.2).
 */
public final class Mch implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "mch")
          .category(DeviceCategory.BRIDGE)
          .description("Host bridge");

  /** Bytes of 256 buses. */
  public static final long ECAM_SIZE = 256L << 20;

  private static final int ECAM_BASE = 0x60;
  private static final int SHADOW_RAM = 0x90;
  private static final int ENABLE = 1;
  private static final long ADDRESS_BITS = 0xf_f000_0000L;

  private final StateDescriptor<Mch> declaration;
  private final PciFunction pci =
      new PciFunction("mch", new PciIdentity(0x8086, 0x29c0, 0x06_0000, 0));
  private final PciBus root;
  private final AddressSpace memory;
  private final Optional<ShadowRam> shadowRam;

  @HostOnly("derived from the registers")
  private Optional<FlatView.Mapping> mapping = Optional.empty();

  /**
   * @param shadowRam what its registers control; empty without firmware
   */
  public Mch(PciBus root, AddressSpace memory, Optional<ShadowRam> shadowRam) {
    this.root = root;
    this.shadowRam = shadowRam;
    this.memory = memory;
    pci.config()
        .init(PciConfig.COMMAND, 2, 6)
        .init(PciConfig.STATUS, 2, 0x0090)
        .allow(ECAM_BASE, 4, 0xf000_0007L)
        .allow(ECAM_BASE + 4, 4, 0xf)
        .allow(SHADOW_RAM, 7, 0x33_3333_3333_3330L)
        .init(0x9d, 1, 2)
        .allow(0x9d, 2, 0xff78);
    pci.onConfigWrite(this::update);
    declaration =
        StateDescriptor.of(Mch.class, "mch", 1).struct("pci", pci.descriptor(), d -> d.pci);
  }

  /** Shows configuration spaces where firmware does. */
  public void enableEcam(long base) {
    pci.write(ECAM_BASE + 4, 4, (int) (base >>> 32));
    pci.write(ECAM_BASE, 4, (int) base | ENABLE);
  }

  /** Shows RAM instead of firmware, as firmware does before it boots. */
  public void showRam() {
    pci.write(SHADOW_RAM, 4, 0x3333_3330);
    pci.write(SHADOW_RAM + 4, 2, 0x3333);
    pci.write(SHADOW_RAM + 6, 1, 0x33);
  }

  private void update() {
    shadowRam.ifPresent(ram -> ram.update(pci.config(), SHADOW_RAM));
    map();
  }

  private void map() {
    long value =
        pci.config().get(ECAM_BASE, 4) & 0xffff_ffffL
            | (long) pci.config().get(ECAM_BASE + 4, 4) << 32;
    boolean on = (value & ENABLE) != 0;
    long base = value & ADDRESS_BITS;
    if (on && mapping.isPresent() && mapping.get().start() == base) {
      return;
    }
    mapping.ifPresent(memory::unmap);
    mapping = on ? Optional.of(memory.map(base, window(), -1)) : Optional.empty();
  }

  private Region window() {
    return new Region.DeviceRegion(
        "pcie-mmcfg-mmio",
        ECAM_SIZE,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return root.readConfig(
                (int) (offset >> 20), (int) (offset >> 12) & 0xff, (int) offset & 0xfff, size);
          }

          @Override
          public void write(long offset, int size, long value) {
            root.writeConfig(
                (int) (offset >> 20),
                (int) (offset >> 12) & 0xff,
                (int) offset & 0xfff,
                size,
                (int) value);
          }
        });
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "mch";
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
