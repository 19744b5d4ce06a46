package dev.pollux.devices.isa;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;

/**
 * The PC's answer to x87 errors of processors with CR0.NE clear: FERR# latches interrupt 13; a
 * write to port 0xF0 clears the latch and asserts IGNNE# until FERR# goes away (Intel SDM vol. 1,
 * appendix D.2.1).
 */
public final class FloatErrorLatch implements Device, BusDevice {
  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "float-error");

  private static final StateDescriptor<FloatErrorLatch> STATE =
      StateDescriptor.of(FloatErrorLatch.class, "float-error", 1)
          .bool("latched", d -> d.latched, (d, v) -> d.latched = v)
          .bool("ignored", d -> d.ignored, (d, v) -> d.ignored = v);

  private final IrqLine irq13;
  private boolean latched;
  private boolean ignored;

  public FloatErrorLatch(IrqLine irq13) {
    this.irq13 = irq13;
  }

  public Region port() {
    return new Region.DeviceRegion("float-error", 1, 1, this);
  }

  /** The end of FERR#: to be driven by the processors. */
  public void setFerr(boolean level) {
    if (!level) {
      ignored = false;
    } else if (!ignored) {
      latched = true;
      irq13.raise();
    }
  }

  @Override
  public long read(long offset, int size) {
    return 0xff;
  }

  @Override
  public void write(long offset, int size, long value) {
    ignored = latched || ignored;
    latched = false;
    irq13.lower();
  }

  @Override
  public String id() {
    return "float-error";
  }

  @Override
  public void reset() {
    latched = false;
    ignored = false;
    irq13.lower();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
