package dev.pollux.devices.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** A structure of SMBIOS (DSP0134 2.8, 6.1): fields in order, then the strings that they number. */
final class SmbiosTable {
  private static final int LENGTH = 1;

  private final ByteArrayOutputStream fields = new ByteArrayOutputStream();
  private final ByteArrayOutputStream strings = new ByteArrayOutputStream();
  private int count;

  SmbiosTable(int type, int handle) {
    u8(type).u8(0).u16(handle);
  }

  SmbiosTable u8(int value) {
    fields.write(value);
    return this;
  }

  SmbiosTable u16(int value) {
    return u8(value).u8(value >> 8);
  }

  SmbiosTable u32(long value) {
    return u16((int) value).u16((int) (value >> 16));
  }

  SmbiosTable u64(long value) {
    return u32(value).u32(value >>> 32);
  }

  /** The number of a string; 0 for none. */
  SmbiosTable text(String text) {
    if (text.isEmpty()) {
      return u8(0);
    }
    string(text);
    return u8(count);
  }

  /** A string that no field numbers. */
  SmbiosTable string(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    strings.write(bytes, 0, bytes.length);
    strings.write(0);
    count++;
    return this;
  }

  byte[] bytes() {
    int length = fields.size();
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    byte[] formatted = fields.toByteArray();
    formatted[LENGTH] = (byte) length;
    all.write(formatted, 0, length);
    all.writeBytes(strings.toByteArray());
    if (count == 0) {
      all.write(0);
    }
    all.write(0);
    return all.toByteArray();
  }
}
