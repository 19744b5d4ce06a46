package dev.pollux.core.host;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Little-endian loads and stores at absolute host addresses: guest RAM, CPU state blocks and
 * generated code live outside the heap and are reached through here.
 *
 * <p>Addresses are not checked. A caller passes only addresses that it derived from a live mapping
 * of its own and an offset that it has checked.
 */
public final class RawMemory {
  private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
  private static final VarHandle ALIGNED_INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle ALIGNED_LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private RawMemory() {}

  public static byte getByte(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address);
  }

  public static short getShort(long address) {
    return ALL.get(SHORT, address);
  }

  public static int getInt(long address) {
    return ALL.get(INT, address);
  }

  public static long getLong(long address) {
    return ALL.get(LONG, address);
  }

  public static void putByte(long address, byte value) {
    ALL.set(ValueLayout.JAVA_BYTE, address, value);
  }

  public static void putShort(long address, short value) {
    ALL.set(SHORT, address, value);
  }

  public static void putInt(long address, int value) {
    ALL.set(INT, address, value);
  }

  public static void putLong(long address, long value) {
    ALL.set(LONG, address, value);
  }

  /** Volatile load of a byte. */
  public static byte getByteVolatile(long address) {
    return (byte) BYTE.getVolatile(ALL, address);
  }

  /** Volatile load; {@code address} is 4-byte aligned. */
  public static int getIntVolatile(long address) {
    return (int) ALIGNED_INT.getVolatile(ALL, address);
  }

  /** Volatile store; {@code address} is 4-byte aligned. */
  public static void putIntVolatile(long address, int value) {
    ALIGNED_INT.setVolatile(ALL, address, value);
  }

  /** Volatile load; {@code address} is 8-byte aligned. */
  public static long getLongVolatile(long address) {
    return (long) ALIGNED_LONG.getVolatile(ALL, address);
  }

  /** Volatile store; {@code address} is 8-byte aligned. */
  public static void putLongVolatile(long address, long value) {
    ALIGNED_LONG.setVolatile(ALL, address, value);
  }

  /** Atomic compare and set of 4 aligned bytes. */
  public static boolean compareAndSetInt(long address, int expected, int value) {
    return ALIGNED_INT.compareAndSet(ALL, address, expected, value);
  }

  /** Atomic compare and set of 8 aligned bytes. */
  public static boolean compareAndSetLong(long address, long expected, long value) {
    return ALIGNED_LONG.compareAndSet(ALL, address, expected, value);
  }

  /** Atomically ors {@code bits} into 4 aligned bytes and returns what was there. */
  public static int getAndOrInt(long address, int bits) {
    return (int) ALIGNED_INT.getAndBitwiseOr(ALL, address, bits);
  }

  /** Atomically ands {@code bits} into 4 aligned bytes and returns what was there. */
  public static int getAndAndInt(long address, int bits) {
    return (int) ALIGNED_INT.getAndBitwiseAnd(ALL, address, bits);
  }

  /** Atomically ors {@code bits} into 8 aligned bytes and returns what was there. */
  public static long getAndOrLong(long address, long bits) {
    return (long) ALIGNED_LONG.getAndBitwiseOr(ALL, address, bits);
  }

  /** Copies {@code length} bytes; the ranges may overlap. */
  public static void copy(long from, long to, long length) {
    MemorySegment.copy(ALL, from, ALL, to, length);
  }

  public static void copyIn(byte[] from, int offset, long to, int length) {
    MemorySegment.copy(from, offset, ALL, ValueLayout.JAVA_BYTE, to, length);
  }

  public static void copyOut(long from, byte[] to, int offset, int length) {
    MemorySegment.copy(ALL, ValueLayout.JAVA_BYTE, from, to, offset, length);
  }

  public static void fill(long address, long length, byte value) {
    ALL.asSlice(address, length).fill(value);
  }

  /** True where the two ranges hold the same bytes. */
  public static boolean equal(long a, long b, long length) {
    return MemorySegment.mismatch(ALL, a, a + length, ALL, b, b + length) < 0;
  }

  /** True where {@code length} bytes of an array are those in memory. */
  public static boolean equal(byte[] a, int offset, long b, long length) {
    MemorySegment bytes = MemorySegment.ofArray(a);
    return MemorySegment.mismatch(bytes, offset, offset + length, ALL, b, b + length) < 0;
  }

  /** The range as a segment of unlimited lifetime, for channels and bulk operations. */
  public static MemorySegment segment(long address, long length) {
    return ALL.asSlice(address, length);
  }
}
