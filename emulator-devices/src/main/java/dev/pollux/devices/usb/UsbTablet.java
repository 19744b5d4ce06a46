package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;

/** A pointer that says where it is, with three buttons and a wheel. Machine lock held. */
public final class UsbTablet extends UsbHid implements Pointer.Absolute {
  public static final DeviceType<UsbBus> TYPE =
      DeviceType.on(UsbBus.KIND, "usb-tablet", UsbTablet::create)
          .category(DeviceCategory.INPUT)
          .description("pointer that says where it is")
          .properties(VERSION);

  /** Bytes: buttons, x, x, y, y, wheel. */
  private static final HexReport REPORT =
      new HexReport(
          """
          05 01 09 02 a1 01 09 01 a1 00
            05 09 19 01 29 03 15 00 25 01 95 03 75 01 81 02 95 01 75 05 81 01
            05 01 09 30 09 31 15 00 26 ff 7f 35 00 46 ff 7f 75 10 95 02 81 02
            09 38 15 81 25 7f 35 00 45 00 75 08 95 01 81 06
          c0 c0
          """);

  private static final int NO_BOOT_MOUSE = 0x0002;
  private static final int BYTES = 6;
  private static final int FASTEST = 127;

  private static final StateDescriptor<UsbHid> DECLARATION =
      declaration(
          "usb-tablet",
          StateDescriptor.of(UsbTablet.class, "tablet", 1)
              .u8("buttons", PointerQueue.BUTTONS, t -> t.buttons, (t, v) -> t.buttons = v)
              .u16("x", EDGE, t -> t.x, (t, v) -> t.x = v)
              .u16("y", EDGE, t -> t.y, (t, v) -> t.y = v)
              .varBytes(
                  "queue", PointerQueue.BYTES, t -> t.queue.save(), (t, v) -> t.queue.load(v)),
          UsbTablet.class);

  // As last reported.
  private int buttons;
  private int x;
  private int y;

  @HostOnly("saved as bytes")
  private final PointerQueue queue = new PointerQueue();

  UsbTablet(DeviceContext context) {
    super(context, "Pollux USB Tablet", NO_BOOT_MOUSE, REPORT, BYTES);
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    UsbTablet tablet = new UsbTablet(context);
    tablet.plugged(bus.port(context, tablet));
    tablet.inputs().add(tablet);
    context.onRemove(() -> tablet.inputs().remove(tablet));
    return tablet;
  }

  @Override
  public String pointerName() {
    return "Pollux HID Tablet";
  }

  @Override
  public int buttons() {
    return queue.count() > 0 ? queue.last().buttons() : buttons;
  }

  @Override
  public int x() {
    return queue.count() > 0 ? queue.last().x() : x;
  }

  @Override
  public int y() {
    return queue.count() > 0 ? queue.last().y() : y;
  }

  @Override
  public void put(int toX, int toY, int dz, int pressed) {
    if (!isConfigured()) {
      return;
    }
    boolean joins = queue.joins(pressed, buttons);
    int wheel = dz + (joins ? queue.last().wheel() : 0);
    PointerQueue.Event event =
        new PointerQueue.Event(Math.clamp(toX, 0, EDGE), Math.clamp(toY, 0, EDGE), wheel, pressed);
    if (joins) {
      queue.replaceLast(event);
    } else {
      queue.add(event);
    }
    tellHost();
  }

  @Override
  void used(boolean yes) {
    if (yes) {
      inputs().use(this);
    } else {
      inputs().leave(this);
    }
  }

  @Override
  boolean hasNews() {
    return queue.count() > 0;
  }

  @Override
  byte[] report() {
    int wheel = 0;
    if (hasNews()) {
      PointerQueue.Event first = queue.first();
      x = Math.clamp(first.x(), 0, EDGE);
      y = Math.clamp(first.y(), 0, EDGE);
      buttons = first.buttons();
      wheel = Math.clamp(first.wheel(), -FASTEST, FASTEST);
      if (wheel == first.wheel()) {
        queue.removeFirst();
      } else {
        queue.replaceFirst(new PointerQueue.Event(x, y, first.wheel() - wheel, buttons));
      }
    }
    // The wheel counts away from the user.
    return new byte[] {
      (byte) buttons, (byte) x, (byte) (x >> 8), (byte) y, (byte) (y >> 8), (byte) -wheel
    };
  }

  @Override
  void clear() {
    queue.clear();
    buttons = 0;
    x = 0;
    y = 0;
  }

  @Override
  public String sectionName() {
    return "usb-tablet";
  }

  @Override
  StateDescriptor<UsbHid> declaration() {
    return DECLARATION;
  }
}
