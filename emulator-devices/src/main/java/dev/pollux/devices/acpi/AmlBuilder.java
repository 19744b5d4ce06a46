package dev.pollux.devices.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * ACPI machine language (ACPI specification 6.5, chapter 20): each method returns the encoding of
 * one term, made from the encodings of its parts. Names are ACPI paths such as {@code \_SB} or
 * {@code COM1}.
 */
final class AmlBuilder {
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
  static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
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

  static byte[] integer(long value) {
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

  static byte[] string(String ascii) {
    return concat(bytes(STRING_PREFIX), ascii.getBytes(StandardCharsets.US_ASCII), bytes(0));
  }

  /** A compressed EISA id such as {@code PNP0501}. */
  static byte[] eisaId(String id) {
    int letters = (id.charAt(0) - 0x40) << 10 | (id.charAt(1) - 0x40) << 5 | (id.charAt(2) - 0x40);
    int value = letters << 16 | Integer.parseInt(id.substring(3), 16);
    return concat(
        bytes(DWORD_PREFIX), little(Integer.toUnsignedLong(Integer.reverseBytes(value)), 4));
  }

  /**
   * A name string: segments of at most four characters, separated by dots, after an optional
   * backslash.
   */
  static byte[] path(String path) {
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

  static byte[] name(String name, byte[] object) {
    return concat(bytes(NAME_OP), path(name), object);
  }

  static byte[] scope(String name, byte[]... body) {
    return concat(bytes(SCOPE_OP), withLength(concat(path(name), concat(body))));
  }

  static byte[] device(String name, byte[]... body) {
    return concat(bytes(EXT_PREFIX, DEVICE_OP), withLength(concat(path(name), concat(body))));
  }

  /**
   * @param arguments number of arguments, 0 to 7
   */
  static byte[] method(String name, int arguments, byte[]... body) {
    return concat(bytes(METHOD_OP), withLength(concat(path(name), bytes(arguments), concat(body))));
  }

  /** A package of at most 255 elements. */
  static byte[] packageOf(byte[]... elements) {
    return concat(bytes(PACKAGE_OP), withLength(concat(bytes(elements.length), concat(elements))));
  }

  static byte[] buffer(byte[] content) {
    return concat(bytes(BUFFER_OP), withLength(concat(integer(content.length), content)));
  }

  static byte[] argument(int n) {
    return bytes(ARG0_OP + n);
  }

  static byte[] store(byte[] source, byte[] target) {
    return concat(bytes(STORE_OP), source, target);
  }

  // ---- resource descriptors (6.4) ----

  /** A buffer of resource descriptors with its end tag. */
  static byte[] resources(byte[]... descriptors) {
    return buffer(concat(concat(descriptors), bytes(0x79, 0)));
  }

  /** I/O ports with 16-bit decoding. */
  static byte[] ports(int first, int count) {
    return concat(bytes(0x47, 1), little(first, 2), little(first, 2), bytes(1, count));
  }

  /** An edge-triggered, active-high interrupt. */
  static byte[] irq(int irq) {
    return concat(bytes(0x22), little(1L << irq, 2));
  }

  /** Memory at a fixed address. */
  static byte[] memory(long address, long size) {
    return concat(bytes(0x86, 9, 0, 0), little(address, 4), little(size, 4));
  }
}
