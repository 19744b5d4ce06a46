package dev.pollux.backend.net;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The Internet checksum (RFC 1071): the one's complement of the one's complement sum. */
public final class Checksum {
  private Checksum() {}

  /**
   * Adds bytes to a sum that has not been folded yet. An odd last byte counts as the upper half of
   * a word, so only the last of several parts may be odd.
   *
   * @param data a big-endian buffer
   */
  public static long add(long sum, ByteBuffer data, int from, int length) {
    long total = sum;
    int at = from;
    int end = from + length;
    // A one's complement sum can be taken of larger words, and folded at the end.
    for (; at + 4 <= end; at += 4) {
      total += data.getInt(at) & 0xffff_ffffL;
    }
    if (at + 2 <= end) {
      total += data.getShort(at) & 0xffff;
      at += 2;
    }
    if (at < end) {
      total += (data.get(at) & 0xff) << 8;
    }
    return total;
  }

  /** The sum in 16 bits. */
  public static int fold(long sum) {
    long folded = (sum & 0xffff_ffffL) + (sum >>> 32);
    while (folded >>> 16 != 0) {
      folded = (folded & 0xffff) + (folded >>> 16);
    }
    return (int) folded;
  }

  /** The checksum of a range. */
  public static int of(ByteBuffer data, int from, int length) {
    assert data.order() == ByteOrder.BIG_ENDIAN;
    return ~fold(add(0, data, from, length)) & 0xffff;
  }

  /**
   * Keeps a checksum right where a part of what it covers changes (RFC 1624).
   *
   * @param at where the checksum lies
   * @param old 16 or 32 bits at an even distance from the start of what is covered
   * @param fresh what comes in their place
   */
  public static void replace(ByteBuffer data, int at, int old, int fresh) {
    long sum = (~data.getShort(at) & 0xffffL) + (~old & 0xffff_ffffL) + (fresh & 0xffff_ffffL);
    data.putShort(at, (short) ~fold(sum));
  }

  /**
   * The pseudo header's part of a sum (RFC 9293, 3.1; RFC 8200, 8.1).
   *
   * @param addresses where source and destination address lie, one behind the other
   * @param bytes of both addresses
   * @param protocol of the transport
   * @param length of transport header and payload
   */
  public static long pseudo(ByteBuffer data, int addresses, int bytes, int protocol, int length) {
    return add(protocol + (long) length, data, addresses, bytes);
  }
}
