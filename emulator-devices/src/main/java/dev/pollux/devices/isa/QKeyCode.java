package dev.pollux.devices.isa;

import dev.pollux.core.config.Api;
import dev.pollux.devices.input.Keyboard;
import java.util.Optional;

/** Keys of a PC's keyboard by QEMU's names, with the code that the key sends. */
public enum QKeyCode {
  SHIFT(0x2a),
  @Api.Name("shift_r")
  SHIFT_R(0x36),
  ALT(0x38),
  @Api.Name("alt_r")
  ALT_R(0xb8),
  CTRL(0x1d),
  @Api.Name("ctrl_r")
  CTRL_R(0x9d),
  MENU(0xdd),
  ESC(0x01),
  @Api.Name("1")
  DIGIT_1(0x02),
  @Api.Name("2")
  DIGIT_2(0x03),
  @Api.Name("3")
  DIGIT_3(0x04),
  @Api.Name("4")
  DIGIT_4(0x05),
  @Api.Name("5")
  DIGIT_5(0x06),
  @Api.Name("6")
  DIGIT_6(0x07),
  @Api.Name("7")
  DIGIT_7(0x08),
  @Api.Name("8")
  DIGIT_8(0x09),
  @Api.Name("9")
  DIGIT_9(0x0a),
  @Api.Name("0")
  DIGIT_0(0x0b),
  MINUS(0x0c),
  EQUAL(0x0d),
  BACKSPACE(0x0e),
  TAB(0x0f),
  Q(0x10),
  W(0x11),
  E(0x12),
  R(0x13),
  T(0x14),
  Y(0x15),
  U(0x16),
  I(0x17),
  O(0x18),
  P(0x19),
  @Api.Name("bracket_left")
  BRACKET_LEFT(0x1a),
  @Api.Name("bracket_right")
  BRACKET_RIGHT(0x1b),
  RET(0x1c),
  A(0x1e),
  S(0x1f),
  D(0x20),
  F(0x21),
  G(0x22),
  H(0x23),
  J(0x24),
  K(0x25),
  L(0x26),
  SEMICOLON(0x27),
  APOSTROPHE(0x28),
  @Api.Name("grave_accent")
  GRAVE_ACCENT(0x29),
  BACKSLASH(0x2b),
  Z(0x2c),
  X(0x2d),
  C(0x2e),
  V(0x2f),
  B(0x30),
  N(0x31),
  M(0x32),
  COMMA(0x33),
  DOT(0x34),
  SLASH(0x35),
  ASTERISK(0x37),
  SPC(0x39),
  @Api.Name("caps_lock")
  CAPS_LOCK(0x3a),
  F1(0x3b),
  F2(0x3c),
  F3(0x3d),
  F4(0x3e),
  F5(0x3f),
  F6(0x40),
  F7(0x41),
  F8(0x42),
  F9(0x43),
  F10(0x44),
  @Api.Name("num_lock")
  NUM_LOCK(0x45),
  @Api.Name("scroll_lock")
  SCROLL_LOCK(0x46),
  @Api.Name("kp_divide")
  KP_DIVIDE(0xb5),
  @Api.Name("kp_multiply")
  KP_MULTIPLY(0x37),
  @Api.Name("kp_subtract")
  KP_SUBTRACT(0x4a),
  @Api.Name("kp_add")
  KP_ADD(0x4e),
  @Api.Name("kp_enter")
  KP_ENTER(0x9c),
  @Api.Name("kp_decimal")
  KP_DECIMAL(0x53),
  SYSRQ(0x54),
  @Api.Name("kp_0")
  KP_0(0x52),
  @Api.Name("kp_1")
  KP_1(0x4f),
  @Api.Name("kp_2")
  KP_2(0x50),
  @Api.Name("kp_3")
  KP_3(0x51),
  @Api.Name("kp_4")
  KP_4(0x4b),
  @Api.Name("kp_5")
  KP_5(0x4c),
  @Api.Name("kp_6")
  KP_6(0x4d),
  @Api.Name("kp_7")
  KP_7(0x47),
  @Api.Name("kp_8")
  KP_8(0x48),
  @Api.Name("kp_9")
  KP_9(0x49),
  LESS(0x56),
  F11(0x57),
  F12(0x58),
  PRINT(0xb7),
  HOME(0xc7),
  PGUP(0xc9),
  PGDN(0xd1),
  END(0xcf),
  LEFT(0xcb),
  UP(0xc8),
  DOWN(0xd0),
  RIGHT(0xcd),
  INSERT(0xd2),
  DELETE(0xd3),
  @Api.Name("meta_l")
  META_L(0xdb),
  @Api.Name("meta_r")
  META_R(0xdc),
  COMPOSE(0xdd),
  PAUSE(0x00);

  /** Of scan code set 1; 0 for the Pause key, which has a sequence of its own. */
  private final int code;

  QKeyCode(int code) {
    this.code = code;
  }

  /** The name that users type. */
  public String word() {
    try {
      Api.Name name = QKeyCode.class.getField(name()).getAnnotation(Api.Name.class);
      return name == null ? name().toLowerCase(java.util.Locale.ROOT) : name.value();
    } catch (NoSuchFieldException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The key of a name. */
  public static Optional<QKeyCode> of(String word) {
    for (QKeyCode key : values()) {
      if (key.word().equals(word)) {
        return Optional.of(key);
      }
    }
    return Optional.empty();
  }

  /** Of scan code set 1, with bit 7 where the key's codes begin with e0; 0 for the Pause key. */
  public int code() {
    return code;
  }

  /** The first key with a code. */
  public static Optional<QKeyCode> byCode(int code) {
    for (QKeyCode key : values()) {
      if (key.code == code) {
        return Optional.of(key);
      }
    }
    return Optional.empty();
  }

  /**
   * Presses the key or lets it go; false where the keyboard has no room for it. Machine lock held.
   */
  public boolean send(Keyboard keyboard, boolean down) {
    return keyboard.key(code, down);
  }
}
