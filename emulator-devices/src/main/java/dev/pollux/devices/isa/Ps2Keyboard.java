package dev.pollux.devices.isa;

import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Keyboard;

/**
 * A PS/2 keyboard with scan code sets 1 and 2 (IBM Personal System/2 Keyboard and Auxiliary Device
 * reference). Keys are named by their set 1 make code, as most input layers do.
 */
public final class Ps2Keyboard extends Ps2Device implements Keyboard {
  static final StateDescriptor<Ps2Keyboard> STATE =
      StateDescriptor.of(Ps2Keyboard.class, "ps2kbd", 1)
          .varBytes("queue", QUEUE_SIZE, k -> k.queue, (k, v) -> k.queue = v)
          .u8("command", k -> k.command, (k, v) -> k.command = v)
          .bool("enabled", k -> k.enabled, (k, v) -> k.enabled = v)
          .u8("scan-code-set", 2, k -> k.scanCodeSet, (k, v) -> k.scanCodeSet = v)
          .u8("leds", 7, k -> k.leds, (k, v) -> k.leds = v);

  private static final int EXTENDED = 0xe0;
  private static final int BREAK = 0xf0;

  private int scanCodeSet;

  /** Bit 0 scroll lock, 1 num lock, 2 caps lock. */
  private int leds;

  Ps2Keyboard(Runnable onData) {
    super(onData);
    reset();
  }

  /** The LEDs as the guest set them: bit 0 scroll lock, 1 num lock, 2 caps lock. */
  public int leds() {
    return leds;
  }

  @Override
  public String keyboardName() {
    return "Pollux PS/2 Keyboard";
  }

  @Override
  void reset() {
    clearQueue();
    command = 0;
    leds = 0;
    setDefaults();
  }

  private void setDefaults() {
    enabled = true;
    scanCodeSet = 2;
  }

  @Override
  public boolean key(int code, boolean down) {
    if (code == 0) {
      return !down || pause();
    }
    return key(code & ~Keyboard.EXTENDED, (code & Keyboard.EXTENDED) != 0, down);
  }

  /**
   * A key went down or up.
   *
   * @param code set 1 make code, 1 to 0x7f
   * @param extended the key's codes start with e0
   * @return false where the keyboard's buffer is full or scanning is off: the event is lost
   */
  public boolean key(int code, boolean extended, boolean down) {
    if (code < 1 || code > 0x7f) {
      throw new IllegalArgumentException("set 1 code " + code);
    }
    if (!enabled) {
      return false;
    }
    if (scanCodeSet == 1) {
      int value = down ? code : code | 0x80;
      return extended ? input(EXTENDED, value) : input(value);
    }
    int value = ScanCodes.toSet2(code);
    if (down) {
      return extended ? input(EXTENDED, value) : input(value);
    }
    return extended ? input(EXTENDED, BREAK, value) : input(BREAK, value);
  }

  /** The Pause key, which has no break code. */
  public boolean pause() {
    if (!enabled) {
      return false;
    }
    return scanCodeSet == 1
        ? input(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5)
        : input(0xe1, 0x14, 0x77, 0xe1, BREAK, 0x14, BREAK, 0x77);
  }

  @Override
  void receive(int value) {
    int parameterOf = command;
    command = 0;
    if (parameterOf != 0 && value < 0xed) {
      parameter(parameterOf, value);
    } else {
      command(value);
    }
  }

  private void parameter(int of, int value) {
    switch (of) {
      case 0xed -> {
        leds = value & 7;
        reply(ACK);
      }
      case 0xf0 -> {
        if (value == 0) {
          reply(ACK, scanCodeSet);
        } else if (value <= 2) {
          scanCodeSet = value;
          reply(ACK);
        } else {
          reply(RESEND);
        }
      }
      default -> reply(ACK); // f3: typematic rate
    }
  }

  private void command(int value) {
    switch (value) {
      case 0xed, 0xf0, 0xf3 -> {
        command = value;
        reply(ACK);
      }
      case 0xee -> reply(0xee);
      case 0xf2 -> reply(ACK, 0xab, 0x83);
      case 0xf4 -> {
        clearQueue();
        enabled = true;
        reply(ACK);
      }
      case 0xf5 -> {
        clearQueue();
        setDefaults();
        enabled = false;
        reply(ACK);
      }
      case 0xf6 -> {
        clearQueue();
        setDefaults();
        reply(ACK);
      }
      case 0xff -> {
        reset();
        reply(ACK, SELF_TEST_PASSED);
      }
      default -> {
        if (value >= 0xf7 && value <= 0xfd) {
          reply(ACK); // make/break attributes of set 3
        } else {
          reply(RESEND);
        }
      }
    }
  }
}
