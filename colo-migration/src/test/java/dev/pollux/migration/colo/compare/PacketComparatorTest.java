package dev.pollux.migration.colo.compare;

import static dev.pollux.migration.colo.compare.Packets.ACK;
import static dev.pollux.migration.colo.compare.Packets.FIN;
import static dev.pollux.migration.colo.compare.Packets.RST;
import static dev.pollux.migration.colo.compare.Packets.SYN;
import static dev.pollux.migration.colo.compare.Packets.tcp;
import static dev.pollux.migration.colo.compare.Packets.text;
import static dev.pollux.migration.colo.compare.Packets.udp;
import static dev.pollux.migration.colo.compare.Packets.withWindow;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The rules of the comparison, one by one, and then all together on random streams. */
class PacketComparatorTest {
  private final List<Frame> released = new ArrayList<>();
  private int wanted;
  private long now;
  private PacketComparator comparator = comparator(ComparisonSettings.DEFAULTS);

  private PacketComparator comparator(ComparisonSettings settings) {
    return new PacketComparator(
        settings,
        new PacketComparator.Output() {
          @Override
          public void release(Frame frame) {
            released.add(frame.copy());
          }

          @Override
          public void wantCheckpoint() {
            wanted++;
          }
        });
  }

  private static ComparisonSettings settings(long bytes, boolean all) {
    return new ComparisonSettings(
        Duration.ofSeconds(3), Duration.ofMillis(20), 1024, bytes, all, all);
  }

  private void primary(Frame... frames) {
    for (Frame frame : frames) {
      comparator.primary(frame, now);
    }
  }

  private void secondary(Frame... frames) {
    for (Frame frame : frames) {
      comparator.secondary(frame, now);
    }
  }

  private void assertState(int frames, int checkpoints, int held) {
    assertEquals(List.of(frames, checkpoints), List.of(released.size(), wanted));
    assertEquals(held, comparator.held());
  }

  // ---- what is not compared

  @Test
  void whatCannotBeComparedGoesOrIsDropped() {
    Frame arp = Packets.ethernet(Packet.TYPE_ARP, new byte[28]);
    Frame ipv6 = Packets.ethernet(Packet.TYPE_IPV6, new byte[60]);
    Frame tagged = Packets.ethernet(Packet.TYPE_VLAN, new byte[60]);
    Frame cut = Packets.ethernet(Packet.TYPE_IPV4, new byte[10]);
    primary(arp, ipv6, tagged, cut);
    secondary(arp, ipv6, tagged, cut);
    assertState(4, 0, 0);
  }

  @Test
  void ipv6AndTagsAreComparedWhereThatIsWanted() {
    comparator = comparator(settings(1 << 20, true));
    byte[] header = new byte[48];
    header[0] = 0x60;
    header[5] = 8;
    header[6] = Packet.UDP;
    Frame frame = Packets.ethernet(Packet.TYPE_IPV6, header);
    primary(frame);
    assertState(0, 0, 1);
    secondary(frame);
    assertState(1, 0, 0);
    byte[] inner = new byte[4 + header.length];
    inner[2] = (byte) 0x86;
    inner[3] = (byte) 0xdd;
    System.arraycopy(header, 0, inner, 4, header.length);
    Frame tagged = Packets.ethernet(Packet.TYPE_VLAN, inner);
    inner[1] = 7;
    primary(tagged);
    secondary(Packets.ethernet(Packet.TYPE_VLAN, inner));
    assertState(1, 0, 2);
    secondary(tagged);
    assertState(2, 0, 1);
  }

  // ---- datagrams

  @Test
  void datagramsMayComeInAnyOrder() {
    primary(udp(1, text("a")), udp(1, text("b")));
    assertState(0, 0, 2);
    secondary(Packets.otherHeader(udp(1, text("b"))));
    assertState(0, 1, 3); // "a" is not among what the secondary has said
    secondary(udp(1, text("a")));
    assertState(2, 1, 0);
    assertArrayEquals(text("a"), payloadOfUdp(released.getFirst()));
  }

  private static byte[] payloadOfUdp(Frame frame) {
    byte[] payload = new byte[frame.length() - 42];
    frame.data().get(42, payload);
    return payload;
  }

  @Test
  void datagramThatDiffersWaitsForACheckpoint() {
    primary(udp(1, text("a")));
    secondary(udp(1, text("x")));
    assertState(0, 1, 2);
    primary(udp(2, text("other")));
    secondary(udp(2, text("other")));
    assertState(1, 1, 2);
    comparator.checkpoint();
    assertState(2, 1, 0);
  }

