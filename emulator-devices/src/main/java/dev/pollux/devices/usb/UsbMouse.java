package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.usb.PointerQueue.Event;
import java.util.Optional;

/** A mouse with three buttons and a wheel (HID 1.11, B.2). Machine lock held. */
public final class UsbMouse extends UsbPointer implements Pointer.Relative {
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

  private static final StateDescriptor<UsbHid> DECLARATION =
      declaration(
          "usb-mouse",
          withQueue(withButtons(StateDescriptor.of(UsbMouse.class, "mouse", 1))),
          UsbMouse.class);

  UsbMouse(DeviceContext context) {
    super(context, "Pollux USB Mouse", BOOT_MOUSE, REPORT, BYTES);
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    return plug(bus, context, new UsbMouse(context), Optional.empty());
  }

  @Override
  public String pointerName() {
    return "Pollux HID Mouse";
  }

  @Override
  public void move(int dx, int dy, int dz, int pressed) {
    add(new Event(dx, -dy, dz, pressed));
  }

  @Override
  Event joined(Event before, Event after) {
    return new Event(
        before.x() + after.x(),
        before.y() + after.y(),
        before.wheel() + after.wheel(),
        after.buttons());
  }

  @Override
  Event fitting(Event event) {
    return new Event(
        Math.clamp(event.x(), -FARTHEST, FARTHEST),
        Math.clamp(event.y(), -FARTHEST, FARTHEST),
        Math.clamp(event.wheel(), -FARTHEST, FARTHEST),
        event.buttons());
  }

  @Override
  Optional<Event> rest(Event event, Event reported) {
    Event rest =
        new Event(
            event.x() - reported.x(),
            event.y() - reported.y(),
            event.wheel() - reported.wheel(),
            event.buttons());
    return event.equals(reported) ? Optional.empty() : Optional.of(rest);
  }

  @Override
  Event still() {
    return new Event(0, 0, 0, 0);
  }

  @Override
  byte[] report(Event event) {
    // The wheel counts away from the user.
    return new byte[] {
      (byte) event.buttons(), (byte) event.x(), (byte) event.y(), (byte) -event.wheel()
    };
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
