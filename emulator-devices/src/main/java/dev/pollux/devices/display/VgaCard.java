package dev.pollux.devices.display;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * QEMU's standard VGA: a VGA at its usual ports and addresses, with linear pictures by the Bochs
 * interface, on PCI (QEMU documentation, "QEMU Standard VGA"). Machine lock held.
 *
 * <pre>
 *   BAR 0  video memory         BAR 2  000  what the monitor says of itself
 *                                      400  ports 3c0 to 3df, byte by byte
 *                                      500  registers of the Bochs interface, 2 bytes each
 * </pre>
 */
public final class VgaCard implements PciDevice, Display {
  private static final Property<Long> MEMORY =
      Property.unsigned("vgamem_mb", 32, 16, 1, 256, "video memory in MiB, a power of two");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "VGA", VgaCard::create)
          .category(DeviceCategory.DISPLAY)
          .description("standard VGA")
          .properties(Monitor.properties(MEMORY))
          .coldPlugOnly();

  private static final String BIOS = "vgabios-stdvga.bin";
  private static final int REGISTERS = 4096;

  private final StateDescriptor<VgaCard> declaration;
  private final PciFunction pci =
      new PciFunction("VGA", new PciIdentity(0x1234, 0x1111, 0x03_0000, 2));

  @HostOnly("its parts are saved")
  private final Vga vga;

  /**
   * @param edid what the monitor says of itself; empty for no monitor
   */
  VgaCard(Vga vga, Optional<byte[]> edid) {
    this.vga = vga;
    pci.addBar(0, PciBar.Kind.PREFETCHABLE, vga.linearMemory());
    List<PciBar.Piece> pieces = new ArrayList<>();
    edid.ifPresent(bytes -> pieces.add(new PciBar.Piece(0, Monitor.region(bytes))));
    pieces.addAll(vga.pieces());
    pci.addBar(2, PciBar.Kind.MEMORY, REGISTERS, pieces);
    pci.setUsualRom(BIOS);
    declaration =
        StateDescriptor.of(VgaCard.class, "vga", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .struct("registers", VgaRegisters.STATE, d -> d.vga.registers)
            .struct("memory", VgaMemory.STATE, d -> d.vga.memory)
            .struct("vbe", BochsVbe.STATE, d -> d.vga.vbe);
  }

  private static VgaCard create(PciBus bus, DeviceContext context) {
    return new VgaCard(Vga.create(context, MEMORY), Monitor.of(context));
  }

  @Override
  public Screen screen() {
    return vga.screen();
  }

  @Override
  public Optional<TextScreen> text() {
    return vga.text();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "vga";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
    vga.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
