package dev.pollux.core.state;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads big-endian state that is not trusted, from bytes or, where nobody knows how long it is,
 * from a source that is asked for no more than the state holds.
 */
public final class StateInput {
  /** Where state comes from piece by piece. */
  @FunctionalInterface
  public interface Source {
    /** Delivers exactly {@code count} bytes; throws with the reason where it cannot. */
    void read(byte[] to, int at, int count) throws StateException;
  }

  /** Where more bytes come from; null if those at hand are all. */
  private final Source source;

  private byte[] bytes;
  private int end;
  private int position;

  public StateInput(byte[] bytes) {
    this(bytes, 0, bytes.length);
  }

  public StateInput(byte[] bytes, int offset, int length) {
    this.source = null;
    this.bytes = bytes;
    this.position = offset;
    this.end = offset + length;
  }

  public StateInput(Source source) {
    this.source = source;
    this.bytes = new byte[64];
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

  /** Bytes at hand that were not read. */
  public int remaining() {
    return end - position;
  }

  private void need(int count) throws StateException {
    if (count < 0 || (source == null && end - position < count)) {
      throw new StateException(
          "truncated: " + count + " bytes expected, " + (end - position) + " left");
    }
    if (end - position < count) {
      fetch(count);
    }
  }

  /** Has {@code count} bytes at hand; what was read before is forgotten. */
  private void fetch(int count) throws StateException {
    int left = end - position;
    byte[] room = count > bytes.length ? new byte[count] : bytes;
    System.arraycopy(bytes, position, room, 0, left);
    bytes = room;
    position = 0;
    end = left;
    source.read(bytes, left, count - left);
    end = count;
  }
}
