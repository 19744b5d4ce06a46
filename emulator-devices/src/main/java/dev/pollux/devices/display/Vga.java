package dev.pollux.devices.display;

import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.PciBar;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * A VGA at its usual ports and addresses, with linear pictures by the Bochs interface, which cards
 * on PCI have in them. Machine lock held.
 *
 * <pre>
 *   in a memory BAR, too   400  ports 3c0 to 3df, byte by byte
 *                          500  registers of the Bochs interface, 2 bytes each
 * </pre>
 */
public final class Vga {
  private static final int VGA_PORTS = 0x400;
  private static final int VBE_REGISTERS = 0x500;

  public static final StateDescriptor<Vga> STATE =
      StateDescriptor.of(Vga.class, "vga-core", 1)
          .struct("registers", VgaRegisters.STATE, v -> v.registers)
          .struct("memory", VgaMemory.STATE, v -> v.memory)
          .struct("vbe", BochsVbe.STATE, v -> v.vbe);

  final VgaRegisters registers = new VgaRegisters();
  final VgaMemory memory;
  final BochsVbe vbe;
  private final VgaPicture picture;
  private final RamBlock videoMemory;

  Vga(RamBlock videoMemory) {
    this.videoMemory = videoMemory;
    memory = new VgaMemory(registers, videoMemory);
    vbe = new BochsVbe(videoMemory.size(), new Linear());
    picture = new VgaPicture(registers, vbe, videoMemory);
  }

  /**
   * Makes the VGA of a card, with its usual ports and addresses.
   *
   * @param size the card's property that says how much video memory it has, in MiB
   */
  public static Vga create(DeviceContext context, Property<Long> size) {
    long megabytes = context.get(size);
    if (Long.bitCount(megabytes) != 1) {
      throw context.error("%s=%d is no power of two".formatted(size, megabytes));
    }
    Machine machine = context.machine();
    if (machine.io().view().find(VgaRegisters.FIRST_PORT) != null) {
      throw context.error("there is a VGA already; a machine has one");
    }
    try {
      RamBlock block = new RamBlock("vga.vram", megabytes << 20, false);
      machine.addRamBlock(block);
      Vga vga = new Vga(block);
      context.map(machine.memory(), VgaMemory.START, vga.window());
      context.map(machine.io(), VgaRegisters.FIRST_PORT, vga.ports());
      context.map(machine.io(), BochsVbe.FIRST_PORT, vga.vbePorts());
      return vga;
    } catch (IOException e) {
      throw context.error("%s=%d: %s".formatted(size, megabytes, e.getMessage()));
    }
  }

  /** What it has in a memory BAR. */
  public List<PciBar.Piece> pieces() {
    return List.of(
        new PciBar.Piece(VGA_PORTS, portsInMemory()),
        new PciBar.Piece(VBE_REGISTERS, vbe.inMemory()));
  }

  /** All of the video memory. */
  public Region linearMemory() {
    return new Region.RamRegion(videoMemory, 0, videoMemory.size());
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

  public Screen screen() {
    return picture.screen();
  }

  public Optional<TextScreen> text() {
    return picture.text();
  }

  public void reset() {
    registers.reset();
    memory.reset();
    vbe.reset();
  }
}
