package dev.pollux.devices.isa;

import static dev.pollux.devices.acpi.AmlBuilder.device;
import static dev.pollux.devices.acpi.AmlBuilder.integer;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.ports;
import static dev.pollux.devices.acpi.AmlBuilder.resources;
import static dev.pollux.devices.acpi.AmlBuilder.string;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;

/**
 * QEMU's {@code pvpanic}: a port by which the guest's kernel says that it has panicked, or has
 * loaded its crash kernel (QEMU, docs/specs/pvpanic). A read tells what it may say.
 */
public final class PanicDevice implements Device, BusDevice {
  private static final int PANICKED = 1;
  private static final int CRASH_LOADED = 2;

  /** What {@code _STA} says: present, decoding, shown to users, working. */
  private static final int WORKS = 0xf;

  private static final StateDescriptor<PanicDevice> STATE =
      StateDescriptor.of(PanicDevice.class, "pvpanic", 1);

  private static final Property<Long> PORT =
      Property.unsigned("ioport", 16, 0x505, 0, 0xffff, "the port");
  private static final Property<Long> EVENTS =
      Property.unsigned(
          "events",
          8,
          PANICKED | CRASH_LOADED,
          0,
          PANICKED | CRASH_LOADED,
          "what the guest may tell: 1 a panic, 2 a crash kernel");

  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "pvpanic", PanicDevice::create)
          .description("hears from the guest that it has panicked")
          .properties(PORT, EVENTS)
          .coldPlugOnly();

  private final Machine machine;

  @HostOnly("chosen by the user")
  private final int events;

  /**
   * @param events what the guest may tell: 1 a panic, 2 a crash kernel
   */
  PanicDevice(Machine machine, int events) {
    this.machine = machine;
    this.events = events;
  }

  private static Device create(IsaBus bus, DeviceContext context) {
    int port = (int) (long) context.get(PORT);
    PanicDevice panic = new PanicDevice(bus.machine(), (int) (long) context.get(EVENTS));
    context.map(bus.machine().io(), port, panic.port());
    context.node().setAcpi(acpi(port));
    return panic;
  }

  private static byte[] acpi(int port) {
    return device(
        "PEVT",
        name("_HID", string("QEMU0001")),
        name("_CRS", resources(ports(port, 1))),
        name("_STA", integer(WORKS)));
  }

  Region port() {
    return new Region.DeviceRegion("pvpanic", 1, 1, this);
  }

  @Override
  public long read(long offset, int size) {
    return events;
  }

  @Override
  public void write(long offset, int size, long value) {
    if ((value & events & PANICKED) != 0) {
      machine.requestPanic();
    } else if ((value & events & CRASH_LOADED) != 0) {
      machine.tellCrashLoaded();
    }
  }

  @Override
  public String id() {
    return "pvpanic";
  }

  @Override
  public void reset() {}

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
