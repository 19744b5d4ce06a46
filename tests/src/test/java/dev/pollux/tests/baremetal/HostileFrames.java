package dev.pollux.tests.baremetal;

import dev.pollux.backend.net.Checksum;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;

/**
 * Frames for the router of a user network, each with a lie in it: in lengths, offsets, options,
 * fragments, or anywhere. They go to the router, to a port of the host that the test gives and, a
 * few, to the host's name server; to nobody else.
 */
final class HostileFrames {
  /** Bytes of the header that virtio-net has in front of a frame. */
  static final int HEADER = 12;

  /** Behind all addresses and ports that say where a frame goes. */
  static final int FREE = 54;

  private static final int ROUTER = 0x0a00_0202;
  private static final int NAMES = 0x0a00_0203;
  private static final int GUEST = 0x0a00_020f;
  private static final int IPV4 = 34;
  private static final int IPV6 = 54;
  private static final byte[] MACS = HexFormat.of().parseHex("525500000202525400123456");
  private static final byte[] GUEST6 = HexFormat.of().parseHex("fe80000000000000505400fffe123456");
  private static final byte[] ROUTERS6 =
      HexFormat.of().parseHex("ff020000000000000000000000000002");
  private static final byte[] DHCP6 = HexFormat.of().parseHex("ff020000000000000000000000010002");

  private static final int[] TCP_KINDS = {0, 1, 2, 3, 4, 5, 8, 254};
  private static final int[] FLAGS = {0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x12, 0x3f};

  private final Random random;
  private final int port;
  private final List<Supplier<byte[]>> kinds =
      List.of(
          this::arp,
          this::fragment,
          this::tcp,
          this::tcp,
          this::dhcp,
          this::names,
          this::tftp,
          this::icmp,
          this::icmp6,
          this::dhcp6,
          this::extensions,
          this::anything);

  /**
   * @param port of TCP and UDP, on the host
   */
  HostileFrames(Random random, int port) {
    this.random = random;
    this.port = port;
  }

  /** The next one. */
  byte[] frame() {
    return kinds.get(random.nextInt(kinds.size())).get();
  }

  /** A header for a frame: nothing to do, an honest sum, an honest segmentation, or any bytes. */
  byte[] header(byte[] frame) {
    byte[] header = new byte[HEADER];
    boolean tcp = frame.length > 23 && frame[23] == 6;
    ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    switch (random.nextInt(8)) {
      case 0, 1, 2, 3 -> {}
      case 4 -> fields.put(0, (byte) 1).putShort(6, (short) 34).putShort(8, (short) (tcp ? 16 : 6));
      case 5 -> {
        fields.put((byte) 1).put((byte) 1).putShort((short) 54);
        fields.putShort((short) random.nextInt(1500)).putShort((short) 34).putShort((short) 16);
      }
      default -> random.nextBytes(header);
    }
    return header;
  }

  /** Is that so once in so many times? */
  private boolean once(int in) {
    return random.nextInt(in) == 0;
  }

  private byte[] bytes(int most) {
    byte[] bytes = new byte[random.nextInt(most + 1)];
    random.nextBytes(bytes);
    return bytes;
  }

  /** A number, or a lie. */
  private short honest(int number, int in) {
    return (short) (once(in) ? random.nextInt() : number);
  }

  private byte[] arp() {
    ByteBuffer out = ByteBuffer.allocate(42 + random.nextInt(20)).put(MACS);
    out.putShort((short) 0x806).putShort(honest(1, 4)).putShort(honest(0x800, 4));
    out.putShort(honest(0x604, 4)).putShort((short) random.nextInt(4));
    out.put(MACS, 6, 6).putInt(once(2) ? GUEST : once(2) ? ROUTER : random.nextInt());
    out.putShort((short) random.nextInt()).putInt(random.nextInt()).putInt(ROUTER);
    return cut(out.array());
  }

  private byte[] cut(byte[] frame) {
    return once(8) ? Arrays.copyOf(frame, 14 + random.nextInt(frame.length - 13)) : frame;
  }

