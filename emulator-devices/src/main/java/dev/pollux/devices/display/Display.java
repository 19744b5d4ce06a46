package dev.pollux.devices.display;

import java.util.Optional;

/** A device with a screen. Everything with the machine lock held. */
public interface Display {
  /** Its picture, of the first screen if it has several. */
  Screen screen();

  /** How many screens it has. */
  default int heads() {
    return 1;
  }

  /**
   * The picture of one of its screens.
   *
   * @param head less than {@link #heads}
   */
  default Screen screen(int head) {
    return screen();
  }

  /** The characters that it shows; empty in graphics modes. */
  Optional<TextScreen> text();

  /**
   * The user would like a picture of this size, in pixels; the guest may follow later.
   *
   * @return whether guests can be told at all
   */
  default boolean wantSize(int width, int height) {
    return false;
  }
}
