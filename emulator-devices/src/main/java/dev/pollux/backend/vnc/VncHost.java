package dev.pollux.backend.vnc;

import dev.pollux.devices.display.Screen;
import dev.pollux.devices.isa.QKeyCode;

/** What viewers see and move. Any thread, no lock held. */
public interface VncHost {
  /** The machine's name; may be empty. */
  String name();

  /** The picture of now. */
  Screen screen();

  /**
   * A viewer would like the picture to be of this size, in pixels.
   *
   * @return whether the guest can be told
   */
  boolean wantSize(int width, int height);

  /** A key went down or up. Waits a little while the keyboard has no room; then the key is lost. */
  void key(QKeyCode key, boolean down);

  /**
   * As above.
   *
   * @param code of scan code set 1, 1 to 0xff, with bit 7 for codes that begin with e0
   */
  void key(int code, boolean down);

  /**
   * The mouse was moved or clicked.
   *
   * @param dx to the right
   * @param dy downwards
   * @param dz clicks of the wheel towards the user
   * @param buttons bit 0 left, 1 right, 2 middle
   */
  void mouse(int dx, int dy, int dz, int buttons);

  /**
   * The pointer was put somewhere or clicked.
   *
   * @param x of {@code width}, from the left
   * @param y of {@code height}, from the top
   * @param dz clicks of the wheel towards the user
   * @param buttons bit 0 left, 1 right, 2 middle
   * @return false where the machine's pointer only hears of distances
   */
  default boolean point(int x, int y, int width, int height, int dz, int buttons) {
    return false;
  }
}