  @Test
  void otherProtocolsAreComparedWhole() {
    Frame echo = Packets.other(Packet.ICMP, text("echo 123"));
    primary(echo);
    secondary(Packets.otherHeader(echo));
    assertState(1, 0, 0);
    Frame unknown = Packets.other(99, text("something"));
    primary(unknown);
    secondary(Packets.otherHeader(unknown));
    assertState(1, 1, 2);
  }

  // ---- TCP

  @Test
  void segmentGoesWhenTheSecondaryHasSaidTheSame() {
    primary(tcp(1000, 5, ACK, "hello"));
    assertState(0, 0, 1);
    secondary(Packets.otherHeader(tcp(1000, 6, ACK, "hello")));
    assertState(1, 0, 0);
  }

  /** A client that is told that its bytes have come keeps them no more: both must have them. */
  @Test
  void acknowledgementGoesWhenTheSecondaryHasGivenItToo() {
    primary(tcp(1000, 5, ACK, ""));
    secondary(tcp(1000, 4, ACK, ""));
    assertState(0, 0, 1);
    secondary(tcp(1000, 7, ACK, ""));
    assertState(1, 0, 0);
    primary(tcp(1000, 6, ACK, ""));
    primary(tcp(1000, 8, ACK, ""));
    assertState(2, 0, 1);
  }

  /** What a client sends beyond the room that the secondary has would be lost there. */
  @Test
  void acknowledgementGoesWithTheSmallerWindow() {
    primary(withWindow(0xfffe, tcp(1000, 5, ACK, "")));
    secondary(withWindow(1000, tcp(1000, 5, ACK, "")));
    assertWindows(1000);
    secondary(withWindow(400, tcp(1000, 9, ACK, "")));
    primary(withWindow(300, tcp(1000, 7, ACK, "")));
    assertWindows(1000, 300);
    primary(withWindow(500, tcp(1000, 9, ACK, "x"))); // goes as it is
    secondary(withWindow(100, tcp(1000, 9, ACK, "x")));
    assertWindows(1000, 300, 500);
  }

  @Test
  void acknowledgementGoesAgainWhenTheSecondaryHasMuchMoreRoom() {
    primary(withWindow(700, tcp(1000, 5, ACK, "")));
    secondary(withWindow(0, tcp(1000, 5, ACK, "")));
    secondary(withWindow(100, tcp(1000, 5, ACK, "")));
    secondary(withWindow(199, tcp(1000, 5, ACK, "")));
    secondary(withWindow(200, tcp(1000, 5, ACK, "")));
    secondary(withWindow(900, tcp(1000, 5, ACK, "")));
    secondary(withWindow(0, tcp(1000, 5, ACK, "")));
    secondary(withWindow(900, tcp(1000, 5, ACK, "")));
    assertWindows(0, 100, 200, 700);
    assertState(4, 0, 0);
    released.forEach(frame -> assertEquals(5, Packets.acknowledged(frame)));
  }

  /** The secondary has the primary's room then; and a new connection has nothing of an old one. */
  @Test
  void windowsAreForgottenWithWhatTheyWereOf() {
    primary(withWindow(700, tcp(1000, 5, ACK, "")));
    secondary(withWindow(3, tcp(1000, 5, ACK, "")));
    primary(withWindow(600, tcp(1000, 6, ACK, "")));
    comparator.checkpoint();
    primary(withWindow(500, tcp(1000, 6, ACK, "")));
    assertWindows(3, 700, 600, 500);
    secondary(withWindow(1, tcp(1000, 6, ACK, "")));
    primary(withWindow(400, tcp(1000, 6, ACK, "")));
    primary(withWindow(2, tcp(7000, 1, SYN | ACK, "")));
    secondary(withWindow(2, tcp(9000, 1, SYN | ACK, "")));
    primary(withWindow(300, tcp(7001, 1, ACK, "")));
    assertWindows(3, 700, 600, 500, 1, 2, 300);
  }

  private void assertWindows(int... windows) {
    assertArrayEquals(windows, released.stream().mapToInt(Packets::window).toArray());
    released.forEach(frame -> assertTrue(Packets.hasRightChecksum(frame)));
  }

