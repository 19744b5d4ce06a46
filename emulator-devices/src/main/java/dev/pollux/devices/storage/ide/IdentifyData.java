package dev.pollux.devices.storage.ide;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** The 256 words by which a drive describes itself (ATA/ATAPI-6, 8.15.8). */
final class IdentifyData {
  private static final int BYTES = 512;

  private final ByteBuffer words = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);

  IdentifyData word(int index, int value) {
    words.putShort(index * 2, (short) value);
    return this;
  }

  /** Sets bits of a word. */
  IdentifyData add(int index, int bits) {
    return word(index, words.getShort(index * 2) | bits);
  }

  /** Two words, the low one first. */
  IdentifyData pair(int index, long value) {
    words.putInt(index * 2, (int) value);
    return this;
  }

  IdentifyData quad(int index, long value) {
    words.putLong(index * 2, value);
    return this;
  }

  /** Text, padded with blanks; in each word the first character is the high byte. */
  IdentifyData text(int index, int length, String text) {
    byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < length; i++) {
      words.put((index * 2 + i) ^ 1, i < ascii.length ? ascii[i] : (byte) ' ');
    }
    return this;
  }

  byte[] bytes() {
    return words.array().clone();
  }
}
