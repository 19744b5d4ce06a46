package dev.pollux.core.state;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Reads big-endian state from bytes that are not trusted. */
public final class StateInput {
  private final byte[] bytes;
  private final int end;
  private int position;

  public StateInput(byte[] bytes) {
    this(bytes, 0, bytes.length);
  }

  public StateInput(byte[] bytes, int offset, int length) {
    this.bytes = bytes;
    this.position = offset;
    this.end = offset + length;
  }

  public int u8() throws StateException {
    need(1);
    return bytes[position++] & 0xff;
  }

  public int u16() throws StateException {
    need(2);
    return u8() << 8 | u8();
  }

  public int u32() throws StateException {
    need(4);
    return u16() << 16 | u16();
  }

  public long u64() throws StateException {
    need(8);
    return (long) u32() << 32 | (u32() & 0xffff_ffffL);
  }

  public byte[] bytes(int count) throws StateException {
    need(count);
    byte[] result = Arrays.copyOfRange(bytes, position, position + count);
    position += count;
    return result;
  }

  public String shortString() throws StateException {
    return new String(bytes(u8()), StandardCharsets.UTF_8);
  }

  public int remaining() {
    return end - position;
  }

  public int position() {
    return position;
  }

  private void need(int count) throws StateException {
    if (count < 0 || end - position < count) {
      throw new StateException(
          "truncated: " + count + " bytes expected, " + (end - position) + " left");
    }
  }
}
