package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.display.Displays;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.usb.PointerQueue.Event;
import java.util.Optional;

/** A pointer that says where it is, with three buttons and a wheel. Machine lock held. */
public final class UsbTablet extends UsbPointer implements Pointer.Absolute {
  private static final Property<Long> HEAD =
      Property.unsigned("head", 32, 0, 0, 0xffff_ffffL, "which screen of display");

  public static final DeviceType<UsbBus> TYPE =
      DeviceType.on(UsbBus.KIND, "usb-tablet", UsbTablet::create)
          .category(DeviceCategory.INPUT)
          .description("pointer that says where it is")
          .properties(VERSION, DISPLAY, HEAD);

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

  private static final StateDescriptor<UsbHid> DECLARATION =
      declaration(
          "usb-tablet",
          withQueue(
              withButtons(StateDescriptor.of(UsbTablet.class, "tablet", 1))
                  .u16("x", EDGE, t -> t.x, (t, v) -> t.x = v)
                  .u16("y", EDGE, t -> t.y, (t, v) -> t.y = v)),
          UsbTablet.class);

  // As last reported.
  private int x;
  private int y;

  UsbTablet(DeviceContext context) {
    super(context, "Pollux USB Tablet", NO_BOOT_MOUSE, REPORT, BYTES);
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    return plug(bus, context, new UsbTablet(context), Displays.console(context, DISPLAY, HEAD));
  }

  @Override
  public String pointerName() {
    return "Pollux HID Tablet";
  }

  @Override
  public int x() {
    return last().map(Event::x).orElse(x);
  }

  @Override
  public int y() {
    return last().map(Event::y).orElse(y);
  }

  @Override
  public void put(int toX, int toY, int dz, int pressed) {
    add(new Event(Math.clamp(toX, 0, EDGE), Math.clamp(toY, 0, EDGE), dz, pressed));
  }

  @Override
  Event joined(Event before, Event after) {
    return new Event(after.x(), after.y(), before.wheel() + after.wheel(), after.buttons());
  }

  @Override
  Event fitting(Event event) {
    return new Event(
        Math.clamp(event.x(), 0, EDGE),
        Math.clamp(event.y(), 0, EDGE),
        Math.clamp(event.wheel(), -FARTHEST, FARTHEST),
        event.buttons());
  }

  @Override
  Optional<Event> rest(Event event, Event reported) {
    int wheel = event.wheel() - reported.wheel();
    return wheel == 0
        ? Optional.empty()
        : Optional.of(new Event(reported.x(), reported.y(), wheel, event.buttons()));
  }

  @Override
  Event still() {
    return new Event(x, y, 0, 0);
  }

  @Override
  byte[] report(Event event) {
    x = event.x();
    y = event.y();
    // The wheel counts away from the user.
    return new byte[] {
      (byte) event.buttons(),
      (byte) x,
      (byte) (x >> 8),
      (byte) y,
      (byte) (y >> 8),
      (byte) -event.wheel()
    };
  }

  @Override
  void clear() {
    super.clear();
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
