package dev.pollux.backend.vnc;

/** A way to send the pixels of a rectangle. One thread, one connection. */
interface Encoding extends AutoCloseable {
  /** Its number (RFC 6143, 7.7). */
  int number();

  /** Appends the pixels. */
  void encode(Area area, PixelFormat format, Bytes to);

  @Override
  default void close() {}

  /** One pixel after the other. */
  final class Raw implements Encoding {
    static final int NUMBER = 0;

    @Override
    public int number() {
      return NUMBER;
    }

    @Override
    public void encode(Area area, PixelFormat format, Bytes to) {
      for (int row = 0; row < area.height(); row++) {
        if (format.bytes() == 4) {
          to.put(area.pixels(), area.start(row), area.width(), format.order());
          continue;
        }
        for (int column = 0; column < area.width(); column++) {
          format.put(to, area.at(column, row));
        }
      }
    }
  }
}
