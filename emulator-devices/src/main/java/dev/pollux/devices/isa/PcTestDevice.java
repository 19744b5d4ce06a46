package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;

/**
 * QEMU's {@code pc-testdev}, with which suites such as kvm-unit-tests try out port and memory
 * accesses and interrupt wires. Everything with the machine lock held.
 *
 * <pre>
 *   port 0xe0      4 bytes that keep what is written, accessed as wide as the guest likes
 *   port 0xe4      takes the address of a page to be mapped anew; nothing that a guest can see
 *   port 0xe8      the bytes of 0xe0 again, accessed one by one
 *   port 0x2000    a byte for each interrupt wire: not 0 raises it, 0 lowers it
 *   0xff000000     64 KiB that keep what is written
 * </pre>
 */
public final class PcTestDevice implements Device {
  private static final long DATA_PORT = 0xe0;
  private static final long FLUSH_PORT = 0xe4;
  private static final long BYTE_PORT = 0xe8;
  private static final long IRQ_PORT = 0x2000;
  private static final long MEMORY = 0xff00_0000L;

  private static final int DATA_BYTES = 4;
  private static final int MEMORY_BYTES = 64 << 10;

  /** Ports for interrupt wires; an ISA bus has only the first 16. */
  private static final int IRQ_PORTS = 24;

  private static final StateDescriptor<PcTestDevice> STATE =
      StateDescriptor.of(PcTestDevice.class, "pc-testdev", 1)
          .bytes("data", DATA_BYTES, d -> d.data)
          .bytes("memory", MEMORY_BYTES, d -> d.memory);

  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "pc-testdev", PcTestDevice::create)
          .description("ports and memory that test suites look for; it is at fixed places")
          .coldPlugOnly();

  @HostOnly("wiring")
  private final List<IrqLine> irqs;

  private final byte[] data = new byte[DATA_BYTES];
  private final byte[] memory = new byte[MEMORY_BYTES];

  /**
   * @param irqs the wires of ISA interrupts 0 to 15
   */
  public PcTestDevice(List<IrqLine> irqs) {
    this.irqs = List.copyOf(irqs);
  }

  private static Device create(IsaBus bus, DeviceContext context) {
    PcTestDevice device = new PcTestDevice(IntStream.range(0, 16).mapToObj(bus::irq).toList());
    Machine machine = bus.machine();
    device.map(
        (port, region) -> context.map(machine.io(), port, region),
        (address, region) -> context.map(machine.memory(), address, region));
    return device;
  }

  /** Puts the registers where QEMU's device has them. */
  void map(BiConsumer<Long, Region> io, BiConsumer<Long, Region> guestMemory) {
    io.accept(DATA_PORT, dataPorts());
    io.accept(FLUSH_PORT, flushPort());
    io.accept(BYTE_PORT, bytePorts());
    io.accept(IRQ_PORT, irqPorts());
    guestMemory.accept(MEMORY, memoryRegion());
  }

  Region dataPorts() {
    return new Region.DeviceRegion("pc-testdev-ioport", DATA_BYTES, 4, new Bytes(data));
  }

  Region flushPort() {
    return new Region.DeviceRegion("pc-testdev-flush-page", 4, 4, 4, new FlushPort());
  }

  Region bytePorts() {
    return new Region.DeviceRegion("pc-testdev-ioport-byte", DATA_BYTES, 1, new Bytes(data));
  }

  Region irqPorts() {
    return new Region.DeviceRegion("pc-testdev-irq-line", IRQ_PORTS, 1, new IrqPorts());
  }

  Region memoryRegion() {
    return new Region.DeviceRegion("pc-testdev-iomem", MEMORY_BYTES, 8, new Bytes(memory));
  }

  /** Registers that keep what is written; what lies behind their end reads as 0. */
  private record Bytes(byte[] bytes) implements BusDevice {
    @Override
    public long read(long offset, int size) {
      long value = 0;
      for (int i = 0; i < size && offset + i < bytes.length; i++) {
        value |= (bytes[(int) offset + i] & 0xffL) << i * 8;
      }
      return value;
    }

    @Override
    public void write(long offset, int size, long value) {
      for (int i = 0; i < size && offset + i < bytes.length; i++) {
        bytes[(int) offset + i] = (byte) (value >> i * 8);
      }
    }
  }

  /** A host's mapping of guest memory is no business of the guest's here. */
  private static final class FlushPort implements BusDevice {
    @Override
    public long read(long offset, int size) {
      return 0;
    }

    @Override
    public void write(long offset, int size, long value) {}
  }

  private final class IrqPorts implements BusDevice {
    @Override
    public long read(long offset, int size) {
      return 0;
    }

    @Override
    public void write(long offset, int size, long value) {
      if (offset < irqs.size()) {
        irqs.get((int) offset).set(value != 0);
      }
    }
  }

  @Override
  public String id() {
    return "pc-testdev";
  }

  /** Only a power cycle clears what was written; reset lowers the wires at their controllers. */
  @Override
  public void reset() {}

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
