package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.Optional;

/** The monitor of a card with the Bochs interface: its properties, and what it says of itself. */
final class Monitor {
  static final Property<Boolean> EDID = Property.flag("edid", true, "tells the guest of a monitor");
  static final Property<Long> WIDTH =
      Property.unsigned("xres", 32, 0, 0, 4095, "width that the guest is to choose; 0 for 1280");
  static final Property<Long> HEIGHT =
      Property.unsigned("yres", 32, 0, 0, 4095, "height that the guest is to choose; 0 for 800");

  private static final int USUAL_WIDTH = 1280;
  private static final int USUAL_HEIGHT = 800;

  /** Bytes of the registers that show it. */
  private static final int BYTES = 0x400;

  private Monitor() {}

  /** What the monitor of a card says; empty where it has none. */
  static Optional<byte[]> of(DeviceContext context) {
    if (!context.get(EDID)) {
      return Optional.empty();
    }
    long width = context.get(WIDTH);
    long height = context.get(HEIGHT);
    return Optional.of(
        Edid.of(width == 0 ? USUAL_WIDTH : (int) width, height == 0 ? USUAL_HEIGHT : (int) height));
  }

  static Region region(byte[] edid) {
    BusDevice bytes =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return offset < edid.length ? edid[(int) offset] & 0xff : 0;
          }

          @Override
          public void write(long offset, int size, long value) {}
        };
    return new Region.DeviceRegion("edid", BYTES, 1, bytes);
  }
}
