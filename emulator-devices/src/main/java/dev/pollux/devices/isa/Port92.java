package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;

/** System control port A, 0x92: bit 0 fast reset on its rising edge, bit 1 address line 20. */
public final class Port92 implements Device, BusDevice {
  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "port92");

  private static final StateDescriptor<Port92> STATE =
      StateDescriptor.of(Port92.class, "port92", 1)
          .u8("value", p -> p.value, (p, v) -> p.value = v);

  private final Machine machine;
  private final A20Gate a20;
  private int value;

  public Port92(Machine machine, A20Gate a20) {
    this.machine = machine;
    this.a20 = a20;
  }

  public Region port() {
    return new Region.DeviceRegion("port92", 1, 1, this);
  }

  @Override
  public long read(long offset, int size) {
    return value;
  }

  @Override
  public void write(long offset, int size, long written) {
    boolean resets = (written & ~value & 1) != 0;
    value = (int) written & 0xff;
    a20.set((value & 2) != 0);
    if (resets) {
      machine.requestReset(ShutdownCause.GUEST_RESET);
    }
  }

  @Override
  public String id() {
    return "port92";
  }

  @Override
  public void reset() {
    value = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
