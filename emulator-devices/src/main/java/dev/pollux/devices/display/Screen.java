package dev.pollux.devices.display;

/**
 * What a display shows at a moment.
 *
 * @param pixels red, green and blue in the low 24 bits, row by row
 */
public record Screen(int width, int height, int[] pixels) {
  public Screen {
    if (pixels.length != width * height) {
      throw new IllegalArgumentException(width + "x" + height);
    }
  }

  /** A black one. */
  public static Screen blank(int width, int height) {
    return new Screen(width, height, new int[width * height]);
  }
}
