package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.List;
import java.util.Optional;

/** The monitor of a card with the Bochs interface: its properties, and what it says of itself. */
final class Monitor {
  private static final long MOST = 0xffff_ffffL;
  private static final Property<Boolean> EDID =
      Property.flag("edid", true, "tells the guest of a monitor");
  private static final Property<Long> WIDTH =
      Property.unsigned("xres", 32, 0, 0, 4095, "width that the guest is to choose; 0 for 1280");
  private static final Property<Long> HEIGHT =
      Property.unsigned("yres", 32, 0, 0, 4095, "height that the guest is to choose; 0 for 800");
  private static final Property<Long> MOST_WIDTH =
      Property.unsigned("xmax", 32, 0, 0, MOST, "width of other modes at most; 0 for any");
  private static final Property<Long> MOST_HEIGHT =
      Property.unsigned("ymax", 32, 0, 0, MOST, "height of other modes at most; 0 for any");
  private static final Property<Long> RATE =
      Property.unsigned(
          "refresh_rate", 32, 0, 0, MOST, "pictures in 1000 seconds; 0 for 75000, which is 75 Hz");

  private static final int USUAL_WIDTH = 1280;
  private static final int USUAL_HEIGHT = 800;

  /** Bytes of the registers that show it. */
  private static final int BYTES = 0x400;

  private Monitor() {}

  /** The properties of a card with a monitor: its own, and those of the monitor. */
  static List<Property<?>> properties(Property<?> own) {
    return List.of(own, EDID, WIDTH, HEIGHT, MOST_WIDTH, MOST_HEIGHT, RATE);
  }

  /** What the monitor of a card says; empty where it has none. */
  static Optional<byte[]> of(DeviceContext context) {
    if (!context.get(EDID)) {
      return Optional.empty();
    }
    return Optional.of(
        Edid.of(
            new Edid.Panel(
                chosen(context, WIDTH, USUAL_WIDTH),
                chosen(context, HEIGHT, USUAL_HEIGHT),
                chosen(context, MOST_WIDTH, Integer.MAX_VALUE),
                chosen(context, MOST_HEIGHT, Integer.MAX_VALUE),
                chosen(context, RATE, Edid.MILLIHERTZ))));
  }

  private static int chosen(DeviceContext context, Property<Long> property, int usual) {
    long value = context.get(property);
    return value == 0 ? usual : (int) Math.min(value, Integer.MAX_VALUE);
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
