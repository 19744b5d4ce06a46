package dev.pollux.devices.pci;

import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.SharedIrq;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The PCI-to-ISA bridge of the PIIX3 (Intel 82371SB data sheet): leads the four PCI interrupt wires
 * to ISA interrupts, as its PIRQ route control registers say.
 */
public final class Piix3 implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.part(PciBus.KIND, "PIIX3")
          .category(DeviceCategory.BRIDGE)
          .description("ISA bridge");

  /** The first of four PIRQ route control registers. */
  public static final int ROUTES = 0x60;

  private static final int WIRES = 4;
  private static final int NOT_ROUTED = 0x80;
  private static final int ISA_IRQS = 16;

  private final StateDescriptor<Piix3> declaration;
  private final PciFunction pci;

  @HostOnly("driven anew by the devices behind the wires")
  private final boolean[] levels = new boolean[WIRES];

  @HostOnly("wiring")
  private final List<IrqLine> outputs;

  @HostOnly("wiring")
  private final List<SharedIrq> inputs =
      IntStream.range(0, WIRES).mapToObj(n -> new SharedIrq(level -> set(n, level))).toList();

  public Piix3(IsaBus isa) {
    this(isa, new PciFunction("PIIX3", new PciIdentity(0x8086, 0x7000, 0x06_0100, 0)));
    pci.config()
        .init(0x4c, 1, 0x4d)
        .init(0x4e, 1, 0x03)
        .allow(0x4c, 4, 0xffff_ffffL)
        .init(0x69, 1, 0x02)
        .allow(0x69, 1, 0xfe);
    pci.config().setMultifunction();
  }

  private Piix3(IsaBus isa, PciFunction pci) {
    this.pci = pci;
    outputs = IntStream.range(0, ISA_IRQS).mapToObj(isa::irq).toList();
    pci.config().init(PciConfig.COMMAND, 2, 7).init(PciConfig.STATUS, 2, 0x0200);
    for (int i = 0; i < WIRES; i++) {
      pci.config().init(ROUTES + i, 1, NOT_ROUTED).allow(ROUTES + i, 1, 0x8f);
    }
    pci.onConfigWrite(this::route);
    declaration =
        StateDescriptor.of(Piix3.class, "PIIX3", 1).struct("pci", pci.descriptor(), d -> d.pci);
  }

  /**
   * One more driver of a PCI interrupt wire.
   *
   * @param wire 0 for PIRQA to 3
   */
  public IrqLine wire(int wire) {
    return inputs.get(wire).newInput();
  }

  private void set(int wire, boolean level) {
    if (levels[wire] != level) {
      levels[wire] = level;
      route();
    }
  }

  private void route() {
    int up = 0;
    for (int i = 0; i < WIRES; i++) {
      int route = pci.config().get(ROUTES + i, 1);
      if (levels[i] && route < ISA_IRQS) {
        up |= 1 << route;
      }
    }
    for (int irq = 0; irq < ISA_IRQS; irq++) {
      outputs.get(irq).set((up >> irq & 1) != 0);
    }
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "PIIX3";
  }

  @Override
  public boolean isRemovable() {
    return false;
  }

  @Override
  public void reset() {
    pci.reset();
    route();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
