package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;

/**
 * QEMU's {@code isa-debug-exit}: a write of <i>n</i> ends the process with status {@code n * 2 +
 * 1}.
 */
public final class DebugExit implements Device, BusDevice {
  private static final StateDescriptor<DebugExit> STATE =
      StateDescriptor.of(DebugExit.class, "isa-debug-exit", 1);

  private static final Property<Long> PORT =
      Property.unsigned("iobase", 32, 0x501, 0, 0xffff, "first port");
  private static final Property<Long> SIZE =
      Property.unsigned("iosize", 32, 2, 1, 4, "number of ports");

  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "isa-debug-exit", DebugExit::create)
          .description("a write of n ends the process with status n * 2 + 1")
          .properties(PORT, SIZE)
          .coldPlugOnly();

  private final Machine machine;
  private final int size;

  private static Device create(IsaBus bus, DeviceContext context) {
    int port = (int) (long) context.get(PORT);
    int size = (int) (long) context.get(SIZE);
    if (port + size > 0x1_0000) {
      throw context.error("ports beyond 0xffff; give a smaller iobase");
    }
    DebugExit exit = new DebugExit(bus.machine(), size);
    context.map(bus.machine().io(), port, exit.ports());
    return exit;
  }

  /**
   * @param size number of ports ({@code iosize}), 1 to 4
   */
  public DebugExit(Machine machine, int size) {
    this.machine = machine;
    this.size = size;
  }

  public Region ports() {
    return new Region.DeviceRegion("isa-debug-exit", size, 4, this);
  }

  @Override
  public long read(long offset, int size) {
    return 0;
  }

  @Override
  public void write(long offset, int size, long value) {
    machine.requestExit(ShutdownCause.GUEST_SHUTDOWN, (int) (value << 1 | 1) & 0xff);
  }

  @Override
  public String id() {
    return "isa-debug-exit";
  }

  @Override
  public void reset() {}

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
