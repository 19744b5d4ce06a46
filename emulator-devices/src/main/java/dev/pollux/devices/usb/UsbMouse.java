package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;

/** A mouse with three buttons and a wheel (HID 1.11, B.2). Machine lock held. */
public final class UsbMouse extends UsbHid implements Pointer.Relative {
  public static final DeviceType<UsbBus> TYPE =
      DeviceType.on(UsbBus.KIND, "usb-mouse", UsbMouse::create)
          .category(DeviceCategory.INPUT)
          .description("mouse")
          .properties(VERSION);

  /** Bytes: buttons, x, y, wheel. */
  private static final HexReport REPORT =
      new HexReport(
          """
          05 01 09 02 a1 01 09 01 a1 00
            05 09 19 01 29 03 15 00 25 01 95 03 75 01 81 02 95 01 75 05 81 01
            05 01 09 30 09 31 09 38 15 81 25 7f 75 08 95 03 81 06
          c0 c0
          """);

  private static final int BOOT_MOUSE = 0x0102;
  private static final int BYTES = 4;
  private static final int FARTHEST = 127;

  private static final StateDescriptor<UsbHid> DECLARATION =
      declaration(
          "usb-mouse",
          StateDescriptor.of(UsbMouse.class, "mouse", 1)
              .u8("buttons", PointerQueue.BUTTONS, m -> m.buttons, (m, v) -> m.buttons = v)
              .varBytes(
                  "queue", PointerQueue.BYTES, m -> m.queue.save(), (m, v) -> m.queue.load(v)),
          UsbMouse.class);

  /** The buttons that are down as last reported. */
  private int buttons;

  @HostOnly("saved as bytes")
  private final PointerQueue queue = new PointerQueue();

  UsbMouse(DeviceContext context) {
    super(context, "Pollux USB Mouse", BOOT_MOUSE, REPORT, BYTES);
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    UsbMouse mouse = new UsbMouse(context);
    mouse.plugged(bus.port(context, mouse));
    mouse.inputs().add(mouse);
    context.onRemove(() -> mouse.inputs().remove(mouse));
    return mouse;
  }

  @Override
  public String pointerName() {
    return "Pollux HID Mouse";
  }

  @Override
  public int buttons() {
    return queue.count() > 0 ? queue.last().buttons() : buttons;
  }

  @Override
  public void move(int dx, int dy, int dz, int pressed) {
    if (!isConfigured()) {
      return;
    }
    if (queue.joins(pressed, buttons)) {
      PointerQueue.Event last = queue.last();
      queue.replaceLast(
          new PointerQueue.Event(last.x() + dx, last.y() - dy, last.wheel() + dz, pressed));
    } else {
      queue.add(new PointerQueue.Event(dx, -dy, dz, pressed));
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
    int x = 0;
    int y = 0;
    int wheel = 0;
    if (hasNews()) {
      PointerQueue.Event first = queue.first();
      x = Math.clamp(first.x(), -FARTHEST, FARTHEST);
      y = Math.clamp(first.y(), -FARTHEST, FARTHEST);
      wheel = Math.clamp(first.wheel(), -FARTHEST, FARTHEST);
      buttons = first.buttons();
      if (x == first.x() && y == first.y() && wheel == first.wheel()) {
        queue.removeFirst();
      } else {
        queue.replaceFirst(
            new PointerQueue.Event(first.x() - x, first.y() - y, first.wheel() - wheel, buttons));
      }
    }
    // The wheel counts away from the user.
    return new byte[] {(byte) buttons, (byte) x, (byte) y, (byte) -wheel};
  }

  @Override
  void clear() {
    queue.clear();
    buttons = 0;
  }

  @Override
  public String sectionName() {
    return "usb-mouse";
  }

  @Override
  StateDescriptor<UsbHid> declaration() {
    return DECLARATION;
  }
}
