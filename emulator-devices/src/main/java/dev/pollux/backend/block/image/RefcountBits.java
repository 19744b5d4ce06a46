package dev.pollux.backend.block.image;

/** Reference counts of 1 to 64 bits in a block of bytes (Host cluster management). */
final class RefcountBits {
  private final int order;

  /**
   * @param order log2 of the bits, 0 to 6
   */
  RefcountBits(int order) {
    this.order = order;
  }

  /** The largest count. */
  long most() {
    return order == 6 ? Long.MAX_VALUE : (1L << (1 << order)) - 1;
  }

  long get(byte[] block, int index) {
    int width = 1 << order;
    if (width < 8) {
      int bit = index << order;
      return block[bit >> 3] >>> (bit & 7) & (1 << width) - 1;
    }
    long value = 0;
    int at = index << order - 3;
    for (int i = 0; i < width / 8; i++) {
      value = value << 8 | block[at + i] & 0xff;
    }
    return value;
  }

  void set(byte[] block, int index, long value) {
    int width = 1 << order;
    if (width < 8) {
      int bit = index << order;
      int mask = (1 << width) - 1 << (bit & 7);
      block[bit >> 3] = (byte) (block[bit >> 3] & ~mask | value << (bit & 7));
      return;
    }
    int at = index << order - 3;
    for (int i = 0; i < width / 8; i++) {
      block[at + i] = (byte) (value >>> width - 8 - 8 * i);
    }
  }

  /** The byte an entry begins in. */
  int byteOf(int index) {
    return (int) (((long) index << order) >> 3);
  }

  /** Bytes that an entry touches. */
  int bytes() {
    return Math.max(1, (1 << order) / 8);
  }
}
