package dev.pollux.devices.display;

import java.util.Optional;

/** A device with a screen. Everything with the machine lock held. */
public interface Display {
  /** Its picture. */
  Screen screen();

  /** The characters that it shows; empty in graphics modes. */
  Optional<TextScreen> text();

  /** The user would like a picture of this size, in pixels; guests that can do that follow. */
  default void wantSize(int width, int height) {}
}
