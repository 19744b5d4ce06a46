package dev.pollux.devices.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/**
 * ACPI machine language (ACPI specification 6.5, chapter 20): each method returns the encoding of
 * one term, made from the encodings of its parts. Names are ACPI paths such as {@code \_SB} or
 * {@code COM1}.
 */
public final class AmlBuilder {
  private AmlBuilder() {}

  private static final int ZERO_OP = 0x00;
  private static final int ONE_OP = 0x01;
  private static final int NAME_OP = 0x08;
  private static final int BYTE_PREFIX = 0x0a;
  private static final int WORD_PREFIX = 0x0b;
  private static final int DWORD_PREFIX = 0x0c;
  private static final int STRING_PREFIX = 0x0d;
  private static final int QWORD_PREFIX = 0x0e;
  private static final int SCOPE_OP = 0x10;
  private static final int BUFFER_OP = 0x11;
  private static final int PACKAGE_OP = 0x12;
  private static final int METHOD_OP = 0x14;
  private static final int DUAL_NAME_PREFIX = 0x2e;
  private static final int MULTI_NAME_PREFIX = 0x2f;
  private static final int EXT_PREFIX = 0x5b;
  private static final int ARG0_OP = 0x68;
  private static final int STORE_OP = 0x70;
  private static final int DEVICE_OP = 0x82;

  /** Concatenates terms. */
  public static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  /** Concatenates terms. */
  public static byte[] concat(List<byte[]> parts) {
    return concat(parts.toArray(byte[][]::new));
  }

