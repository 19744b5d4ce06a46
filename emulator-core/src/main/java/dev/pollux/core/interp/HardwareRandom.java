package dev.pollux.core.interp;

import java.nio.ByteBuffer;
import java.security.SecureRandom;

/** The source of RDRAND and RDSEED: the host's generator, taken in larger pieces. Any thread. */
final class HardwareRandom {
  private static final int BUFFER_BYTES = 512;

  private static final SecureRandom SOURCE = new SecureRandom();
  private static final byte[] BYTES = new byte[BUFFER_BYTES];
  private static final ByteBuffer BUFFER = ByteBuffer.wrap(BYTES).limit(0);

  private HardwareRandom() {}

  static synchronized long next() {
    if (!BUFFER.hasRemaining()) {
      SOURCE.nextBytes(BYTES);
      BUFFER.clear();
    }
    return BUFFER.getLong();
  }
}
