package dev.pollux.devices.pci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * QEMU's {@code pci-testdev} (QEMU documentation, "QEMU pci test device"): counts writes to an
 * offset that its header tells, in memory (BAR 0) and ports (BAR 1).
 *
 * <pre>
 *   header  test u8, width u8, pad u16, offset u32, data u32, count u32, name
 * </pre>
 */
public final class PciTestDevice implements PciDevice {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "pci-testdev", (_, _) -> new PciTestDevice())
          .description("PCI Test Device");

  private static final List<String> TESTS =
      List.of("no-eventfd", "wildcard-eventfd", "datamatch-eventfd");

  private static final int MEMORY_BYTES = 2048;
  private static final int PORT_BYTES = 128;
  private static final int HEADER = 16;
  private static final int MATCH = 0xfa;

  /** The test that a write takes whatever its data. */
  private static final int WILDCARD = 1;

  private static final int NONE = 0xff;

  private final StateDescriptor<PciTestDevice> declaration;
  private final PciFunction pci =
      new PciFunction("pci-testdev", new PciIdentity(0x1b36, 0x0005, 0xff00, 0));

  /** The test that runs: 0 to 2 in memory, 3 to 5 on ports. */
  private int current = NONE;

  /** Writes that counted since it was begun. */
  private int count;

  @HostOnly("which registers these are")
  private final Registers memoryRegisters = new Registers(0, MEMORY_BYTES, "mmio");

  @HostOnly("which registers these are")
  private final Registers portRegisters = new Registers(TESTS.size(), PORT_BYTES, "portio");

  PciTestDevice() {
    pci.addBar(0, PciBar.Kind.MEMORY, memoryRegisters.region());
    pci.addBar(1, PciBar.Kind.IO, portRegisters.region());
    declaration =
        StateDescriptor.of(PciTestDevice.class, "pci-testdev", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .u8("current", d -> d.current, (d, v) -> d.current = v < 2 * TESTS.size() ? v : NONE)
            .u32("count", d -> d.count, (d, v) -> d.count = v);
  }

  /** Registers in memory or on ports. */
  private final class Registers implements BusDevice {
    private final int first;
    private final int bytes;
    private final String kind;

    Registers(int first, int bytes, String kind) {
      this.first = first;
      this.bytes = bytes;
      this.kind = kind;
    }

    Region region() {
      return new Region.DeviceRegion("pci-testdev-" + kind, 2L * bytes, 4, this);
    }

    private int offset(int test) {
      return bytes + (first + test);
    }

    @Override
    public long read(long at, int size) {
      int test = current - first;
      if (test < 0 || test >= TESTS.size()) {
        return 0;
      }
      byte[] name = "%s-%s\0".formatted(kind, TESTS.get(test)).getBytes(StandardCharsets.US_ASCII);
      ByteBuffer header = ByteBuffer.allocate(HEADER + name.length).order(ByteOrder.LITTLE_ENDIAN);
      header.put((byte) test).put((byte) 1).putShort((short) 0);
      header.putInt(offset(test)).putInt(MATCH).putInt(count).put(name);
      long value = 0;
      for (int i = 0; i < size && at + i < header.capacity(); i++) {
        value |= (header.get((int) at + i) & 0xffL) << i * 8;
      }
      return value;
    }

    @Override
    public void write(long at, int size, long value) {
      if (at < HEADER) {
        if (at == 0) {
          current = value < TESTS.size() ? first + (int) value : NONE;
          count = 0;
        }
        return;
      }
      int test = current - first;
      boolean counts =
          test >= 0
              && test < TESTS.size()
              && at == offset(test)
              && (test == WILDCARD || size == 1 && value == MATCH);
      if (counts) {
        count++;
      }
    }
  }

  List<Region> regions() {
    return List.of(memoryRegisters.region(), portRegisters.region());
  }

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "pci-testdev";
  }

  @Override
  public void reset() {
    pci.reset();
    current = NONE;
    count = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
