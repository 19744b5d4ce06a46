package dev.pollux.core.state;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A growing big-endian byte buffer that state is written to. */
public final class StateOutput {
  private byte[] bytes = new byte[1024];
  private int length;

  public void u8(int value) {
    room(1);
    bytes[length++] = (byte) value;
  }

  public void u16(int value) {
    u8(value >>> 8);
    u8(value);
  }

  public void u32(int value) {
    u16(value >>> 16);
    u16(value);
  }

  public void u64(long value) {
    u32((int) (value >>> 32));
    u32((int) value);
  }

  public void bytes(byte[] from, int offset, int count) {
    room(count);
    System.arraycopy(from, offset, bytes, length, count);
    length += count;
  }

  public void bytes(byte[] from) {
    bytes(from, 0, from.length);
  }

  /** A byte count of at most 255 and that many bytes of UTF-8. */
  public void shortString(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    if (utf8.length > 255) {
      throw new IllegalArgumentException("longer than 255 bytes: " + text);
    }
    u8(utf8.length);
    bytes(utf8);
  }

  public int length() {
    return length;
  }

  public byte[] toByteArray() {
    return Arrays.copyOf(bytes, length);
  }

  public void clear() {
    length = 0;
  }

  private void room(int count) {
    if (bytes.length - length < count) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + count));
    }
  }
}
