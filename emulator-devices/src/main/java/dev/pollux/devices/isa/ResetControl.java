package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;

/**
 * The reset control register of the PIIX, port 0xcf9: writing bit 2 resets the machine. Also ACPI's
 * reset register.
 */
public final class ResetControl implements Device, BusDevice {
  private static final int HARD = 2;
  private static final int RESET = 4;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "reset-control");

  private static final StateDescriptor<ResetControl> STATE =
      StateDescriptor.of(ResetControl.class, "reset-control", 1)
          .u8("value", HARD, r -> r.value, (r, v) -> r.value = v & HARD);

  private final Machine machine;
  private int value;

  public ResetControl(Machine machine) {
    this.machine = machine;
  }

  public Region port() {
    return new Region.DeviceRegion("reset-control", 1, 1, this);
  }

  @Override
  public long read(long offset, int size) {
    return value;
  }

  @Override
  public void write(long offset, int size, long written) {
    value = (int) written & HARD;
    if ((written & RESET) != 0) {
      machine.requestReset(ShutdownCause.GUEST_RESET);
    }
  }

  @Override
  public String id() {
    return "reset-control";
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
