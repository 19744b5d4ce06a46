package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;

/**
 * QEMU's {@code isa-debug-exit}: a write of <i>n</i> ends the process with status {@code n * 2 +
 * 1}.
 */
public final class DebugExit implements Device, BusDevice {
  private static final StateDescriptor<DebugExit> STATE =
      StateDescriptor.of(DebugExit.class, "isa-debug-exit", 1);

  private final Machine machine;
  private final int size;

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
