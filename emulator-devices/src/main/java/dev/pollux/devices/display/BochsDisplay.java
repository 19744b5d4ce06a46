package dev.pollux.devices.display;

import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
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
 * A card with linear pictures alone, by the registers of the Bochs interface in memory: no VGA, no
 * ports, nothing at fixed addresses (QEMU documentation, "QEMU Standard VGA"). Machine lock held.
 *
 * <pre>
 *   BAR 0  video memory         BAR 2  000  what the monitor says of itself
 *                                      500  registers of the Bochs interface, 2 bytes each
 * </pre>
 */
public final class BochsDisplay implements PciDevice, Display {
  private static final Property<Long> MEMORY =
      Property.size(
          "vgamem", 16 << 20, 4 << 20, 256 << 20, "video memory in bytes, a power of two");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "bochs-display", BochsDisplay::create)
          .category(DeviceCategory.DISPLAY)
          .description("linear pictures without a VGA")
          .properties(Monitor.properties(MEMORY))
          .coldPlugOnly();

  private static final int REGISTERS = 4096;
  private static final int VBE_REGISTERS = 0x500;

  private final StateDescriptor<BochsDisplay> declaration;
  private final PciFunction pci =
      new PciFunction("bochs-display", new PciIdentity(0x1234, 0x1111, 0x03_8000, 2));
  private final BochsVbe vbe;
  private final VgaPicture picture;
  private final RamBlock videoMemory;

  /**
   * @param edid what the monitor says of itself; empty for no monitor
   */
  BochsDisplay(RamBlock videoMemory, Optional<byte[]> edid) {
    this.videoMemory = videoMemory;
    vbe = new BochsVbe(videoMemory.size(), new Linear());
    picture = new VgaPicture(new VgaRegisters(), vbe, videoMemory); // whose screen stays off
    pci.addBar(
        0, PciBar.Kind.PREFETCHABLE, new Region.RamRegion(videoMemory, 0, videoMemory.size()));
    List<PciBar.Piece> pieces = new ArrayList<>();
    edid.ifPresent(bytes -> pieces.add(new PciBar.Piece(0, Monitor.region(bytes))));
    pieces.add(new PciBar.Piece(VBE_REGISTERS, vbeInMemory()));
    pci.addBar(2, PciBar.Kind.MEMORY, REGISTERS, pieces);
    declaration =
        StateDescriptor.of(BochsDisplay.class, "bochs-display", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .struct("vbe", BochsVbe.STATE, d -> d.vbe);
  }

  private static BochsDisplay create(PciBus bus, DeviceContext context) {
    long bytes = context.get(MEMORY);
    if (Long.bitCount(bytes) != 1) {
      throw context.error("vgamem=%d is no power of two".formatted(bytes));
    }
    long cards =
        context.machine().devices().stream().filter(BochsDisplay.class::isInstance).count();
    try {
      RamBlock block = new RamBlock("bochs-display%d.vram".formatted(cards), bytes, false);
      context.machine().addRamBlock(block);
      return new BochsDisplay(block, Monitor.of(context));
    } catch (IOException e) {
      throw context.error("vgamem=%d: %s".formatted(bytes, e.getMessage()));
    }
  }

  /** There are no other modes that would have to change. */
  private final class Linear implements BochsVbe.Card {
    @Override
    public void begin(boolean clear) {
      if (clear) {
        long bytes = Math.min(videoMemory.size(), (long) vbe.height() * vbe.rowBytes());
        videoMemory.beforeWrite(0, bytes);
        RawMemory.fill(videoMemory.hostAddress(), bytes, (byte) 0);
        videoMemory.beforeWrite(0, bytes);
      }
    }

    @Override
    public void setBank(int number) {}

    @Override
    public void setEightBits(boolean on) {}
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
    return Optional.empty();
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "bochs-display";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
    vbe.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
