package dev.pollux.devices.virtio.transport;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.display.Vga;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.virtio.gpu.VirtioGpu;
import java.util.ArrayList;
import java.util.List;

/**
 * QEMU's {@code virtio-vga}: a VGA, for firmware and systems without a driver, that is a virtio-gpu
 * as soon as its driver has begun. Machine lock held.
 *
 * <pre>
 *   BAR 0  video memory
 *   BAR 2  0x0000 registers of the VGA, 0x1000 common configuration, 0x1800 ISR,
 *          0x2000 device configuration, 0x3000 notifications
 *   BAR 4  MSI-X
 * </pre>
 */
public final class VirtioVga implements PciDevice {
  private static final Property<Long> MEMORY =
      Property.unsigned("vgamem_mb", 32, 8, 1, 256, "video memory in MiB, a power of two");

  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "virtio-vga", VirtioVga::create)
          .category(DeviceCategory.DISPLAY)
          .description("VGA and virtio-gpu in one")
          .parents("virtio-vga-base", "virtio-pci")
          .inner("virtio-gpu-device")
          .properties(properties())
          .coldPlugOnly();

  private static final int VGA_CLASS = 0x03_0000;
  private static final String BIOS = "vgabios-virtio.bin";

  private final StateDescriptor<VirtioVga> declaration;
  private final VirtioPci transport;
  private final Vga vga;

  VirtioVga(VirtioGpu gpu, Vga vga, int vectors) {
    this.vga = vga;
    gpu.standBehind(vga);
    transport =
        new VirtioPci(
            gpu,
            VGA_CLASS,
            new VirtioPci.Variant(false, true, 0),
            vectors,
            new VirtioPci.Layout(4, 2, 0x1000, 0x1800, vga.pieces()));
    transport.pci().addBar(0, PciBar.Kind.PREFETCHABLE, vga.linearMemory());
    transport.pci().setUsualRom(BIOS);
    declaration =
        StateDescriptor.of(VirtioVga.class, "virtio-vga", 1)
            .struct("transport", transport.descriptor(), d -> d.transport)
            .struct("vga", Vga.STATE, d -> d.vga);
  }

  private static List<Property<?>> properties() {
    List<Property<?>> all = new ArrayList<>(VirtioGpu.TYPE.allProperties());
    all.add(VirtioTypes.VECTORS);
    all.add(MEMORY);
    return all;
  }

  private static Device create(PciBus bus, DeviceContext context) {
    Vga vga = Vga.create(context, MEMORY);
    VirtioGpu gpu = (VirtioGpu) VirtioGpu.TYPE.create(context);
    VirtioVga card = new VirtioVga(gpu, vga, VirtioTypes.vectors(VirtioGpu.TYPE, gpu, context));
    VirtioTypes.addBackend(VirtioGpu.TYPE, gpu, context);
    return card;
  }

  @Override
  public PciFunction pci() {
    return transport.pci();
  }

  @Override
  public String sectionName() {
    return "virtio-vga";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    transport.reset();
    vga.reset();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
