package dev.pollux.devices.display;

import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.BoundState;
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
import java.io.IOException;
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
  private static final int VGA_PORTS = 0x400;
  private static final int VBE_REGISTERS = 0x500;

  private final StateDescriptor<VgaCard> declaration;
  private final PciFunction pci =
      new PciFunction("VGA", new PciIdentity(0x1234, 0x1111, 0x03_0000, 2));
  private final VgaRegisters registers = new VgaRegisters();
  private final VgaMemory memory;
  private final BochsVbe vbe;
  private final VgaPicture picture;
  private final RamBlock videoMemory;

  /**
   * @param edid what the monitor says of itself; empty for no monitor
   */
  VgaCard(RamBlock videoMemory, Optional<byte[]> edid) {
    this.videoMemory = videoMemory;
    memory = new VgaMemory(registers, videoMemory);
    vbe = new BochsVbe(videoMemory.size(), new Linear());
    picture = new VgaPicture(registers, vbe, videoMemory);
    pci.addBar(
        0, PciBar.Kind.PREFETCHABLE, new Region.RamRegion(videoMemory, 0, videoMemory.size()));
    List<PciBar.Piece> pieces = new ArrayList<>();
    edid.ifPresent(bytes -> pieces.add(new PciBar.Piece(0, Monitor.region(bytes))));
    pieces.add(new PciBar.Piece(VGA_PORTS, portsInMemory()));
    pieces.add(new PciBar.Piece(VBE_REGISTERS, vbeInMemory()));
    pci.addBar(2, PciBar.Kind.MEMORY, REGISTERS, pieces);
    pci.setUsualRom(BIOS);
    declaration =
        StateDescriptor.of(VgaCard.class, "vga", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .struct("registers", VgaRegisters.STATE, d -> d.registers)
            .struct("memory", VgaMemory.STATE, d -> d.memory)
            .struct("vbe", BochsVbe.STATE, d -> d.vbe);
  }

  private static VgaCard create(PciBus bus, DeviceContext context) {
    long megabytes = context.get(MEMORY);
    if (Long.bitCount(megabytes) != 1) {
      throw context.error("vgamem_mb=%d is no power of two".formatted(megabytes));
    }
    Machine machine = context.machine();
    if (machine.io().view().find(VgaRegisters.FIRST_PORT) != null) {
      throw context.error("there is a VGA already; a machine has one");
    }
    try {
      RamBlock block = new RamBlock("vga.vram", megabytes << 20, false);
      machine.addRamBlock(block);
      VgaCard card = new VgaCard(block, Monitor.of(context));
      context.map(machine.memory(), VgaMemory.START, card.window());
      context.map(machine.io(), VgaRegisters.FIRST_PORT, card.ports());
      context.map(machine.io(), BochsVbe.FIRST_PORT, card.vbePorts());
      return card;
    } catch (IOException e) {
      throw context.error("vgamem_mb=%d: %s".formatted(megabytes, e.getMessage()));
    }
  }

  /** What a linear picture changes in the VGA: its usual modes would show the same memory. */
  private final class Linear implements BochsVbe.Card {
    @Override
    public void begin(boolean clear) {
      registers.graphics[6] = (byte) (registers.graphics(6) & ~0x0c | 0x05);
      registers.sequencer[2] = 0x0f;
      registers.attributes[0x12] = 0x0f;
      if (vbe.bits() == 4) {
        registers.graphics[5] = (byte) (registers.graphics(5) & ~0x60);
        registers.sequencer[4] = (byte) (registers.sequencer(4) & ~0x08);
      } else {
        registers.graphics[5] = (byte) (registers.graphics(5) & ~0x60 | 0x40);
        registers.sequencer[4] = (byte) (registers.sequencer(4) | 0x08);
      }
      if (clear) {
        long bytes = Math.min(videoMemory.size(), (long) vbe.height() * vbe.rowBytes());
        long all = vbe.bits() == 4 ? Math.min(videoMemory.size(), bytes * 4) : bytes;
        videoMemory.beforeWrite(0, all);
        RawMemory.fill(videoMemory.hostAddress(), all, (byte) 0);
        videoMemory.beforeWrite(0, all);
      }
    }

    @Override
    public void setBank(int number) {
      memory.setBank(number);
    }

    @Override
    public void setEightBits(boolean on) {
      registers.setEightBits(on);
    }
  }

  Region window() {
    return new Region.DeviceRegion("vga-lowmem", VgaMemory.SIZE, 1, memory);
  }

  Region ports() {
    return new Region.DeviceRegion("vga", VgaRegisters.PORTS, 1, registers);
  }

  Region vbePorts() {
    return new Region.DeviceRegion("vbe", BochsVbe.PORTS, 2, 2, vbe);
  }

  Region portsInMemory() {
    return new Region.DeviceRegion("vga ioports remapped", 0x20, 1, Shifted.by(registers, 0x10));
  }

  Region vbeInMemory() {
    return vbe.inMemory();
  }

  @Override
  public Screen screen() {
    return picture.screen();
  }

  @Override
  public Optional<TextScreen> text() {
    return picture.text();
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
    registers.reset();
    memory.reset();
    vbe.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
