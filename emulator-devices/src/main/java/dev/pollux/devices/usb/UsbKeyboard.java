package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.display.Displays;
import dev.pollux.devices.input.Keyboard;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import java.util.Arrays;

/**
 * A keyboard, which reports up to six keys and the modifiers in the form that firmware knows (HID
 * 1.11, B.1). Every key that goes down or up gives a report of its own. Machine lock held.
 */
public final class UsbKeyboard extends UsbHid implements Keyboard {
  public static final DeviceType<UsbBus> TYPE =
      DeviceType.on(UsbBus.KIND, "usb-kbd", UsbKeyboard::create)
          .category(DeviceCategory.INPUT)
          .description("keyboard")
          .properties(VERSION, DISPLAY);

  /** Bytes: modifiers, none, six keys; a byte of LEDs to the keyboard. */
  private static final HexReport REPORT =
      new HexReport(
          """
          05 01 09 06 a1 01
            05 07 19 e0 29 e7 15 00 25 01 75 01 95 08 81 02
            95 01 75 08 81 01
            05 08 19 01 29 05 95 05 75 01 91 02 95 01 75 03 91 01
            05 07 19 00 29 ff 15 00 26 ff 00 95 06 75 08 81 00
          c0
          """);

  private static final int BOOT_KEYBOARD = 0x0101;
  private static final int BYTES = 8;
  private static final int FIRST_KEY = 2;
  private static final int KEYS = BYTES - FIRST_KEY;

  /** In place of each key where there are more than fit. */
  private static final byte ROLL_OVER = 1;

  private static final int LEDS = 0x1f;
  private static final int EVENT = 2;

  private static final StateDescriptor<UsbHid> DECLARATION =
      declaration(
          "usb-kbd",
          StateDescriptor.of(UsbKeyboard.class, "keyboard", 1)
              .varBytes("pressed", 0x100, k -> k.pressed, (k, v) -> k.pressed = v)
              .varBytes("queue", QUEUE_BYTES, k -> k.queue, (k, v) -> k.queue = wholeEvents(v))
              .u8("leds", LEDS, k -> k.leds, (k, v) -> k.leds = v),
          UsbKeyboard.class);

  /** Keys that are down as last reported, the first one first. */
  private byte[] pressed = {};

  /** What the user did since: a key, and 1 for down. */
  private byte[] queue = {};

  /** Bit 0 num lock, 1 caps lock, 2 scroll lock. */
  private int leds;

  UsbKeyboard(DeviceContext context) {
    super(context, "Pollux USB Keyboard", BOOT_KEYBOARD, REPORT, BYTES);
  }

  private static Device create(UsbBus bus, DeviceContext context) {
    UsbKeyboard keyboard = new UsbKeyboard(context);
    keyboard.plugged(bus.port(context, keyboard));
    keyboard.inputs().add(keyboard, Displays.console(context, DISPLAY));
    context.onRemove(() -> keyboard.inputs().remove(keyboard));
    return keyboard;
  }

  private static byte[] wholeEvents(byte[] queue) {
    return Arrays.copyOf(queue, queue.length / EVENT * EVENT);
  }

  /** The LEDs as the guest set them: bit 0 num lock, 1 caps lock, 2 scroll lock. */
  public int leds() {
    return leds;
  }

  @Override
  public String keyboardName() {
    return "Pollux HID Keyboard";
  }

  @Override
  public boolean key(int code, boolean down) {
    int usage = KeyUsages.of(code & 0xff);
    if (usage == 0) {
      return true; // there is no such key
    }
    if (queue.length == QUEUE_BYTES || !isConfigured()) {
      return false;
    }
    queue = Arrays.copyOf(queue, queue.length + EVENT);
    queue[queue.length - 2] = (byte) usage;
    queue[queue.length - 1] = (byte) (down ? 1 : 0);
    tellHost();
    return true;
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
    return queue.length > 0;
  }

  @Override
  byte[] report() {
    if (hasNews()) {
      take(queue[0], queue[1] != 0);
      queue = Arrays.copyOfRange(queue, EVENT, queue.length);
    }
    byte[] report = new byte[BYTES];
    int keys = 0;
    for (byte key : pressed) {
      int usage = key & 0xff;
      if (usage >= KeyUsages.MODIFIERS && usage < KeyUsages.AFTER_MODIFIERS) {
        report[0] |= (byte) (1 << usage - KeyUsages.MODIFIERS);
      } else if (keys++ < KEYS) {
        report[FIRST_KEY + keys - 1] = key;
      }
    }
    if (keys > KEYS) {
      Arrays.fill(report, FIRST_KEY, BYTES, ROLL_OVER);
    }
    return report;
  }

  /** A key that is pressed again, as one that is held, stays where it is. */
  private void take(byte key, boolean down) {
    int at = 0;
    while (at < pressed.length && pressed[at] != key) {
      at++;
    }
    boolean was = at < pressed.length;
    if (down && !was && pressed.length < 0x100) {
      pressed = Arrays.copyOf(pressed, pressed.length + 1);
      pressed[at] = key;
    } else if (!down && was) {
      byte[] left = Arrays.copyOf(pressed, pressed.length - 1);
      System.arraycopy(pressed, at + 1, left, at, left.length - at);
      pressed = left;
    }
  }

  @Override
  UsbAnswer setReport(byte[] bytes) {
    if (bytes.length == 0) {
      return UsbAnswer.STALL;
    }
    leds = bytes[0] & LEDS;
    return UsbAnswer.DONE;
  }

  @Override
  void clear() {
    pressed = new byte[0];
    queue = new byte[0];
    leds = 0;
  }

  @Override
  public String sectionName() {
    return "usb-kbd";
  }

  @Override
  StateDescriptor<UsbHid> declaration() {
    return DECLARATION;
  }
}
