package dev.pollux.devices.isa;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;

/**
 * QEMU's {@code isa-debugcon}: what is written to the port appears at a character back end; reads
 * give a fixed value, by which software finds it. Output that the back end cannot take at once is
 * lost, as there is no way to make a guest wait.
 */
public final class DebugConsole implements Device, BusDevice {
  /** The port that emulators have had for this since Bochs. */
  public static final int PORT = 0xe9;

  private static final Property<Long> PORT_PROPERTY =
      Property.unsigned("iobase", 32, PORT, 0, 0xffff, "the port");
  private static final Property<Long> READBACK =
      Property.unsigned("readback", 32, 0xe9, 0, 0xff, "what a read gives");
  private static final Property<String> CHARDEV =
      Property.text("chardev", "ID of a chardev to use as a backend");

  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "isa-debugcon", DebugConsole::create)
          .description("what is written to the port appears at a chardev")
          .properties(PORT_PROPERTY, READBACK, CHARDEV)
          .coldPlugOnly();

  private static final StateDescriptor<DebugConsole> STATE =
      StateDescriptor.of(DebugConsole.class, "isa-debugcon", 1);

  private final CharBackend backend;
  private final int readback;

  @HostOnly("holds a byte on its way to the back end")
  private final byte[] one = new byte[1];

  /**
   * @param readback what a read gives
   */
  public DebugConsole(CharBackend backend, int readback) {
    this.backend = backend;
    this.readback = readback;
  }

  private static Device create(IsaBus bus, DeviceContext context) {
    DebugConsole console =
        new DebugConsole(context.charDevice(CHARDEV), (int) (long) context.get(READBACK));
    context.map(bus.machine().io(), context.get(PORT_PROPERTY), console.port());
    return console;
  }

  /** Adds a console that belongs to the board, at its usual port. */
  public static void addTo(DeviceManager devices, IsaBus bus, CharBackend backend) {
    DebugConsole console = new DebugConsole(backend, PORT);
    bus.machine().io().map(PORT, console.port());
    devices.enter(TYPE, bus, console);
  }

  /** The one port. */
  public Region port() {
    return new Region.DeviceRegion("isa-debugcon", 1, 1, this);
  }

  @Override
  public long read(long offset, int size) {
    return readback;
  }

  @Override
  public void write(long offset, int size, long value) {
    one[0] = (byte) value;
    backend.write(one, 0, 1);
  }

  @Override
  public String id() {
    return "isa-debugcon";
  }

  @Override
  public void reset() {}

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