  /** An IPv4 packet; its sum and that of its payload are right most of the time. */
  private byte[] ipv4(int protocol, int to, int fragment, byte[] payload) {
    ByteBuffer out = ByteBuffer.allocate(IPV4 + payload.length).put(MACS).putShort((short) 0x800);
    out.put((byte) (once(24) ? 0x40 | random.nextInt(16) : 0x45)).put((byte) 0);
    out.putShort(honest(20 + payload.length, 12)).putShort((short) random.nextInt(3));
    out.putShort((short) fragment).put((byte) honest(64, 24)).put((byte) protocol);
    out.putShort((short) 0).putInt(once(40) ? 0 : GUEST).putInt(to).put(payload);
    int field = IPV4 + (protocol == 6 ? 16 : 2);
    if (protocol != 17 && fragment == 0 && payload.length >= 20 && !once(8)) {
      out.putShort(field, (short) 0);
      long sum = protocol == 6 ? Checksum.pseudo(out, 26, 8, protocol, payload.length) : 0;
      sum = Checksum.add(sum, out, IPV4, payload.length);
      out.putShort(field, (short) ~Checksum.fold(sum));
    }
    if (!once(12)) {
      out.putShort(24, (short) Checksum.of(out, 14, 20));
    }
    return cut(out.array());
  }

  /** Overlapping, beyond the end, or never ended: all are of a few packets. */
  private byte[] fragment() {
    int more = once(8) ? 0 : 0x2000;
    int offset = random.nextInt(once(4) ? 0x2000 : 32);
    byte[] payload = bytes(once(8) ? 1400 : 64);
    if (payload.length >= 4) {
      ByteBuffer.wrap(payload).putShort(2, (short) port);
    }
    return ipv4(once(2) ? 17 : 1, ROUTER, more | offset, payload);
  }

  private byte[] tcp() {
    byte[] options = options();
    ByteBuffer out = ByteBuffer.allocate(20 + options.length + random.nextInt(64));
    out.putShort((short) (4000 + random.nextInt(16))).putShort((short) port);
    out.putInt(random.nextInt(3) * 1000).putInt(random.nextInt());
    int words = once(4) ? random.nextInt(16) : 5 + options.length / 4;
    out.put((byte) (words << 4)).put((byte) FLAGS[random.nextInt(FLAGS.length)]);
    out.putShort((short) random.nextInt()).putInt(honest(0, 8)).put(options);
    return ipv4(6, ROUTER, 0, out.array());
  }

  /** Options that overlap, are empty, or go on behind the header. */
  private byte[] options() {
    byte[] options = new byte[4 * random.nextInt(11)];
    for (int at = 0; at < options.length; ) {
      options[at++] = (byte) TCP_KINDS[random.nextInt(TCP_KINDS.length)];
      if (at < options.length) {
        options[at++] = (byte) (once(3) ? random.nextInt() : random.nextInt(12));
      }
      at += random.nextInt(9);
    }
    return options;
  }

  private byte[] udp(int to, int from, int port, int lies, byte[] payload) {
    ByteBuffer out = ByteBuffer.allocate(8 + payload.length);
    out.putShort((short) from).putShort((short) port).putShort(honest(out.capacity(), lies));
    return ipv4(17, to, 0, out.putShort((short) 0).put(payload).array());
  }

  private byte[] dhcp() {
    ByteBuffer out = ByteBuffer.allocate(240 + random.nextInt(80));
    out.putInt(0x0101_0600).putInt(random.nextInt()).putInt(random.nextInt(1 << 16));
    out.position(28).put(MACS, 6, 6).position(236).putInt(once(8) ? 0 : 0x6382_5363);
    while (out.remaining() > 3) {
      out.put((byte) (once(3) ? 53 : random.nextInt()))
          .put((byte) random.nextInt(once(4) ? 256 : 9));
      out.put((byte) random.nextInt(9)).position(Math.min(out.limit(), out.position() + 2));
    }
    return udp(ROUTER, 68, 67, 8, out.array());
  }

  /** Names that lead to themselves; hardly any has an honest length and goes to a name server. */
  private byte[] names() {
    ByteBuffer out = ByteBuffer.allocate(12 + random.nextInt(60));
    out.putShort((short) random.nextInt()).putShort((short) 0x0100).putShort(honest(1, 4));
    while (out.remaining() >= 2) {
      out.putShort((short) (0xc000 | random.nextInt(32)));
    }
    return udp(NAMES, 5000, 53, once(16) ? 8 : 1, out.array());
  }

  private byte[] tftp() {
    ByteBuffer out =
        ByteBuffer.allocate(2 + random.nextInt(100)).putShort((short) random.nextInt(8));
    while (out.hasRemaining()) {
      out.put((byte) (once(6) ? 0 : "../octet".charAt(random.nextInt(8))));
    }
    return udp(ROUTER, 6000 + random.nextInt(4), 69, 8, out.array());
  }