  @Test
  void endOfAStreamIsComparedAsOneOfItsBytes() {
    primary(tcp(1000, 5, FIN | ACK, "ab"));
    secondary(tcp(1000, 5, ACK, "ab"));
    assertState(0, 0, 1);
    secondary(tcp(1002, 5, FIN | ACK, ""));
    assertState(1, 0, 0);
  }

  @Test
  void streamThatEndsDiffersFromOneThatGoesOn() {
    primary(tcp(1000, 5, FIN | ACK, ""));
    secondary(tcp(1000, 5, ACK, "x"));
    assertState(0, 1, 2);
  }

  @Test
  void resetWaitsForTheSecondarys() {
    primary(tcp(1000, 5, RST, ""));
    secondary(tcp(1000, 5, ACK, ""));
    assertState(0, 0, 1);
    secondary(tcp(77, 5, RST, ""));
    assertState(1, 0, 0);
  }

  @Test
  void connectionsOfTheGuestAreBegunByBoth() {
    primary(tcp(1000, 0, SYN, ""));
    assertState(0, 0, 1);
    secondary(tcp(77, 0, SYN, ""));
    assertState(1, 0, 0);
    primary(tcp(1000, 0, SYN, "")); // again
    assertState(2, 0, 0);
    primary(tcp(5000, 0, SYN, "")); // another, with the same ports
    secondary(tcp(77, 0, SYN, ""));
    assertState(2, 0, 1);
    secondary(tcp(78, 0, SYN, ""));
    assertState(3, 0, 0);
  }

  @Test
  void answerOfTheFasterSecondaryIsRemembered() {
    secondary(tcp(77, 5, SYN | ACK, ""));
    primary(tcp(1000, 5, SYN | ACK, ""));
    assertState(1, 0, 0);
    secondary(tcp(1001, 9, ACK, "x"));
    primary(tcp(1001, 9, ACK, "x"));
    assertState(2, 0, 0);
  }

  // ---- checkpoints with numbers

  @Test
  void nothingSaidAfterTheStateWasTakenGoesWithIt() {
    comparator.begin();
    comparator.mark(0);
    primary(udp(1, text("before")));
    comparator.taken(1);
    primary(udp(1, text("after")));
    comparator.received(1);
    assertState(1, 0, 1);
    secondary(udp(1, text("after"))); // of the old state, which was to be replaced
    assertState(1, 0, 1);
    comparator.mark(1);
    secondary(udp(1, text("after")));
    assertState(2, 0, 0);
  }

  @Test
  void whatTheOldStateSaysStillReleasesWhatWasSaidBefore() {
    comparator.begin();
    comparator.mark(0);
    primary(udp(1, text("x")));
    comparator.taken(1);
    primary(udp(1, text("x")));
    secondary(udp(1, text("x")), udp(1, text("x")));
    assertState(1, 0, 2); // the later one, and the secondary's second
    comparator.received(1);
    assertState(1, 0, 1);
    comparator.mark(1);
    assertState(1, 0, 1);
    comparator.taken(2);
    comparator.mark(2); // can only come when the state has
    assertState(2, 0, 0);
  }

  @Test
  void lostMarkIsMadeGoodByTheNextCheckpoint() {
    comparator.begin();
    comparator.mark(0);
    comparator.taken(1);
    comparator.received(1);
    primary(udp(1, text("x")));
    secondary(udp(1, text("x")));
    now = Duration.ofSeconds(4).toNanos();
    comparator.expire(now);
    assertState(0, 1, 1);
    comparator.taken(2);
    primary(udp(1, text("y")));
    comparator.mark(1); // too late to mean anything
    comparator.received(2);
    assertState(1, 1, 1);
    comparator.mark(2);
    secondary(udp(1, text("y")));
    assertState(2, 1, 0);
  }

  @Test
  void withoutAPairAllGoesAtOnce() {
    primary(udp(1, text("a")));
    comparator.goAlone();
    primary(udp(1, text("b")));
    secondary(udp(1, text("c")));
    assertState(2, 0, 0);
    comparator.begin();
    primary(udp(1, text("d")));
    assertState(2, 0, 1);
  }

  @Test
  void differentPayloadWantsACheckpoint() {
    primary(tcp(1000, 5, ACK, "hello"));
    secondary(tcp(1000, 5, ACK, "hallo"));
    assertState(0, 1, 2);
    comparator.checkpoint();
    assertState(1, 1, 0);
    assertArrayEquals(text("hello"), Packets.payload(released.getFirst()));
  }

