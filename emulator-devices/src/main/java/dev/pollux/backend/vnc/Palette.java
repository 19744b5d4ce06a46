package dev.pollux.backend.vnc;

/** The colors of an area, as long as they are few. One thread. */
final class Palette {
  private final int[] colors = new int[16];
  private int size;

  /** Collects the colors; false where there are more than {@code most}. */
  boolean collect(Area area, int most) {
    size = 0;
    int last = 0;
    for (int row = 0; row < area.height(); row++) {
      for (int column = 0; column < area.width(); column++) {
        int pixel = area.at(column, row);
        if (size > 0 && pixel == last || index(pixel) >= 0) {
          last = pixel;
          continue;
        }
        if (size == most) {
          return false;
        }
        colors[size++] = pixel;
        last = pixel;
      }
    }
    return true;
  }

  int size() {
    return size;
  }

  int color(int index) {
    return colors[index];
  }

  /** Its number, -1 where it is not among them. */
  int index(int pixel) {
    for (int i = 0; i < size; i++) {
      if (colors[i] == pixel) {
        return i;
      }
    }
    return -1;
  }
}
