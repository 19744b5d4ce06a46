package dev.pollux.backend.vnc;

import dev.pollux.devices.isa.QKeyCode;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Keys of a keyboard with US layout by the names that viewers have for what is on them (X11's
 * keysymdef.h). Whether Shift is down is a key of its own.
 */
public final class Keysyms {
  private static final Map<Integer, QKeyCode> KEYS = new HashMap<>();

  static {
    row("1234567890-=", "!@#$%^&*()_+", QKeyCode.DIGIT_1);
    row("qwertyuiop[]", "QWERTYUIOP{}", QKeyCode.Q);
    row("asdfghjkl;'`", "ASDFGHJKL:\"~", QKeyCode.A);
    row("\\zxcvbnm,./", "|ZXCVBNM<>?", QKeyCode.BACKSLASH);
    KEYS.put((int) ' ', QKeyCode.SPC);
    each(0xffbe, QKeyCode.F1, 10);
    each(0xffc8, QKeyCode.F11, 2);
    KEYS.put(0xff08, QKeyCode.BACKSPACE);
    KEYS.put(0xff09, QKeyCode.TAB);
    KEYS.put(0xfe20, QKeyCode.TAB); // with Shift
    KEYS.put(0xff0d, QKeyCode.RET);
    KEYS.put(0xff13, QKeyCode.PAUSE);
    KEYS.put(0xff14, QKeyCode.SCROLL_LOCK);
    KEYS.put(0xff15, QKeyCode.SYSRQ);
    KEYS.put(0xff1b, QKeyCode.ESC);
    KEYS.put(0xff50, QKeyCode.HOME);
    KEYS.put(0xff51, QKeyCode.LEFT);
    KEYS.put(0xff52, QKeyCode.UP);
    KEYS.put(0xff53, QKeyCode.RIGHT);
    KEYS.put(0xff54, QKeyCode.DOWN);
    KEYS.put(0xff55, QKeyCode.PGUP);
    KEYS.put(0xff56, QKeyCode.PGDN);
    KEYS.put(0xff57, QKeyCode.END);
    KEYS.put(0xff61, QKeyCode.PRINT);
    KEYS.put(0xff63, QKeyCode.INSERT);
    KEYS.put(0xff67, QKeyCode.MENU);
    KEYS.put(0xff7f, QKeyCode.NUM_LOCK);
    KEYS.put(0xff8d, QKeyCode.KP_ENTER);
    keypad();
    KEYS.put(0xffe1, QKeyCode.SHIFT);
    KEYS.put(0xffe2, QKeyCode.SHIFT_R);
    KEYS.put(0xffe3, QKeyCode.CTRL);
    KEYS.put(0xffe4, QKeyCode.CTRL_R);
    KEYS.put(0xffe5, QKeyCode.CAPS_LOCK);
    KEYS.put(0xffe7, QKeyCode.META_L);
    KEYS.put(0xffe8, QKeyCode.META_R);
    KEYS.put(0xffe9, QKeyCode.ALT);
    KEYS.put(0xffea, QKeyCode.ALT_R);
    KEYS.put(0xffeb, QKeyCode.META_L);
    KEYS.put(0xffec, QKeyCode.META_R);
    KEYS.put(0xfe03, QKeyCode.ALT_R); // third level
    KEYS.put(0xffff, QKeyCode.DELETE);
  }

  private Keysyms() {}

  private static void keypad() {
    QKeyCode[] digits = {
      QKeyCode.KP_0, QKeyCode.KP_1, QKeyCode.KP_2, QKeyCode.KP_3, QKeyCode.KP_4,
      QKeyCode.KP_5, QKeyCode.KP_6, QKeyCode.KP_7, QKeyCode.KP_8, QKeyCode.KP_9
    };
    // Insert, End, Down, Next, Left, Begin, Right, Home, Up, Prior: what is on them without Num
    // Lock.
    int[] others = {0x9e, 0x9c, 0x99, 0x9b, 0x96, 0x9d, 0x98, 0x95, 0x97, 0x9a};
    for (int i = 0; i < digits.length; i++) {
      KEYS.put(0xffb0 + i, digits[i]);
      KEYS.put(0xff00 + others[i], digits[i]);
    }
    KEYS.put(0xff9f, QKeyCode.KP_DECIMAL);
    KEYS.put(0xffae, QKeyCode.KP_DECIMAL);
    KEYS.put(0xffaa, QKeyCode.KP_MULTIPLY);
    KEYS.put(0xffab, QKeyCode.KP_ADD);
    KEYS.put(0xffad, QKeyCode.KP_SUBTRACT);
    KEYS.put(0xffaf, QKeyCode.KP_DIVIDE);
  }

  /** Keys beside each other, which follow each other in scan code set 1 too. */
  private static void row(String plain, String shifted, QKeyCode first) {
    for (int i = 0; i < plain.length(); i++) {
      QKeyCode key = QKeyCode.byCode(first.code() + i).orElseThrow();
      KEYS.put((int) plain.charAt(i), key);
      KEYS.put((int) shifted.charAt(i), key);
    }
  }

  private static void each(int keysym, QKeyCode first, int count) {
    for (int i = 0; i < count; i++) {
      KEYS.put(keysym + i, QKeyCode.byCode(first.code() + i).orElseThrow());
    }
  }

  /** Whether a character of ASCII is typed with Shift. */
  public static boolean isShifted(int character) {
    return character >= 'A' && character <= 'Z' || "!@#$%^&*()_+{}:\"~|<>?".indexOf(character) >= 0;
  }

  /** The key that has something on it. */
  public static Optional<QKeyCode> key(int keysym) {
    return Optional.ofNullable(KEYS.get(keysym));
  }
}