  @Test
  void streamsMayBeCutDifferently() {
    primary(tcp(1000, 5, ACK, "hel"), tcp(1003, 5, ACK, "lo wor"), tcp(1009, 5, ACK, "ld"));
    secondary(tcp(1000, 5, ACK, "hello "));
    assertState(1, 0, 2);
    secondary(tcp(1006, 5, ACK, "world"));
    assertState(3, 0, 0);
  }

  @Test
  void numbersWrap() {
    primary(tcp(-3, 5, ACK, "abcdef"));
    secondary(tcp(-3, 5, ACK, "abc"));
    assertState(0, 0, 1);
    secondary(tcp(0, 5, ACK, "def"));
    assertState(1, 0, 0);
    primary(tcp(-3, 5, ACK, "abcdef")); // again: it was compared before
    secondary(tcp(3, 5, ACK, "g"));
    assertState(2, 0, 1);
  }

  /** The primary tells the client that it has something which the secondary has not. */
  @Test
  void acknowledgementWithBytesWaitsToo() {
    primary(tcp(1000, 50, ACK, "abc"));
    secondary(tcp(1000, 40, ACK, "abcdef"));
    assertState(0, 0, 2);
    secondary(tcp(1006, 50, ACK, "ghi"));
    assertState(1, 0, 2);
  }

  @Test
  void gapIsAwaitedRatherThanJumpedOver() {
    primary(tcp(999, 1, SYN | ACK, ""), tcp(1003, 5, ACK, "def"));
    secondary(tcp(77, 1, SYN | ACK, ""), tcp(1003, 5, ACK, "def"));
    assertState(1, 0, 2);
    primary(tcp(1000, 5, ACK, "abc"));
    secondary(tcp(1000, 5, ACK, "xyz"));
    assertEquals(1, wanted);
    assertEquals(1, released.size());
  }

  @Test
  void newConnectionDoesNotCarryTheOldOneOut() {
    primary(tcp(1000, 5, ACK, "secret"), tcp(900_000, 0, SYN, ""));
    secondary(tcp(500_000, 0, SYN, ""));
    assertEquals(0, released.size());
    assertTrue(wanted > 0);
  }

  @Test
  void whatWaitsTooLongWantsACheckpoint() {
    primary(tcp(1000, 5, ACK, "hello"));
    now = ComparisonSettings.DEFAULTS.patience().toNanos();
    comparator.expire(now);
    assertState(0, 0, 1);
    comparator.expire(now + 1);
    assertState(0, 1, 1);
    secondary(tcp(1000, 5, ACK, "hello"), tcp(1005, 5, ACK, "more"));
    assertState(1, 1, 1);
    comparator.expire(now + Duration.ofSeconds(3).toNanos());
    assertState(1, 1, 1);
    comparator.expire(now + Duration.ofSeconds(3).toNanos() + 1);
    assertState(1, 2, 1);
  }

  @Test
  void whereCheckpointsTakeLongMoreIsWaitedFor() {
    for (int cost : List.of(1, 100, 100_000)) {
      comparator = comparator(ComparisonSettings.DEFAULTS);
      wanted = 0;
      comparator.setCost(Duration.ofMillis(cost));
      long patience = Math.clamp(cost, 60, 600);
      now = 0;
      primary(udp(7, text("waits")));
      comparator.expire(Duration.ofMillis(patience).toNanos());
      assertEquals(0, wanted);
      comparator.expire(Duration.ofMillis(patience).toNanos() + 1);
      assertEquals(1, wanted, "a checkpoint takes ms " + cost);
    }
  }

  /** Where the secondary seldom says the same, a checkpoint is the quickest way out. */
  @Test
  void nothingIsWaitedForWhereBothSidesSeldomAgree() {
    for (int i = 0; i < 10; i++) {
      primary(udp(1, text("a")));
      comparator.checkpoint();
    }
    primary(udp(1, text("a")));
    comparator.expire(now + 1);
    assertState(10, 1, 1);
    for (int i = 0; i < 20; i++) {
      secondary(udp(1, text("a")));
      primary(udp(1, text("a")));
      comparator.checkpoint();
    }
    primary(udp(1, text("a")));
    comparator.expire(now + 1);
    assertEquals(1, wanted);
  }

  // ---- bounds

  @Test
  void queuesAreBounded() {
    for (int i = 0; i < 1100; i++) {
      primary(udp(1, text("x")));
      secondary(udp(2, text("y")));
    }
    assertEquals(2048, comparator.held());
    assertEquals(152, comparator.dropped());
  }

