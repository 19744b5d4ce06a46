package dev.pollux.devices.isa;

import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.SharedIrq;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** The ISA bus: ports of the machine and 16 interrupt wires, which devices may share. */
public final class IsaBus extends Bus {
  public static final BusKind<IsaBus> KIND =
      new BusKind<>("ISA", IsaBus.class, "isa-device", List.of());

  private static final int IRQS = 16;

  private final Machine machine;
  private final List<SharedIrq> irqs;

  /**
   * @param wires to the interrupt controllers, by number
   */
  public IsaBus(Machine machine, IntFunction<IrqLine> wires) {
    super(KIND, "isa.0");
    this.machine = machine;
    this.irqs = IntStream.range(0, IRQS).mapToObj(n -> new SharedIrq(wires.apply(n))).toList();
  }

  public Machine machine() {
    return machine;
  }

  /** One more driver of an interrupt wire, 0 to 15, down at first. */
  public IrqLine irq(int number) {
    return irqs.get(number).newInput();
  }
}
