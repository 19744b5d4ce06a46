package dev.pollux.core.jit.asm;

import java.util.Arrays;

/**
 * A growing little-endian byte buffer that code is assembled into before it is copied to where it
 * runs. One {@link #reserve} per instruction makes room, so that the single writes need no check of
 * their own. Not thread-safe.
 */
public final class CodeBuffer {
  private byte[] bytes;
  private int position;

  // Values of 32 bits, also as lower half of one of 64, whose places are noted.
  private int firstNoted;
  private int notedRange;
  private int[] noted = new int[16];
  private int notedCount;

  /** An empty buffer with room for {@code capacity} bytes before it first grows. */
  public CodeBuffer(int capacity) {
    bytes = new byte[capacity];
  }

  /** Bytes written so far. */
  public int position() {
    return position;
  }

  /** Forgets everything from {@code newPosition} on. */
  public void truncate(int newPosition) {
    if (newPosition < 0 || newPosition > position) {
      throw new IllegalArgumentException("position " + newPosition + " of " + position);
    }
    position = newPosition;
    while (notedCount > 0 && noted[notedCount - 1] >= position) {
      notedCount--;
    }
  }

  /**
   * From now on the places of values from {@code first} to below {@code end}, as u32, are noted
   * when they are appended.
   */
  public void note(int first, int end) {
    firstNoted = first;
    notedRange = end - first;
  }

  /** How many places have been noted. */
  public int notedCount() {
    return notedCount;
  }

  /** Offset of a value that was noted. */
  public int noted(int i) {
    return noted[i];
  }

  private void noteIfWanted(int value) {
    if (Integer.compareUnsigned(value - firstNoted, notedRange) < 0) {
      note(position);
    }
  }

  /** Notes the place of a value that has been appended. */
  public void note(int at) {
    if (notedCount == noted.length) {
      noted = Arrays.copyOf(noted, 2 * notedCount);
    }
    noted[notedCount++] = at;
  }

  /** The 32-bit value at an offset. */
  public int get32(int at) {
    return bytes[at] & 0xff
        | (bytes[at + 1] & 0xff) << 8
        | (bytes[at + 2] & 0xff) << 16
        | bytes[at + 3] << 24;
  }

  /** Makes room for {@code count} more bytes. */
  public void reserve(int count) {
    if (bytes.length - position < count) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, position + count));
    }
  }

  /** Appends the low byte of {@code value}. */
  public void put8(int value) {
    bytes[position++] = (byte) value;
  }

  /** Appends the low 16 bits of {@code value}. */
  public void put16(int value) {
    set16(position, value);
    position += 2;
  }

  /** Appends {@code value}. */
  public void put32(int value) {
    noteIfWanted(value);
    set32(position, value);
    position += 4;
  }

  /** Appends {@code value}. */
  public void put64(long value) {
    noteIfWanted((int) value);
    set64(position, value);
    position += 8;
  }

  /** Appends the low {@code count} (1, 2, 4 or 8) bytes of {@code value}. */
  public void put(int count, long value) {
    if (count >= 4) {
      noteIfWanted((int) value);
    }
    patch(position, count, value);
    position += count;
  }

  /** Appends {@code source}, making room for it. */
  public void putBytes(byte[] source) {
    reserve(source.length);
    System.arraycopy(source, 0, bytes, position, source.length);
    position += source.length;
  }

  /** Overwrites {@code count} (1, 2, 4 or 8) bytes at {@code at}. */
  public void patch(int at, int count, long value) {
    switch (count) {
      case 1 -> bytes[at] = (byte) value;
      case 2 -> set16(at, (int) value);
      case 4 -> set32(at, (int) value);
      case 8 -> set64(at, value);
      default -> throw new IllegalArgumentException("field of " + count + " bytes");
    }
  }

  // Byte by byte: the optimizing compiler makes one store of it, and a view through a VarHandle is
  // slow until that has been at work.

  private void set16(int at, int value) {
    bytes[at] = (byte) value;
    bytes[at + 1] = (byte) (value >> 8);
  }

  private void set32(int at, int value) {
    bytes[at] = (byte) value;
    bytes[at + 1] = (byte) (value >> 8);
    bytes[at + 2] = (byte) (value >> 16);
    bytes[at + 3] = (byte) (value >> 24);
  }

  private void set64(int at, long value) {
    set32(at, (int) value);
    set32(at + 4, (int) (value >> 32));
  }

  /** The array behind the buffer, valid up to {@link #position()} until the next write. */
  public byte[] array() {
    return bytes;
  }

  /** A copy of what has been written. */
  public byte[] toByteArray() {
    return Arrays.copyOf(bytes, position);
  }
}
