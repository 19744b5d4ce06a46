package dev.pollux.devices.usb;

import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Console;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.usb.PointerQueue.Event;
import java.util.Optional;

/** What a mouse and a tablet share: three buttons, a wheel, and what the user did with them. */
abstract sealed class UsbPointer extends UsbHid permits UsbMouse, UsbTablet {
  /** Counts of a report at most. */
  static final int FARTHEST = 127;

  /** The buttons that are down as last reported. */
  private int buttons;

  @HostOnly("saved as bytes")
  private final PointerQueue queue = new PointerQueue();

  /**
   * @param name what it calls itself
   * @param kind subclass and protocol, a byte each
   * @param report the report descriptor
   * @param bytes of a report
   */
  UsbPointer(DeviceContext context, String name, int kind, HexReport report, int bytes) {
    super(context, name, kind, report, bytes);
  }

  /** Plugs it in and lists it. */
  static <P extends UsbPointer> P plug(
      UsbBus bus, DeviceContext context, P pointer, Optional<Console> console) {
    Pointer listed = ((UsbPointer) pointer).asPointer();
    pointer.plugged(bus.port(context, pointer));
    pointer.inputs().add(listed, console);
    context.onRemove(() -> pointer.inputs().remove(listed));
    return pointer;
  }

  /** Declares the buttons, where a kind has them. */
  static <P extends UsbPointer> StateDescriptor<P> withButtons(StateDescriptor<P> own) {
    return own.u8(
        "buttons",
        PointerQueue.BUTTONS,
        UsbPointer::reportedButtons,
        UsbPointer::setReportedButtons);
  }

  /** Declares what was not reported, where a kind has it. */
  static <P extends UsbPointer> StateDescriptor<P> withQueue(StateDescriptor<P> own) {
    return own.varBytes("queue", PointerQueue.BYTES, UsbPointer::savedQueue, UsbPointer::loadQueue);
  }

  private Pointer asPointer() {
    return switch (this) {
      case UsbMouse mouse -> mouse;
      case UsbTablet tablet -> tablet;
    };
  }

  private int reportedButtons() {
    return buttons;
  }

  private void setReportedButtons(int to) {
    buttons = to;
  }

  private byte[] savedQueue() {
    return queue.save();
  }

  private void loadQueue(byte[] saved) {
    queue.load(saved);
  }

  // ---- what the kinds differ in ----

  /** Two movements with the same buttons, put together. */
  abstract Event joined(Event before, Event after);

  /** As much of something as a report holds. */
  abstract Event fitting(Event event);

  /** What is left of something when that was reported; empty for nothing. */
  abstract Optional<Event> rest(Event event, Event reported);

  /** Where nothing has happened since. */
  abstract Event still();

  abstract byte[] report(Event event);

  // ---- ----

  /** What was done last and not yet reported. */
  final Optional<Event> last() {
    return queue.count() > 0 ? Optional.of(queue.last()) : Optional.empty();
  }

  /** The buttons that are down. */
  public final int buttons() {
    return last().map(Event::buttons).orElse(buttons);
  }

  /** The user did something. */
  final void add(Event event) {
    if (!isConfigured()) {
      return;
    }
    if (queue.joins(event.buttons(), buttons)) {
      queue.replaceLast(joined(queue.last(), event));
    } else {
      queue.add(event);
    }
    tellHost();
  }

  @Override
  final void used(boolean yes) {
    if (yes) {
      inputs().use(asPointer());
    } else {
      inputs().leave(asPointer());
    }
  }

  @Override
  final boolean hasNews() {
    return queue.count() > 0;
  }

  @Override
  final byte[] report() {
    if (!hasNews()) {
      return report(withButtons(still()));
    }
    Event first = queue.first();
    Event reported = fitting(first);
    buttons = first.buttons();
    rest(first, reported).ifPresentOrElse(queue::replaceFirst, queue::removeFirst);
    return report(reported);
  }

  private Event withButtons(Event event) {
    return new Event(event.x(), event.y(), event.wheel(), buttons);
  }

  @Override
  void clear() {
    queue.clear();
    buttons = 0;
  }
}
