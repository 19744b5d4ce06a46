package dev.pollux.devices.isa;

import static dev.pollux.devices.acpi.AmlBuilder.device;
import static dev.pollux.devices.acpi.AmlBuilder.eisaId;
import static dev.pollux.devices.acpi.AmlBuilder.integer;
import static dev.pollux.devices.acpi.AmlBuilder.irq;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.ports;
import static dev.pollux.devices.acpi.AmlBuilder.resources;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import java.util.List;

/** QEMU's {@code isa-serial}: a {@link Uart16550} where PCs have their serial ports. */
public final class IsaSerial {
  /** Serial ports of a PC. */
  public static final int MOST = 4;

  /** COM1 to COM4. */
  private static final List<Integer> PORTS = List.of(0x3f8, 0x2f8, 0x3e8, 0x2e8);

  private static final List<Integer> IRQS = List.of(4, 3, 4, 3);

  private static final long NOT_GIVEN = 0xffff_ffffL;

  private static final Property<Long> INDEX =
      Property.unsigned("index", 32, NOT_GIVEN, 0, MOST - 1, "0 for COM1; the first that is free");
  private static final Property<Long> PORT =
      Property.unsigned("iobase", 32, NOT_GIVEN, 0, 0xfff8, "first of eight ports");
  private static final Property<Long> IRQ =
      Property.unsigned("irq", 32, NOT_GIVEN, 0, 15, "ISA interrupt");
  private static final Property<String> CHARDEV =
      Property.text("chardev", "ID of a chardev to use as a backend");

  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "isa-serial", IsaSerial::create)
          .description("serial port of a PC")
          .properties(INDEX, PORT, IRQ, CHARDEV)
          .coldPlugOnly();

  private IsaSerial() {}

  /**
   * Adds a port that belongs to the board, which has been connected already.
   *
   * @param index 0 for COM1
   */
  public static void addTo(DeviceManager devices, IsaBus bus, int index, CharBackend backend) {
    Uart16550 uart = uart(bus, IRQS.get(index), backend);
    bus.machine().io().map(PORTS.get(index), uart.ports());
    devices
        .enterPart(TYPE, bus, devices.values(TYPE), uart)
        .setAcpi(acpi(index, PORTS.get(index), IRQS.get(index)));
  }

  private static Device create(IsaBus bus, DeviceContext context) {
    int index = (int) (long) context.get(INDEX);
    if (context.get(INDEX) == NOT_GIVEN) {
      index = (int) bus.devices().stream().filter(node -> node.declaration().equals(TYPE)).count();
    }
    if (index >= MOST) {
      throw context.error("a PC has %d serial ports; leave this one out".formatted(MOST));
    }
    int port = context.get(PORT) == NOT_GIVEN ? PORTS.get(index) : (int) (long) context.get(PORT);
    int irq = context.get(IRQ) == NOT_GIVEN ? IRQS.get(index) : (int) (long) context.get(IRQ);
    Uart16550 uart = uart(bus, irq, context.charDevice(CHARDEV));
    context.map(bus.machine().io(), port, uart.ports());
    context.node().setAcpi(acpi(index, port, irq));
    return uart;
  }

  private static Uart16550 uart(IsaBus bus, int irq, CharBackend backend) {
    Machine machine = bus.machine();
    return new Uart16550(machine.clocks(), bus.irq(irq), backend, machine.loop()::post);
  }

  private static byte[] acpi(int index, int port, int line) {
    return device(
        "COM" + (index + 1),
        name("_HID", eisaId("PNP0501")),
        name("_UID", integer(index + 1)),
        name("_CRS", resources(ports(port, 8), irq(line))));
  }
}