  private static byte[] bytes(int... values) {
    byte[] result = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = (byte) values[i];
    }
    return result;
  }

  private static byte[] little(long value, int size) {
    byte[] result = new byte[size];
    for (int i = 0; i < size; i++) {
      result[i] = (byte) (value >>> i * 8);
    }
    return result;
  }

  public static byte[] integer(long value) {
    if (value == 0) {
      return bytes(ZERO_OP);
    } else if (value == 1) {
      return bytes(ONE_OP);
    } else if (value >>> 8 == 0) {
      return concat(bytes(BYTE_PREFIX), little(value, 1));
    } else if (value >>> 16 == 0) {
      return concat(bytes(WORD_PREFIX), little(value, 2));
    } else if (value >>> 32 == 0) {
      return concat(bytes(DWORD_PREFIX), little(value, 4));
    }
    return concat(bytes(QWORD_PREFIX), little(value, 8));
  }

  public static byte[] string(String ascii) {
    return concat(bytes(STRING_PREFIX), ascii.getBytes(StandardCharsets.US_ASCII), bytes(0));
  }

  /** A compressed EISA id such as {@code PNP0501}. */
  public static byte[] eisaId(String id) {
    int letters = (id.charAt(0) - 0x40) << 10 | (id.charAt(1) - 0x40) << 5 | (id.charAt(2) - 0x40);
    int value = letters << 16 | Integer.parseInt(id.substring(3), 16);
    return concat(
        bytes(DWORD_PREFIX), little(Integer.toUnsignedLong(Integer.reverseBytes(value)), 4));
  }

  /**
   * A name string: segments of at most four characters, separated by dots, after an optional
   * backslash.
   */
  public static byte[] path(String path) {
    boolean root = path.startsWith("\\");
    String[] segments = path.substring(root ? 1 : 0).split("\\.", -1);
    StringBuilder names = new StringBuilder();
    for (String segment : segments) {
      names.append((segment + "____"), 0, 4);
    }
    byte[] prefix =
        switch (segments.length) {
          case 1 -> bytes();
          case 2 -> bytes(DUAL_NAME_PREFIX);
          default -> bytes(MULTI_NAME_PREFIX, segments.length);
        };
    byte[] encoded = names.toString().toUpperCase(Locale.ROOT).getBytes(StandardCharsets.US_ASCII);
    return concat(root ? bytes('\\') : bytes(), prefix, encoded);
  }

  /** Puts the length before a body (20.2.4); the length counts itself. */
  private static byte[] withLength(byte[] body) {
    int length = body.length + 1;
    if (length < 0x40) {
      return concat(bytes(length), body);
    }
    int extra = length + 1 < 1 << 12 ? 1 : length + 2 < 1 << 20 ? 2 : 3;
    length += extra;
    byte[] lead = new byte[1 + extra];
    lead[0] = (byte) (extra << 6 | length & 15);
    for (int i = 1; i <= extra; i++) {
      lead[i] = (byte) (length >>> 8 * i - 4);
    }
    return concat(lead, body);
  }

  public static byte[] name(String name, byte[] object) {
    return concat(bytes(NAME_OP), path(name), object);
  }

  public static byte[] scope(String name, byte[]... body) {
    return concat(bytes(SCOPE_OP), withLength(concat(path(name), concat(body))));
  }

  public static byte[] device(String name, byte[]... body) {
    return concat(bytes(EXT_PREFIX, DEVICE_OP), withLength(concat(path(name), concat(body))));
  }

  /**
   * @param arguments number of arguments, 0 to 7
   */
  public static byte[] method(String name, int arguments, byte[]... body) {
    return concat(bytes(METHOD_OP), withLength(concat(path(name), bytes(arguments), concat(body))));
  }

  /** A package of at most 255 elements. */
  public static byte[] packageOf(byte[]... elements) {
    return concat(bytes(PACKAGE_OP), withLength(concat(bytes(elements.length), concat(elements))));
  }

  public static byte[] buffer(byte[] content) {
    return concat(bytes(BUFFER_OP), withLength(concat(integer(content.length), content)));
  }

  public static byte[] argument(int n) {
    return bytes(ARG0_OP + n);
  }

  public static byte[] store(byte[] source, byte[] target) {
    return concat(bytes(STORE_OP), source, target);
  }

  /** Ends a method with a value. */
  public static byte[] returns(byte[] value) {
    return concat(bytes(0xa4), value);
  }

  public static byte[] and(byte[] a, byte[] b) {
    return concat(bytes(0x7b), a, b, bytes(0));
  }

  /** Stores {@code a | b} in a target. */
  public static byte[] or(byte[] a, byte[] b, byte[] target) {
    return concat(bytes(0x7d), a, b, target);
  }

  public static byte[] shiftLeft(byte[] value, byte[] bits) {
    return concat(bytes(0x79), value, bits, bytes(0));
  }

  public static byte[] lessThan(byte[] a, byte[] b) {
    return concat(bytes(0x95), a, b);
  }

  public static byte[] equal(byte[] a, byte[] b) {
    return concat(bytes(0x93), a, b);
  }

  public static byte[] ifTrue(byte[] condition, byte[]... body) {
    return concat(bytes(0xa0), withLength(concat(condition, concat(body))));
  }

  public static byte[] notify(byte[] object, byte[] value) {
    return concat(bytes(0x86), object, value);
  }

  /** A call of a method. */
  public static byte[] call(String name, byte[]... arguments) {
    return concat(path(name), concat(arguments));
  }

  public static byte[] mutex(String name) {
    return concat(bytes(EXT_PREFIX, 0x01), path(name), bytes(0));
  }

  /** Waits for a mutex without an end. */
  public static byte[] acquire(String name) {
    return concat(bytes(EXT_PREFIX, 0x23), path(name), little(0xffff, 2));
  }

  public static byte[] release(String name) {
    return concat(bytes(EXT_PREFIX, 0x27), path(name));
  }

  /** Where a region's registers are (19.6.100). */
  public enum RegionSpace {
    MEMORY,
    IO,
    PCI_CONFIG
  }

  public static byte[] operationRegion(String name, RegionSpace space, long offset, long size) {
    return concat(
        bytes(EXT_PREFIX, 0x80),
        path(name),
        bytes(space.ordinal()),
        integer(offset),
        integer(size));
  }

  /**
   * Names fields of a region, one after the other.
   *
   * @param accessBytes 1, 2 or 4
   * @param bits of each field, below 64
   */
  public static byte[] fields(String region, int accessBytes, int bits, String... names) {
    byte[] list = {};
    for (String name : names) {
      list = concat(list, path(name), bytes(bits));
    }
    int access = accessBytes == 4 ? 3 : accessBytes;
    int writeAsZeros = 2 << 5;
    return concat(
        bytes(EXT_PREFIX, 0x81),
        withLength(concat(path(region), bytes(access | writeAsZeros), list)));
  }

  /** Names a double word of a buffer. */
  public static byte[] doubleWordField(byte[] buffer, long offset, String name) {
    return concat(bytes(0x8a), buffer, integer(offset), path(name));
  }

  // ---- resource descriptors (6.4) ----

  /** Buses that a host bridge decodes. */
  public static byte[] busNumbers(int first, int last) {
    return concat(
        bytes(0x88, 0x0d, 0, 2, 0x0c, 0),
        little(0, 2),
        little(first, 2),
        little(last, 2),
        little(0, 2),
        little(last - first + 1, 2));
  }

  /** Ports that a host bridge passes down. */
  public static byte[] portWindow(int first, int last) {
    return concat(
        bytes(0x88, 0x0d, 0, 1, 0x0c, 3),
        little(0, 2),
        little(first, 2),
        little(last, 2),
        little(0, 2),
        little(last - first + 1, 2));
  }

  /** Memory below 4 GiB that a host bridge passes down. */
  public static byte[] memoryWindow32(long first, long last) {
    return concat(
        bytes(0x87, 0x17, 0, 0, 0x0c, 1),
        little(0, 4),
        little(first, 4),
        little(last, 4),
        little(0, 4),
        little(last - first + 1, 4));
  }

  /** Memory anywhere that a host bridge passes down; prefetchable. */
  public static byte[] memoryWindow64(long first, long last) {
    return concat(
        bytes(0x8a, 0x2b, 0, 0, 0x0c, 3),
        little(0, 8),
        little(first, 8),
        little(last, 8),
        little(0, 8),
        little(last - first + 1, 8));
  }

  /** Level-triggered, active-high interrupts that may be shared. */
  public static byte[] sharedInterrupts(int... numbers) {
    byte[] list = {};
    for (int number : numbers) {
      list = concat(list, little(number, 4));
    }
    return concat(bytes(0x89), little(2 + list.length, 2), bytes(0x09, numbers.length), list);
  }

  /** A buffer of resource descriptors with its end tag. */
  public static byte[] resources(byte[]... descriptors) {
    return buffer(concat(concat(descriptors), bytes(0x79, 0)));
  }

  /** I/O ports with 16-bit decoding. */
  public static byte[] ports(int first, int count) {
    return concat(bytes(0x47, 1), little(first, 2), little(first, 2), bytes(1, count));
  }

  /** An edge-triggered, active-high interrupt. */
  public static byte[] irq(int irq) {
    return concat(bytes(0x22), little(1L << irq, 2));
  }

  /** Memory at a fixed address. */
  public static byte[] memory(long address, long size) {
    return concat(bytes(0x86, 9, 0, 0), little(address, 4), little(size, 4));
  }
}
