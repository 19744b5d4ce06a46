package dev.pollux.devices.virtio.transport;

import dev.pollux.core.machine.Device;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.OnOffAuto;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.virtio.VirtioBus;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioType;
import java.util.ArrayList;
import java.util.List;

/** Makes the types of devices that users know out of the declarations of virtio devices. */
public final class VirtioTypes {
  private static final Property<OnOffAuto> NO_LEGACY =
      Property.choice(
          "disable-legacy", "OnOffAuto", OnOffAuto.AUTO, "leaves out the legacy interface");
  private static final Property<Boolean> NO_MODERN =
      Property.flag("disable-modern", false, "leaves out the modern interface");
  static final Property<Long> VECTORS =
      Property.unsigned("vectors", 32, 0xffff_ffffL, 0, 2048, "MSI-X vectors; 0 leaves MSI-X out");

  private VirtioTypes() {}

  /** All types that come from these declarations. */
  public static List<DeviceType<?>> of(List<VirtioType> declarations) {
    List<DeviceType<?>> types = new ArrayList<>();
    for (VirtioType declaration : declarations) {
      types.add(pci(declaration));
      if (declaration.transitionalId() != 0) {
        types.add(
            pciVariant(
                declaration,
                "-pci-transitional",
                new VirtioPci.Variant(true, true, declaration.transitionalId())));
      }
      types.add(
          pciVariant(declaration, "-pci-non-transitional", new VirtioPci.Variant(false, true, 0)));
      types.add(plain(declaration));
    }
    return types;
  }

  private static DeviceType<PciBus> pci(VirtioType declaration) {
    List<Property<?>> properties = new ArrayList<>(declaration.allProperties());
    properties.addAll(List.of(NO_LEGACY, NO_MODERN, VECTORS));
    DeviceType<PciBus> type =
        DeviceType.on(
            PciBus.KIND,
            declaration.name() + "-pci",
            (bus, context) -> onPci(declaration, context, variant(declaration, bus, context)));
    return common(declaration, type, properties).alias(declaration.name());
  }

  /** What all types on PCI have in common. */
  private static DeviceType<PciBus> common(
      VirtioType declaration, DeviceType<PciBus> bare, List<Property<?>> properties) {
    DeviceType<PciBus> type =
        bare.category(declaration.category())
            .description(declaration.description())
            .parents(declaration.name() + "-pci-base", "virtio-pci")
            .inner(declaration.name() + "-device")
            .properties(properties);
    return declaration.category() == DeviceCategory.DISPLAY ? type.coldPlugOnly() : type;
  }

  private static DeviceType<PciBus> pciVariant(
      VirtioType declaration, String suffix, VirtioPci.Variant variant) {
    List<Property<?>> properties = new ArrayList<>(declaration.allProperties());
    properties.add(VECTORS);
    DeviceType<PciBus> type =
        DeviceType.on(
            PciBus.KIND,
            declaration.name() + suffix,
            (_, context) -> onPci(declaration, context, variant));
    return common(declaration, type, properties);
  }

  /** For buses of transports that boards have, such as MMIO. */
  private static DeviceType<VirtioBus> plain(VirtioType declaration) {
    return DeviceType.on(
            VirtioBus.KIND,
            declaration.name() + "-device",
            (bus, context) -> {
              VirtioDevice device = declaration.create(context);
              bus.connect(device);
              return device;
            })
        .category(declaration.category())
        .description(declaration.description())
        .properties(declaration.allProperties())
        .coldPlugOnly();
  }

  private static VirtioPci.Variant variant(
      VirtioType declaration, PciBus bus, DeviceContext context) {
    boolean possible = declaration.transitionalId() != 0;
    boolean legacy =
        switch (context.get(NO_LEGACY)) {
          case ON -> false;
          case OFF -> possible;
          case AUTO -> possible && !bus.isExpressPort();
        };
    boolean modern = !context.get(NO_MODERN);
    if (!legacy && !modern) {
      throw context.error("device cannot work as neither modern nor legacy mode is enabled");
    }
    return new VirtioPci.Variant(legacy, modern, declaration.transitionalId());
  }

  private static Device onPci(
      VirtioType declaration, DeviceContext context, VirtioPci.Variant variant) {
    VirtioDevice device = declaration.create(context);
    VirtioPci transport =
        new VirtioPci(
            device, declaration.pciClass(), variant, vectors(declaration, device, context));
    addBackend(declaration, device, context);
    return transport;
  }

  /** How many MSI-X vectors a device on PCI has. */
  static int vectors(VirtioType declaration, VirtioDevice device, DeviceContext context) {
    long wanted = context.get(VECTORS);
    int ownVectors = declaration.vectors() < 0 ? device.queues().size() + 1 : declaration.vectors();
    return wanted == VECTORS.otherwise() ? ownVectors : (int) wanted;
  }

  /** Shows the device behind a transport in the tree. */
  static void addBackend(VirtioType declaration, VirtioDevice device, DeviceContext context) {
    VirtioBus inside = new VirtioBus("virtio-bus");
    context.addBus(inside);
    context.addPart(
        "virtio-backend",
        DeviceType.part(VirtioBus.KIND, declaration.name() + "-device")
            .properties(declaration.allProperties()),
        inside,
        device);
  }
}
