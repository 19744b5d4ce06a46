package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import java.util.List;

/**
 * The IDE controller of the PIIX3 (Intel 82371SB data sheet, 2.3): two cables at the ports that PCs
 * have had them since the AT, with bus master DMA. Machine lock held.
 */
public final class PiixIde implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "piix3-ide")
          .category(DeviceCategory.STORAGE)
          .description("IDE controller");

  private static final int TIMING = 0x40;

  private final StateDescriptor<PiixIde> declaration;
  private final PciFunction pci =
      new PciFunction("piix3-ide", new PciIdentity(0x8086, 0x7010, 0x01_0180, 0));
  private final IdeChannel primary;
  private final IdeChannel secondary;

  public PiixIde(Machine machine, IsaBus isa) {
    GuestMemory memory = new GuestMemory(machine.memory());
    primary = new IdeChannel("ide.0", isa.irq(14), new BusMaster(memory, pci::isMaster));
    secondary = new IdeChannel("ide.1", isa.irq(15), new BusMaster(memory, pci::isMaster));
    pci.config()
        .init(6, 2, 0x0280)
        .init(TIMING, 4, 0x8000_8000L) // both channels decode their ports
        .allow(TIMING, 8, -1);
    pci.addBar(
        4,
        PciBar.Kind.IO,
        2L * BusMaster.PORTS,
        List.of(
            new PciBar.Piece(0, primary.busMaster().ports()),
            new PciBar.Piece(BusMaster.PORTS, secondary.busMaster().ports())));
    declaration =
        StateDescriptor.of(PiixIde.class, "piix3-ide", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .struct("primary", IdeChannel.STATE, d -> d.primary)
            .struct("secondary", IdeChannel.STATE, d -> d.secondary);
    AddressSpace io = machine.io();
    io.map(0x1f0, primary.commandBlock());
    io.map(0x3f6, primary.controlBlock());
    io.map(0x170, secondary.commandBlock());
    io.map(0x376, secondary.controlBlock());
  }

  /** The cables. */
  public List<IdeBus> buses() {
    return List.of(primary.bus(), secondary.bus());
  }

  List<IdeChannel> channels() {
    return List.of(primary, secondary);
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "ide";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
    primary.reset();
    secondary.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
