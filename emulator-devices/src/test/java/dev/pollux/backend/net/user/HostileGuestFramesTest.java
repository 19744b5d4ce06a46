package dev.pollux.backend.net.user;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A guest that sends damaged frames, and segments that fit no connection. The network is restricted
 * to the host, so nothing leaves it.
 */
@Timeout(120)
class HostileGuestFramesTest {
  private static final String MACS = "525500000202" + "525400123456";

  /** An ARP request for the router, DHCP's DISCOVER, echo, a TCP SYN, and their like of IPv6. */
  private static final List<String> SEEDS =
      List.of(
          MACS
              + "0806"
              + "0001080006040001"
              + "525400123456"
              + "0a00020f"
              + "000000000000"
              + "0a000202",
          MACS + "0800" + "4500001c00004000400100000a00020f0a000202" + "0800000000010001",
          MACS
              + "0800"
              + "4500002800004000400600000a00020f0a000202"
              + "1000005000000001000000005002ffff00000000",
          MACS
              + "0800"
              + "4500002400002000401100000a00020f0a000202"
              + "1000004500100000"
              + "0001610062000000",
          MACS
              + "0800"
              + "4500002400004000401100000a00020f0a000202"
              + "1000004500100000"
              + "00016100006f0000",
          MACS
              + "86dd"
              + "6000000000083aff"
              + "fe80000000000000505400fffe123456"
              + "ff020000000000000000000000000002"
              + "8500000000000000",
          MACS
              + "86dd"
              + "6000000000183aff"
              + "fe80000000000000505400fffe123456"
              + "ff0200000000000000000001ff000002"
              + "8700000000000000fec00000000000000000000000000002",
          MACS
              + "86dd"
              + "6000000000101101"
              + "fe80000000000000505400fffe123456"
              + "ff020000000000000000000000010002"
              + "0222022300100000"
              + "0b00000100010000");

  private final ConcurrentLinkedQueue<byte[]> toGuest = new ConcurrentLinkedQueue<>();
  private UserNetwork network;

  @AfterEach
  void close() {
    network.close();
  }

  private void open(String options) {
    network = UserNetwork.of("n", DeviceOptions.parse("-netdev", options, ""));
    network.setRunning(true);
    network
        .link()
        .attachCard(
            new NetEnd() {
              @Override
              public int take(Frame[] frames, int count) {
                for (int i = 0; i < count; i++) {
                  byte[] bytes = new byte[frames[i].length()];
                  frames[i].data().get(frames[i].data().position(), bytes);
                  toGuest.add(bytes);
                }
                return count;
              }

              @Override
              public void resume() {}

              @Override
              public Offloads offloads() {
                return Offloads.NONE;
              }
            });
  }

  private void send(byte[] bytes) {
    ByteBuffer data = ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    network.link().fromCard(new Frame[] {new Frame(data)}, 1);
  }

  private void assertAnswersArp() {
    toGuest.clear();
    send(HexFormat.of().parseHex(SEEDS.getFirst()));
    assertTrue(
        toGuest.stream().anyMatch(frame -> frame.length >= 42 && frame[12] == 8 && frame[13] == 6),
        "the router answers ARP");
  }

  @Test
  void damagedFramesAreSurvived() {
    open("restrict=on");
    Random random = new Random(Long.getLong("net.fuzz.seed", 1));
    int rounds = Integer.getInteger("net.fuzz.rounds", 40_000);
    for (int i = 0; i < rounds; i++) {
      send(damaged(random));
      if (i % 1000 == 0) {
        toGuest.clear();
      }
    }
    assertAnswersArp();
  }

  /** A packet of IPv4 from the guest, its fragment field and hops as given. */
  private static byte[] packet(String target, int fragment, int hops, int protocol, byte[] data) {
    ByteBuffer out = ByteBuffer.allocate(34 + data.length);
    out.put(HexFormat.of().parseHex(MACS + "0800"));
    out.putShort((short) 0x4500).putShort((short) (20 + data.length)).putShort((short) 1);
    out.putShort((short) fragment).put((byte) hops).put((byte) protocol).putShort((short) 0);
    out.put(HexFormat.of().parseHex("0a00020f" + target));
    out.putShort(24, (short) Checksum.of(out, 14, 20));
    return out.put(data).array();
  }

  private List<Integer> icmpTypes() {
    return toGuest.stream().filter(f -> f[23] == 1).map(f -> (int) f[34]).toList();
  }

  @Test
  void noReportIsMadeOnReports() {
    open("restrict=on");
    send(packet("c0000201", 0, 1, 1, HexFormat.of().parseHex("0800f7fe00010000")));
    assertEquals(List.of(11), icmpTypes());
    for (String report : List.of("0301fcfe00000000", "0b00f4ff00000000", "0c00f3ff00000000")) {
      send(packet("c0000201", 0, 1, 1, HexFormat.of().parseHex(report)));
    }
    assertEquals(List.of(11), icmpTypes());
  }