  @Test
  void memoryIsBounded() {
    comparator = comparator(settings(10_000, false));
    for (int port = 1; port < 100; port++) {
      primary(udp(port, new byte[1000]));
    }
    assertEquals(9, comparator.held());
    assertTrue(wanted > 0, "nobody waits for the timeout of others");
    comparator.checkpoint();
    assertState(9, wanted, 0);
  }

  @Test
  void conversationsAreBounded() {
    for (int i = 0; i < 20_000; i++) {
      primary(tcp(Packets.GUEST, Packets.CLIENT, i, 1, 1, ACK, text("x")));
    }
    assertEquals(16384, comparator.held());
    assertTrue(wanted > 0);
    assertEquals(0, released.size());
  }

  @Test
  void checkpointReleasesInTheOrderOfArrival() {
    for (int i = 0; i < 50; i++) {
      primary(udp(i % 7, new byte[] {(byte) i}));
    }
    comparator.checkpoint();
    for (int i = 0; i < 50; i++) {
      assertEquals(i, payloadOfUdp(released.get(i))[0]);
    }
  }

  // ---- all together

  /** One side of a connection: what it says, and how far it has said it at least once. */
  private static final class Stream {
    final byte[] bytes;
    final BitSet said = new BitSet();
    private final Random random;
    private int next;

    Stream(byte[] bytes, Random random) {
      this.bytes = bytes;
      this.random = random;
    }

    boolean isDone() {
      return next == bytes.length;
    }

    /** The next segment, or one that repeats some of what was said. */
    Frame segment(int first, int acknowledged) {
      int from = random.nextInt(4) == 0 && next > 0 ? random.nextInt(next) : next;
      int to = Math.min(bytes.length, from + 1 + random.nextInt(40));
      if (from <= next) {
        next = Math.max(next, to);
      }
      said.set(from, to);
      return tcp(first + from, acknowledged, ACK, Arrays.copyOfRange(bytes, from, to));
    }
  }

  @Test
  void nothingThatDiffersGoesWithoutACheckpoint() {
    for (int seed = 0; seed < 2000; seed++) {
      compareStreams(new Random(seed), seed);
    }
  }

  private void compareStreams(Random random, int seed) {
    comparator = comparator(ComparisonSettings.DEFAULTS);
    byte[] bytes = new byte[1 + random.nextInt(400)];
    random.nextBytes(bytes);
    byte[] others = bytes.clone();
    boolean differ = random.nextBoolean();
    if (differ) {
      others[random.nextInt(others.length)] ^= 1;
    }
    Stream ours = new Stream(bytes, random);
    Stream theirs = new Stream(others, random);
    int first = random.nextInt();
    released.clear();
    wanted = 0;
    comparator.primary(tcp(first - 1, 1, SYN | ACK, ""), 0);
    comparator.secondary(tcp(random.nextInt(), 1, SYN | ACK, ""), 0);
    while (!ours.isDone() || !theirs.isDone()) {
      if (theirs.isDone() || !ours.isDone() && random.nextBoolean()) {
        comparator.primary(ours.segment(first, 1), 0);
      } else {
        comparator.secondary(theirs.segment(first, 1), 0);
      }
      assertSaidByBoth(first, ours, theirs, seed);
    }
    if (!differ) {
      assertEquals(0, wanted, "seed " + seed);
      BitSet gone = new BitSet();
      for (Frame frame : released) {
        int from = Packets.sequence(frame) - first;
        int length = Packets.payload(frame).length;
        if (length > 0) {
          gone.set(from, from + length);
        }
      }
      // What was said last may wait for something to compare it with.
      assertEquals(bytes.length, gone.cardinality(), "seed " + seed);
    } else {
      assertTrue(wanted > 0, "seed " + seed);
    }
  }

  private void assertSaidByBoth(int first, Stream ours, Stream theirs, int seed) {
    for (Frame frame : released) {
      int from = Packets.sequence(frame) - first;
      byte[] payload = Packets.payload(frame);
      for (int i = 0; i < payload.length; i++) {
        assertTrue(theirs.said.get(from + i), "not said by the secondary, seed " + seed);
        assertEquals(theirs.bytes[from + i], payload[i], "seed " + seed);
        assertEquals(ours.bytes[from + i], payload[i], "seed " + seed);
      }
    }
  }
}
