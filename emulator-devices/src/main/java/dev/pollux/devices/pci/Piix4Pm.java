package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import java.util.Optional;

/**
 * The power management function of the PIIX4 (Intel 82371AB data sheet, chapter 7): says where the
 * ports of {@link AcpiPm} are.
 */
public final class Piix4Pm implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "PIIX4_PM")
          .category(DeviceCategory.BRIDGE)
          .description("PM")
          .properties(SleepStates.PROPERTIES);

  private static final int PM_BASE = 0x40;
  private static final int PM_ENABLE = 0x80;
  private static final int DEVICE_ACTIVITY_B = 0x58;

  /** Firmware that finds this takes system management mode for set up, and leaves it alone. */
  private static final int APMC_ENABLE = 0x02;

  private final StateDescriptor<Piix4Pm> declaration;
  private final PciFunction pci =
      new PciFunction("PIIX4_PM", new PciIdentity(0x8086, 0x7113, 0x06_8000, 3));
  private final AcpiPm pm;
  private final AddressSpace io;

  @HostOnly("derived from the registers")
  private Optional<FlatView.Mapping> mapping = Optional.empty();

  /**
   * @param pm what it switches on; reset and saved by itself
   */
  public Piix4Pm(AcpiPm pm, AddressSpace io) {
    this.pm = pm;
    this.io = io;
    pci.config()
        .init(PciConfig.STATUS, 2, 0x0280)
        .init(PciConfig.INTERRUPT_PIN, 1, 1)
        .init(PM_BASE, 4, 1)
        .allow(PM_BASE, 4, 0xffc0)
        .init(DEVICE_ACTIVITY_B + 3, 1, APMC_ENABLE)
        .allow(PM_ENABLE, 1, 1)
        .allow(0x90, 4, 0xfff0) // SMBus base
        .init(0x90, 4, 1)
        .allow(0xd2, 1, 0x0f);
    pci.onConfigWrite(this::map);
    declaration =
        StateDescriptor.of(Piix4Pm.class, "piix4_pm_pci", 1)
            .struct("pci", pci.descriptor(), d -> d.pci);
  }

  /** Puts the ports where a PC's firmware puts them. */
  public void enable(int base) {
    pci.write(PM_BASE, 4, base | 1);
    pci.write(PM_ENABLE, 1, 1);
    pci.write(PciConfig.INTERRUPT_LINE, 1, 9);
  }

  private void map() {
    boolean on = (pci.config().get(PM_ENABLE, 1) & 1) != 0;
    int base = pci.config().get(PM_BASE, 4) & 0xffc0;
    if (on && mapping.isPresent() && mapping.get().start() == base) {
      return;
    }
    mapping.ifPresent(io::unmap);
    mapping = on ? Optional.of(io.map(base, pm.pmPorts())) : Optional.empty();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "piix4_pm";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
    map();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
