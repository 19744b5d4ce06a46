package dev.pollux.devices.virtio.gpu;

import java.nio.ByteBuffer;

/** A rectangle as drivers name one: four words, each of 32 bits without a sign. */
record GpuArea(long x, long y, long width, long height) {
  private static final int ROW = 256;

  static GpuArea read(ByteBuffer from) {
    return new GpuArea(word(from), word(from), word(from), word(from));
  }

  private static long word(ByteBuffer from) {
    return from.getInt() & 0xffff_ffffL;
  }

  /** What it takes to copy it, as bytes: a row, however short, as much as some. */
  long work() {
    return height * (width * GpuFormat.BYTES + ROW);
  }

  /** Whether it is something, and within a resource. */
  boolean isIn(GpuResource resource) {
    return x >= 0
        && y >= 0
        && width > 0
        && height > 0
        && x + width <= resource.width()
        && y + height <= resource.height();
  }
}
