package dev.pollux.devices.virtio.gpu;

import java.util.Arrays;
import java.util.Optional;

/** How pixels lie in memory, a byte a color, the first byte named first (5.7.6.8). */
enum GpuFormat {
  B8G8R8A8(1, true) {
    @Override
    int rgb(int word) {
      return word & 0xff_ffff;
    }
  },
  B8G8R8X8(2, false) {
    @Override
    int rgb(int word) {
      return word & 0xff_ffff;
    }
  },
  A8R8G8B8(3, true) {
    @Override
    int rgb(int word) {
      return Integer.reverseBytes(word) & 0xff_ffff;
    }
  },
  X8R8G8B8(4, false) {
    @Override
    int rgb(int word) {
      return Integer.reverseBytes(word) & 0xff_ffff;
    }
  },
  R8G8B8A8(67, true) {
    @Override
    int rgb(int word) {
      return Integer.reverseBytes(word) >>> 8;
    }
  },
  X8B8G8R8(68, false) {
    @Override
    int rgb(int word) {
      return word >>> 8;
    }
  },
  A8B8G8R8(121, true) {
    @Override
    int rgb(int word) {
      return word >>> 8;
    }
  },
  R8G8B8X8(134, false) {
    @Override
    int rgb(int word) {
      return Integer.reverseBytes(word) >>> 8;
    }
  };

  static final int BYTES = 4;

  private final int number;
  private final boolean hasAlpha;

  GpuFormat(int number, boolean hasAlpha) {
    this.number = number;
    this.hasAlpha = hasAlpha;
  }

  int number() {
    return number;
  }

  static Optional<GpuFormat> of(int number) {
    return Arrays.stream(values()).filter(format -> format.number == number).findFirst();
  }

  /** Red, green and blue in the low 24 bits, of a pixel as a little-endian word. */
  abstract int rgb(int word);

  /** How much of a pixel covers what is below it, 0 to 255. */
  final int alpha(int word) {
    boolean first = this == A8R8G8B8 || this == A8B8G8R8;
    return !hasAlpha ? 255 : first ? word & 0xff : word >>> 24;
  }
}
