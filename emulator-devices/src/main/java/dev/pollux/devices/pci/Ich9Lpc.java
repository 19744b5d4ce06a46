package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.SharedIrq;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The LPC bridge of the ICH9 (Intel I/O Controller Hub 9 data sheet, chapter 13): leads eight PCI
 * interrupt wires to inputs 16 to 23 of the I/O APIC and, as its registers say, to ISA interrupts;
 * says where the ports of {@link AcpiPm} are.
 */
public final class Ich9Lpc implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "ICH9-LPC")
          .category(DeviceCategory.BRIDGE)
          .description("ICH9 LPC bridge")
          .properties(SleepStates.PROPERTIES);

  private static final int WIRES = 8;
  private static final int ISA_IRQS = 16;
  private static final int NOT_ROUTED = 0x80;
  private static final int PM_BASE = 0x40;
  private static final int ACPI_CONTROL = 0x44;
  private static final int ACPI_ENABLE = 0x80;

  private final StateDescriptor<Ich9Lpc> declaration;
  private final PciFunction pci =
      new PciFunction("ICH9-LPC", new PciIdentity(0x8086, 0x2918, 0x06_0100, 2));
  private final AcpiPm pm;
  private final AddressSpace io;

  @HostOnly("driven anew by the devices behind the wires")
  private final boolean[] levels = new boolean[WIRES];

  @HostOnly("wiring")
  private final List<IrqLine> pins;

  @HostOnly("wiring")
  private final List<IrqLine> isaIrqs;

  @HostOnly("wiring")
  private final List<SharedIrq> inputs =
      IntStream.range(0, WIRES).mapToObj(n -> new SharedIrq(level -> set(n, level))).toList();

  @HostOnly("derived from the registers")
  private Optional<FlatView.Mapping> mapping = Optional.empty();

  /**
   * @param pins inputs of the I/O APIC by number
   * @param pm what it switches on; reset and saved by itself
   */
  public Ich9Lpc(IsaBus isa, IntFunction<IrqLine> pins, AcpiPm pm) {
    this.pm = pm;
    this.io = isa.machine().io();
    this.pins = IntStream.range(0, WIRES).mapToObj(n -> pins.apply(16 + n)).toList();
    this.isaIrqs = IntStream.range(0, ISA_IRQS).mapToObj(isa::irq).toList();
    pci.config()
        .init(PciConfig.COMMAND, 2, 7)
        .init(PciConfig.STATUS, 2, 0x0210)
        .init(PM_BASE, 4, 1)
        .allow(PM_BASE, 4, 0xff80)
        .allow(ACPI_CONTROL, 1, ACPI_ENABLE | 7);
    pci.config().setMultifunction();
    for (int wire = 0; wire < WIRES; wire++) {
      pci.config().init(routeOf(wire), 1, NOT_ROUTED).allow(routeOf(wire), 1, 0x8f);
    }
    pci.onConfigWrite(this::update);
    declaration =
        StateDescriptor.of(Ich9Lpc.class, "ICH9LPC", 1).struct("pci", pci.descriptor(), d -> d.pci);
  }

  /** The PIRQ route control register of a wire. */
  public static int routeOf(int wire) {
    return wire < 4 ? 0x60 + wire : 0x64 + wire;
  }

  /** The wire to which a slot's pin leads. */
  public static int wireOf(int slot, int pin) {
    return slot < 25 ? 4 + (slot + pin & 3) : pin;
  }

  /** One more driver of a wire, 0 to 7. */
  public IrqLine wire(int number) {
    return inputs.get(number).newInput();
  }

  /** Puts the power management ports where firmware puts them. */
  public void enable(int base) {
    pci.write(PM_BASE, 4, base | 1);
    pci.write(ACPI_CONTROL, 1, ACPI_ENABLE);
  }

  private void set(int wire, boolean level) {
    if (levels[wire] != level) {
      levels[wire] = level;
      pins.get(wire).set(level);
      route();
    }
  }

  private void route() {
    int up = 0;
    for (int wire = 0; wire < WIRES; wire++) {
      int route = pci.config().get(routeOf(wire), 1);
      if (levels[wire] && route < ISA_IRQS) {
        up |= 1 << route;
      }
    }
    for (int irq = 0; irq < ISA_IRQS; irq++) {
      isaIrqs.get(irq).set((up >> irq & 1) != 0);
    }
  }

  private void update() {
    route();
    boolean on = (pci.config().get(ACPI_CONTROL, 1) & ACPI_ENABLE) != 0;
    int base = pci.config().get(PM_BASE, 4) & 0xff80;
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
    return "ICH9LPC";
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
