package dev.pollux.core.host;

import java.nio.charset.StandardCharsets;

/** A text as the C library has it: UTF-8 and a zero, outside the heap until it is closed. */
final class NativeText implements AutoCloseable {
  private final long address;

  NativeText(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    address = RawMemory.allocate(bytes.length + 1L);
    RawMemory.copyIn(bytes, 0, address, bytes.length);
    RawMemory.putByte(address + bytes.length, (byte) 0);
  }

  long address() {
    return address;
  }

  @Override
  public void close() {
    RawMemory.free(address);
  }
}