  @Test
  void theLongestPingIsAnswered() {
    open("restrict=on");
    ByteBuffer echo = ByteBuffer.allocate(65535 - 20).putShort(0, (short) 0x0800);
    echo.putShort(2, (short) Checksum.of(echo, 0, echo.limit()));
    for (int at = 0; at < echo.limit(); at += 1480) {
      int length = Math.min(1480, echo.limit() - at);
      byte[] part = new byte[length];
      echo.get(at, part);
      int more = at + length < echo.limit() ? 0x2000 : 0;
      send(packet("0a000202", at / 8 | more, 64, 1, part));
    }
    assertEquals(
        echo.limit(), toGuest.stream().filter(f -> f[23] == 1).mapToInt(f -> f.length - 34).sum());
  }

  private static byte[] damaged(Random random) {
    byte[] seed = HexFormat.of().parseHex(SEEDS.get(random.nextInt(SEEDS.size())));
    byte[] frame = new byte[random.nextInt(4) == 0 ? random.nextInt(1600) : seed.length];
    random.nextBytes(frame);
    System.arraycopy(seed, 0, frame, 0, Math.min(seed.length, frame.length));
    for (int n = random.nextInt(6); n > 0 && frame.length > 12; n--) {
      frame[12 + random.nextInt(frame.length - 12)] = (byte) random.nextInt();
    }
    return frame;
  }

  @Test
  void segmentsThatFitNothingAreSurvived() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    open("restrict=on,hostfwd=tcp:127.0.0.1:%d-:80".formatted(port));
    assertAnswersArp();
    Random random = new Random(Long.getLong("net.fuzz.seed", 2));
    for (int i = 0; i < 100; i++) {
      attack(port, random);
    }
    assertAnswersArp();
    assertTrue(network.flows() <= 101, "connections: " + network.flows());
  }

  /** Lets somebody call the guest, which answers the call and then sends what it likes. */
  private void attack(int port, Random random) throws IOException {
    try (Socket client = new Socket()) {
      toGuest.clear();
      client.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 5000);
      client.getOutputStream().write(new byte[random.nextInt(3000)]);
      byte[] syn = awaitSyn();
      ByteBuffer in = ByteBuffer.wrap(syn);
      int peerPort = in.getShort(34) & 0xffff;
      int theirs = in.getInt(38) + 1;
      int ours = random.nextInt();
      send(segment(peerPort, ours, theirs, 0x12, new byte[0]));
      for (int n = 0; n < 60; n++) {
        int sequence =
            ours + 1 + (random.nextInt(6000) - 2000 << (random.nextInt(9) == 0 ? 20 : 0));
        int acknowledged = theirs + random.nextInt(4000) - 500;
        byte[] payload = new byte[random.nextInt(1400)];
        int flags = random.nextInt(3) == 0 ? random.nextInt(64) & ~4 : 0x10;
        send(segment(peerPort, sequence, acknowledged, flags, payload));
      }
      send(segment(peerPort, ours + 1, theirs, 0x04, new byte[0]));
    }
  }

  private byte[] awaitSyn() {
    while (true) {
      byte[] frame = toGuest.poll();
      if (frame == null) {
        Thread.onSpinWait();
      } else if (frame.length >= 54 && frame[23] == 6 && frame[47] == 2) {
        return frame;
      }
    }
  }

  private static byte[] segment(
      int peerPort, int sequence, int acknowledged, int flags, byte[] payload) {
    ByteBuffer out = ByteBuffer.allocate(54 + payload.length);
    out.put(HexFormat.of().parseHex(MACS + "0800"));
    out.putInt(0x4500_0000 | 40 + payload.length).putInt(0x4000).putInt(0x4006_0000);
    out.putInt(0x0a00020f).putInt(0x0a000202);
    out.putShort((short) 80).putShort((short) peerPort).putInt(sequence).putInt(acknowledged);
    out.putShort((short) (0x5000 | flags)).putShort((short) 0xffff).putInt(0).put(payload);
    int length = 20 + payload.length;
    long pseudo = Checksum.pseudo(out, 26, 8, 6, length);
    out.putShort(50, (short) ~Checksum.fold(Checksum.add(pseudo, out, 34, length)));
    return out.array();
  }

  @Test
  void restrictedNetworkLetsNothingOut() throws IOException {
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      server.setSoTimeout(300);
      open("restrict=on");
      ByteBuffer syn = ByteBuffer.wrap(segment(server.getLocalPort(), 1, 0, 2, new byte[0]));
      send(syn.array());
      byte[] reply = awaitTcp();
      assertEquals(0x14, reply[47], "the guest's call is refused at once");
      try (Socket socket = server.accept()) {
        throw new AssertionError("somebody came: " + socket);
      } catch (java.net.SocketTimeoutException e) {
        assertEquals(0, network.flows());
      }
    }
  }

  private byte[] awaitTcp() {
    while (true) {
      byte[] frame = toGuest.poll();
      if (frame != null && frame.length >= 54 && frame[23] == 6) {
        return frame;
      }
      Thread.onSpinWait();
    }
  }
}
