package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciNames;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Commands on PCI. */
public sealed interface PciCommands<R> extends QmpCommand<R> {
  /** A range of addresses that a bridge passes down. */
  record PciMemoryRange(long base, long limit) {}

  /** What is behind a BAR. */
  record PciMemoryRegion(
      long bar,
      @Api.Doc("io or memory") String type,
      @Api.Doc("-1 where it is not mapped") long address,
      long size,
      Optional<Boolean> prefetch,
      @Api.Name("mem_type_64") Optional<Boolean> wide) {
    static PciMemoryRegion of(PciBar bar) {
      boolean io = bar.kind().isIo();
      return new PciMemoryRegion(
          bar.index(),
          io ? "io" : "memory",
          bar.address(),
          bar.size(),
          io ? Optional.empty() : Optional.of(bar.kind().isPrefetchable()),
          io ? Optional.empty() : Optional.of(bar.kind().is64()));
    }
  }

  /** Numbers and windows of a bridge. */
  record PciBusInfo(
      long number,
      long secondary,
      long subordinate,
      @Api.Name("io_range") PciMemoryRange io,
      @Api.Name("memory_range") PciMemoryRange memory,
      @Api.Name("prefetchable_range") PciMemoryRange prefetchable) {}

  /** A bridge and what is behind it. */
  record PciBridgeInfo(PciBusInfo bus, Optional<List<PciDeviceInfo>> devices) {}

  /** What kind of device. */
  record PciDeviceClass(Optional<String> desc, @Api.Name("class") long code) {}

  /** Who made it. */
  record PciDeviceId(
      long device, long vendor, Optional<Long> subsystem, Optional<Long> subsystemVendor) {}

  /** A function of a device. */
  record PciDeviceInfo(
      long bus,
      long slot,
      long function,
      @Api.Name("class_info") PciDeviceClass classInfo,
      PciDeviceId id,
      Optional<Long> irq,
      @Api.Name("irq_pin") long irqPin,
      @Api.Name("qdev_id") String qdevId,
      @Api.Name("pci_bridge") Optional<PciBridgeInfo> bridge,
      List<PciMemoryRegion> regions) {}

  /** A root bus. */
  record PciInfo(long bus, List<PciDeviceInfo> devices) {}

  @Api.Doc("All PCI devices.")
  record QueryPci() implements PciCommands<List<PciInfo>> {
    @Override
    public List<PciInfo> run(QmpContext context) {
      return of(context.devices().buses());
    }

    /** Rows for all root buses among these. */
    public static List<PciInfo> of(List<Bus> buses) {
      List<PciInfo> rows = new ArrayList<>();
      for (Bus bus : buses) {
        if (bus instanceof PciBus pci && pci.isRoot()) {
          rows.add(new PciInfo(0, devices(pci)));
        }
      }
      return rows;
    }

    private static List<PciDeviceInfo> devices(PciBus bus) {
      return bus.byAddress().stream().map(node -> device(bus, node)).toList();
    }

    private static PciDeviceInfo device(PciBus bus, DeviceNode node) {
      PciFunction function = ((PciDevice) node.device()).pci();
      PciConfig config = function.config();
      boolean bridge = (config.get(PciConfig.HEADER_TYPE, 1) & 0x7f) == 1;
      int pin = config.get(PciConfig.INTERRUPT_PIN, 1);
      return new PciDeviceInfo(
          bus.number(),
          function.devfn() >> 3,
          function.devfn() & 7,
          new PciDeviceClass(Optional.of(PciNames.className(function)), PciNames.classOf(function)),
          new PciDeviceId(
              config.get(PciConfig.DEVICE_ID, 2),
              config.get(PciConfig.VENDOR_ID, 2),
              bridge ? Optional.empty() : Optional.of((long) config.get(PciConfig.SUBSYSTEM, 2)),
              bridge
                  ? Optional.empty()
                  : Optional.of((long) config.get(PciConfig.SUBSYSTEM_VENDOR, 2))),
          pin == 0 ? Optional.empty() : Optional.of((long) config.get(PciConfig.INTERRUPT_LINE, 1)),
          pin,
          node.id().orElse(""),
          bridge ? Optional.of(bridge(config, node)) : Optional.empty(),
          function.bars().stream().map(PciMemoryRegion::of).toList());
    }

    private static PciBridgeInfo bridge(PciConfig c, DeviceNode node) {
      PciBusInfo info =
          new PciBusInfo(
              c.get(0x18, 1),
              c.get(0x19, 1),
              c.get(0x1a, 1),
              new PciMemoryRange(
                  (c.get(0x1c, 1) & 0xf0L) << 8, (c.get(0x1d, 1) & 0xf0L) << 8 | 0xfff),
              range(c, 0x20, 0, 0),
              range(c, 0x24, c.get(0x28, 4), c.get(0x2c, 4)));
      List<PciDeviceInfo> behind =
          node.buses().stream()
              .filter(PciBus.class::isInstance)
              .flatMap(bus -> devices((PciBus) bus).stream())
              .toList();
      return new PciBridgeInfo(info, Optional.of(behind).filter(list -> !list.isEmpty()));
    }

    private static PciMemoryRange range(PciConfig c, int at, int upperBase, int upperLimit) {
      return new PciMemoryRange(
          (long) upperBase << 32 | (c.get(at, 2) & 0xfff0L) << 16,
          (long) upperLimit << 32 | (c.get(at + 2, 2) & 0xfff0L) << 16 | 0xf_ffff);
    }
  }
}
