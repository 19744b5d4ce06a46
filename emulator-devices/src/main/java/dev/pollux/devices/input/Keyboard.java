package dev.pollux.devices.input;

/** A keyboard as the user sees it. Machine lock held. */
public interface Keyboard {
  /** Set in a code: on a PS/2 keyboard the key's codes begin with e0. */
  int EXTENDED = 0x80;

  /** What monitors call it. */
  String keyboardName();

  /**
   * A key went down or up.
   *
   * @param code of scan code set 1, with {@link #EXTENDED}; 0 for the Pause key
   * @return false where the keyboard has no room for it, or is off: then it is lost
   */
  boolean key(int code, boolean down);
}
