package dev.pollux.backend.vnc;

/**
 * A rectangle of a picture in a viewer's pixel format.
 *
 * @param pixels of the whole picture, row by row
 * @param stride pixels from row to row
 */
record Area(int[] pixels, int stride, int x, int y, int width, int height) {
  int at(int column, int row) {
    return pixels[(y + row) * stride + x + column];
  }

  /** Where a row begins in the picture's pixels. */
  int start(int row) {
    return (y + row) * stride + x;
  }

  /** A part. */
  Area part(int column, int row, int partWidth, int partHeight) {
    return new Area(
        pixels,
        stride,
        x + column,
        y + row,
        Math.min(partWidth, width - column),
        Math.min(partHeight, height - row));
  }

  /** Whether all pixels are the same. */
  boolean isSolid() {
    int first = at(0, 0);
    for (int row = 0; row < height; row++) {
      for (int column = 0; column < width; column++) {
        if (at(column, row) != first) {
          return false;
        }
      }
    }
    return true;
  }
}