  /** Echoes, and errors about packets that are not there. */
  private byte[] icmp() {
    ByteBuffer out = ByteBuffer.allocate(8 + random.nextInt(once(8) ? 1400 : 60));
    out.put((byte) (once(2) ? 8 : random.nextInt(20)))
        .put((byte) random.nextInt(4))
        .putShort((short) 0);
    out.putInt(1);
    if (out.remaining() > 20 && once(2)) {
      out.putInt(0x4f00_ffff).putInt(0).putInt(0x4006_0000).putInt(ROUTER).putInt(GUEST);
    }
    return ipv4(1, ROUTER, 0, out.array());
  }

  private byte[] ipv6(int next, byte[] to, byte[] payload) {
    ByteBuffer out = ByteBuffer.allocate(IPV6 + payload.length).put(MACS).putShort((short) 0x86dd);
    out.putInt(0x6000_0000).putShort(honest(payload.length, 12)).put((byte) next).put((byte) 255);
    out.put(GUEST6).put(to).put(payload);
    int field = IPV6 + (next == 17 ? 6 : 2);
    if (payload.length >= 8 && !once(8)) {
      out.putShort(field, (short) 0);
      long sum = Checksum.pseudo(out, 22, 32, next, payload.length);
      out.putShort(field, (short) ~Checksum.fold(Checksum.add(sum, out, IPV6, payload.length)));
    }
    return cut(out.array());
  }

  /** Solicitations, advertisements and the like, with options of no length or too much. */
  private byte[] icmp6() {
    ByteBuffer out = ByteBuffer.allocate(8 + 8 * random.nextInt(8));
    out.put((byte) (once(8) ? random.nextInt() : 133 + random.nextInt(5))).put((byte) 0);
    out.position(8);
    while (out.hasRemaining()) {
      out.put((byte) random.nextInt(6)).put((byte) (once(2) ? 1 : random.nextInt(64)));
      out.putShort((short) random.nextInt()).putInt(random.nextInt());
    }
    return ipv6(58, ROUTERS6, out.array());
  }

  private byte[] dhcp6() {
    ByteBuffer out = ByteBuffer.allocate(12 + random.nextInt(80));
    out.putShort((short) 546).putShort((short) 547).putShort(honest(out.capacity(), 8));
    out.putShort((short) 0).putInt(0x0b00_0001);
    while (out.remaining() >= 4) {
      out.putShort((short) random.nextInt(40))
          .putShort((short) random.nextInt(once(4) ? 65536 : 8));
    }
    return ipv6(17, DHCP6, out.array());
  }

  /** Headers in front of headers, of any length; fragments among them. */
  private byte[] extensions() {
    int[] next = {0, 43, 44, 60, 51, 59, 58};
    ByteBuffer out = ByteBuffer.allocate(8 * (1 + random.nextInt(12)));
    while (out.hasRemaining()) {
      out.put((byte) next[random.nextInt(next.length)])
          .put((byte) random.nextInt(once(4) ? 256 : 2));
      out.putShort((short) random.nextInt()).putInt(random.nextInt(3));
    }
    return ipv6(next[random.nextInt(4)], ROUTERS6, out.array());
  }

  /** Any bytes of a type that means something, but neither IPv4 nor IPv6, which might leave. */
  private byte[] anything() {
    int[] types = {0x806, 0x8100, 0x88a8, 0x8035, 0x05dc, 0x88cc};
    ByteBuffer out = ByteBuffer.allocate(14 + random.nextInt(1500)).put(MACS);
    out.putShort((short) types[random.nextInt(types.length)]);
    out.put(Arrays.copyOf(bytes(1500), out.remaining()));
    return out.array();
  }

  /** What an honest guest sends: who has the router's address? */
  static byte[] honestArp() {
    ByteBuffer out = ByteBuffer.allocate(42).put(MACS).putShort((short) 0x806);
    out.putLong(0x0001_0800_0604_0001L).put(MACS, 6, 6).putInt(GUEST);
    return out.putShort((short) 0).putInt(0).putInt(ROUTER).array();
  }

  /**
   * An echo request for the router.
   *
   * @param identifier which comes back
   */
  static byte[] honestPing(int identifier) {
    ByteBuffer out = ByteBuffer.allocate(IPV4 + 8).put(MACS).putShort((short) 0x800);
    out.putInt(0x4500_001c).putInt(0).putInt(0x4001_0000).putInt(GUEST).putInt(ROUTER);
    out.putInt(0x0800_0000).putShort((short) identifier).putShort((short) 1);
    out.putShort(36, (short) Checksum.of(out, IPV4, 8));
    return out.putShort(24, (short) Checksum.of(out, 14, 20)).array();
  }
}
