package dev.pollux.core.host;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import jdk.internal.misc.Unsafe;

/**
 * Little-endian loads and stores at absolute host addresses: guest RAM, CPU state blocks and
 * generated code live outside the heap and are reached through here.
 *
 * <p>Addresses are not checked. A caller passes only addresses that it derived from a live mapping
 * of its own and an offset that it has checked.
 *
 * <p>This is the one user of the JDK's own memory access. The public one, memory segments, ends in
 * the same instruction, but only behind a dozen of calls that the compilers have to inline at each
 * place first: a guest boots while they do that.
 */
public final class RawMemory {
  private static final Unsafe UNSAFE = Unsafe.getUnsafe();

  private RawMemory() {}

  public static byte getByte(long address) {
    return UNSAFE.getByte(address);
  }

  public static short getShort(long address) {
    return UNSAFE.getShort(address);
  }

  public static int getInt(long address) {
    return UNSAFE.getInt(address);
  }

  public static long getLong(long address) {
    return UNSAFE.getLong(address);
  }

  public static void putByte(long address, byte value) {
    UNSAFE.putByte(address, value);
  }

  public static void putShort(long address, short value) {
    UNSAFE.putShort(address, value);
  }

  public static void putInt(long address, int value) {
    UNSAFE.putInt(address, value);
  }

  public static void putLong(long address, long value) {
    UNSAFE.putLong(address, value);
  }

  /** Volatile load of a byte. */
  public static byte getByteVolatile(long address) {
    return UNSAFE.getByteVolatile(null, address);
  }

  /** Volatile load; {@code address} is 4-byte aligned. */
  public static int getIntVolatile(long address) {
    return UNSAFE.getIntVolatile(null, address);
  }

  /** Volatile store; {@code address} is 4-byte aligned. */
  public static void putIntVolatile(long address, int value) {
    UNSAFE.putIntVolatile(null, address, value);
  }

  /** Volatile load; {@code address} is 8-byte aligned. */
  public static long getLongVolatile(long address) {
    return UNSAFE.getLongVolatile(null, address);
  }

  /** Volatile store; {@code address} is 8-byte aligned. */
  public static void putLongVolatile(long address, long value) {
    UNSAFE.putLongVolatile(null, address, value);
  }

  /** Atomic compare and set of 4 aligned bytes. */
  public static boolean compareAndSetInt(long address, int expected, int value) {
    return UNSAFE.compareAndSetInt(null, address, expected, value);
  }

  /** Atomic compare and set of 8 aligned bytes. */
  public static boolean compareAndSetLong(long address, long expected, long value) {
    return UNSAFE.compareAndSetLong(null, address, expected, value);
  }

  /** Atomically ors {@code bits} into 4 aligned bytes and returns what was there. */
  public static int getAndOrInt(long address, int bits) {
    return UNSAFE.getAndBitwiseOrInt(null, address, bits);
  }

  /** Atomically ands {@code bits} into 4 aligned bytes and returns what was there. */
  public static int getAndAndInt(long address, int bits) {
    return UNSAFE.getAndBitwiseAndInt(null, address, bits);
  }

  /** Atomically ors {@code bits} into 8 aligned bytes and returns what was there. */
  public static long getAndOrLong(long address, long bits) {
    return UNSAFE.getAndBitwiseOrLong(null, address, bits);
  }

  /** Copies {@code length} bytes; the ranges may overlap. */
  public static void copy(long from, long to, long length) {
    UNSAFE.copyMemory(from, to, length);
  }

  public static void copyIn(byte[] from, int offset, long to, int length) {
    Objects.checkFromIndexSize(offset, length, from.length);
    UNSAFE.copyMemory(from, Unsafe.ARRAY_BYTE_BASE_OFFSET + offset, null, to, length);
  }

  public static void copyOut(long from, byte[] to, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, to.length);
    UNSAFE.copyMemory(null, from, to, Unsafe.ARRAY_BYTE_BASE_OFFSET + offset, length);
  }

  /**
   * Memory of the C library, not cleared; the caller frees it.
   *
   * @return its address, a multiple of 16
   */
  public static long allocate(long bytes) {
    return UNSAFE.allocateMemory(bytes);
  }

  /** Gives back what {@link #allocate} gave. */
  public static void free(long address) {
    UNSAFE.freeMemory(address);
  }

  public static void fill(long address, long length, byte value) {
    UNSAFE.setMemory(address, length, value);
  }

  /** True where the two ranges hold the same bytes. */
  public static boolean equal(long a, long b, long length) {
    return MemorySegment.mismatch(Segment.ALL, a, a + length, Segment.ALL, b, b + length) < 0;
  }

  /**
   * True where all bytes are zero. Native code looks, at the speed of memory: as fast in a process
   * that has just been started.
   */
  public static boolean isZero(long address, long length) {
    if (HostLibrary.isLoaded()) {
      return HostLibrary.isZero(address, length);
    }
    if (length < 8) {
      for (long i = 0; i < length; i++) {
        if (getByte(address + i) != 0) {
          return false;
        }
      }
      return true;
    }
    // Data hardly ever begins with zeros and ends with them, too.
    return (getLong(address) | getLong(address + length - 8)) == 0
        && (int) NativeCall.call(CLibrary.MEMCMP, address, address + 8, length - 8) == 0;
  }

  /** Copies 16 bytes, in less time than a call of the host's code takes. */
  public static void copy16(long from, long to) {
    putLong(to, getLong(from));
    putLong(to + Long.BYTES, getLong(from + Long.BYTES));
  }

  /** True where {@code length} bytes of an array are those in memory; best for few. */
  public static boolean equal(byte[] a, int offset, long b, long length) {
    Objects.checkFromIndexSize(offset, length, a.length);
    long first = Unsafe.ARRAY_BYTE_BASE_OFFSET + offset;
    long i = 0;
    for (; i + Long.BYTES <= length; i += Long.BYTES) {
      if (UNSAFE.getLong(a, first + i) != getLong(b + i)) {
        return false;
      }
    }
    for (; i < length; i++) {
      if (UNSAFE.getByte(a, first + i) != getByte(b + i)) {
        return false;
      }
    }
    return true;
  }

  /** The range as a segment of unlimited lifetime, for channels and bulk operations. */
  public static MemorySegment segment(long address, long length) {
    return Segment.ALL.asSlice(address, length);
  }

  /** Made where somebody needs it. */
  private static final class Segment {
    static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private Segment() {}
  }
}
