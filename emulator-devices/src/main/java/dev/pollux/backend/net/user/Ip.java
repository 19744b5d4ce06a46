package dev.pollux.backend.net.user;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;

/**
 * An IP address. One of IPv4 is held as IPv6 maps it ({@code ::ffff:a.b.c.d}, RFC 4291, 2.5.5.2).
 *
 * @param high upper and {@code low} lower 64 bits
 */
record Ip(long high, long low) {
  private static final long MAPPED = 0xffff_0000_0000L;

  static final Ip ANY4 = v4(0);
  static final Ip BROADCAST4 = v4(-1);

  static Ip v4(int address) {
    return new Ip(0, MAPPED | (address & 0xffff_ffffL));
  }

  /**
   * Reads an address of a packet.
   *
   * @param bytes 4 or 16
   */
  static Ip read(ByteBuffer from, int at, int bytes) {
    return bytes == 4 ? v4(from.getInt(at)) : new Ip(from.getLong(at), from.getLong(at + 8));
  }

  static Ip of(InetAddress address) {
    byte[] bytes = address.getAddress();
    return read(ByteBuffer.wrap(bytes), 0, bytes.length);
  }

  boolean isIpv4() {
    return high == 0 && low >>> 32 == 0xffff;
  }

  /** Bytes in a packet. */
  int bytes() {
    return isIpv4() ? 4 : 16;
  }

  /** The 32 bits of an IPv4 address. */
  int v4() {
    return (int) low;
  }

  void write(ByteBuffer to, int at) {
    if (isIpv4()) {
      to.putInt(at, v4());
    } else {
      to.putLong(at, high).putLong(at + 8, low);
    }
  }

  InetAddress toInetAddress() {
    ByteBuffer bytes = ByteBuffer.allocate(bytes());
    write(bytes, 0);
    try {
      return InetAddress.getByAddress(bytes.array());
    } catch (UnknownHostException e) {
      throw new IllegalStateException("an address has 4 or 16 bytes", e);
    }
  }

  boolean isMulticast() {
    return isIpv4() ? v4() >>> 28 == 14 : high >>> 56 == 0xff;
  }

  boolean isLinkLocal() {
    return isIpv4() ? v4() >>> 16 == 0xa9fe : high >>> 54 == 0xfe80 >>> 6;
  }

  boolean isUnspecified() {
    return isIpv4() ? v4() == 0 : high == 0 && low == 0;
  }

  /**
   * Whether both lie in one network.
   *
   * @param prefix bits of the network's number: 0 to 32 or 0 to 128
   */
  boolean sameNetwork(Ip other, int prefix) {
    if (isIpv4() != other.isIpv4()) {
      return false;
    }
    int bits = isIpv4() ? prefix + 96 : prefix;
    long highMask = bits >= 64 ? -1 : bits == 0 ? 0 : -1L << (64 - bits);
    long lowMask = bits <= 64 ? 0 : -1L << (128 - bits);
    return ((high ^ other.high) & highMask) == 0 && ((low ^ other.low) & lowMask) == 0;
  }

  /** The address with its lower part replaced. */
  Ip withHost(int prefix, long host) {
    int bits = isIpv4() ? 32 - prefix : 128 - prefix;
    long mask = bits >= 64 ? -1 : (1L << bits) - 1;
    return new Ip(high, low & ~mask | host & mask);
  }

  @Override
  public String toString() {
    return toInetAddress().getHostAddress();
  }
}
