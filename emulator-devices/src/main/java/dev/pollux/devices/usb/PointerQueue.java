package dev.pollux.devices.usb;

import java.nio.ByteBuffer;

/**
 * What was done with a pointer and not yet reported, oldest first. Movements between two changes of
 * the buttons become one; where it is full, so do more. Machine lock held.
 */
final class PointerQueue {
  /**
   * Movements and then buttons.
   *
   * @param x a distance, or a place
   * @param y a distance, or a place
   * @param wheel clicks towards the user
   */
  record Event(int x, int y, int wheel, int buttons) {
    private static final int FARTHEST = 1 << 20;

    Event {
      x = Math.clamp(x, -FARTHEST, FARTHEST);
      y = Math.clamp(y, -FARTHEST, FARTHEST);
      wheel = Math.clamp(wheel, -FARTHEST, FARTHEST);
      buttons &= BUTTONS;
    }
  }

  static final int BUTTONS = 7;

  private static final int EVENT_BYTES = 16;
  private static final int MOST = 32;

  /** Of the saved form. */
  static final int BYTES = MOST * EVENT_BYTES;

  private final Event[] events = new Event[MOST];
  private int count;

  int count() {
    return count;
  }

  Event first() {
    return events[0];
  }

  Event last() {
    return events[count - 1];
  }

  /**
   * Whether what comes next may be put together with the last, so that no button changes elsewhere
   * than it did.
   *
   * @param reported the buttons before the first
   */
  boolean joins(int buttons, int reported) {
    if (count == 0 || count == MOST) {
      return count == MOST;
    }
    int before = count > 1 ? events[count - 2].buttons() : reported;
    return last().buttons() == (buttons & BUTTONS) && last().buttons() == before;
  }

  void replaceFirst(Event event) {
    events[0] = event;
  }

  void replaceLast(Event event) {
    events[count - 1] = event;
  }

  /** Adds one; there is room. */
  void add(Event event) {
    events[count++] = event;
  }

  void removeFirst() {
    System.arraycopy(events, 1, events, 0, --count);
  }

  void clear() {
    count = 0;
  }

  byte[] save() {
    ByteBuffer out = ByteBuffer.allocate(count * EVENT_BYTES);
    for (int i = 0; i < count; i++) {
      Event event = events[i];
      out.putInt(event.x()).putInt(event.y()).putInt(event.wheel()).putInt(event.buttons());
    }
    return out.array();
  }

  void load(byte[] bytes) {
    count = 0;
    ByteBuffer in = ByteBuffer.wrap(bytes);
    while (in.remaining() >= EVENT_BYTES) {
      add(new Event(in.getInt(), in.getInt(), in.getInt(), in.getInt()));
    }
  }
}
