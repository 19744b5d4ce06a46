package dev.pollux.devices.isa;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * QEMU's {@code isa-debugcon}: what is written to the port appears at a character back end; reads
 * give a fixed value, by which software finds it. Output that the back end cannot take at once is
 * lost, as there is no way to make a guest wait.
 */
public final class DebugConsole implements Device, BusDevice {
  /** The port that emulators have had for this since Bochs. */
  public static final int PORT = 0xe9;

  private static final int PRESENT = 0xe9;

  private static final StateDescriptor<DebugConsole> STATE =
      StateDescriptor.of(DebugConsole.class, "isa-debugcon", 1);

  private final CharBackend backend;

  @HostOnly("holds a byte on its way to the back end")
  private final byte[] one = new byte[1];

  public DebugConsole(CharBackend backend) {
    this.backend = backend;
  }

  /** The one port. */
  public Region port() {
    return new Region.DeviceRegion("isa-debugcon", 1, 1, this);
  }

  @Override
  public long read(long offset, int size) {
    return PRESENT;
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
