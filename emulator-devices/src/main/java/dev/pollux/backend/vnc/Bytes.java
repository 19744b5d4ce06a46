package dev.pollux.backend.vnc;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Bytes that become more. One thread. */
final class Bytes {
  private byte[] array = new byte[1 << 12];
  private int size;

  void clear() {
    size = 0;
  }

  void put(int value) {
    reserve(1);
    array[size++] = (byte) value;
  }

  void putShort(int value) {
    put(value >> 8);
    put(value);
  }

  void putInt(int value) {
    putShort(value >> 16);
    putShort(value);
  }

  void put(byte[] from, int offset, int length) {
    reserve(length);
    System.arraycopy(from, offset, array, size, length);
    size += length;
  }

  /** Appends numbers of four bytes each. */
  void put(int[] from, int offset, int count, ByteOrder order) {
    reserve(count * 4);
    ByteBuffer.wrap(array, size, count * 4).order(order).asIntBuffer().put(from, offset, count);
    size += count * 4;
  }

  /** Overwrites what {@link #putInt} or {@link #put} has put there. */
  void set(int at, int value) {
    array[at] = (byte) value;
  }

  private void reserve(int more) {
    if (array.length - size < more) {
      array = Arrays.copyOf(array, Math.max(array.length * 2, size + more));
    }
  }

  /** Goes back to a size from before. */
  void truncate(int to) {
    size = to;
  }

  int size() {
    return size;
  }

  byte[] array() {
    return array;
  }
}
