package dev.pollux.migration.colo.compare;

import static dev.pollux.migration.colo.compare.Packets.ACK;
import static dev.pollux.migration.colo.compare.Packets.FIN;
import static dev.pollux.migration.colo.compare.Packets.RST;
import static dev.pollux.migration.colo.compare.Packets.SYN;
import static dev.pollux.migration.colo.compare.Packets.fromClient;
import static dev.pollux.migration.colo.compare.Packets.tcp;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.net.Frame;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A client that knows the primary's numbers talks to a guest that has chosen others. */
class SequenceRewriterTest {
  private static final int PRIMARY = 1000;
  private static final int SECONDARY = 0xffff_ff00;
  private static final int CLIENT = 77;

  private final SequenceRewriter rewriter = new SequenceRewriter();

  private Frame toGuest(Frame frame) {
    rewriter.towardsGuest(frame);
    assertTrue(Packets.hasRightChecksum(frame));
    return frame;
  }

  private Frame fromGuest(Frame frame) {
    rewriter.fromGuest(frame);
    assertTrue(Packets.hasRightChecksum(frame));
    return frame;
  }

  private void connect() {
    toGuest(fromClient(CLIENT, 0, SYN, ""));
    Frame answer = fromGuest(tcp(SECONDARY, CLIENT + 1, SYN | ACK, ""));
    assertEquals(SECONDARY, Packets.sequence(answer), "nobody knows the primary's yet");
    Frame third = toGuest(fromClient(CLIENT + 1, PRIMARY + 1, ACK, ""));
    assertEquals(SECONDARY + 1, Packets.acknowledged(third));
  }

  @Test
  void bothDirectionsAreTranslated() {
    connect();
    assertEquals(1, rewriter.translated());
    Random random = new Random(1);
    for (int i = 0; i < 1000; i++) {
      int place = random.nextInt();
      Frame said = fromGuest(tcp(SECONDARY + place, CLIENT + 1, ACK, "some bytes " + i));
      assertEquals(PRIMARY + place, Packets.sequence(said));
      Frame told = toGuest(fromClient(CLIENT + 1, PRIMARY + place, ACK, "odd" + i));
      assertEquals(SECONDARY + place, Packets.acknowledged(told));
      assertEquals(CLIENT + 1, Packets.sequence(told));
    }
    assertEquals(PRIMARY + 9, Packets.sequence(fromGuest(tcp(SECONDARY + 9, 0, RST, ""))));
  }

  private void connect(int before, int primaryClock, int secondaryClock) {
    toGuest(Packets.stamped(fromClient(CLIENT, 0, SYN, ""), before, 5, 0));
    Frame answer = tcp(SECONDARY, CLIENT + 1, SYN | ACK, "");
    fromGuest(Packets.stamped(answer, before, secondaryClock, 5));
    Frame third = fromClient(CLIENT + 1, PRIMARY + 1, ACK, "");
    Frame told = toGuest(Packets.stamped(third, before, 6, primaryClock));
    assertEquals(6, Packets.stamp(told, before));
  }

  /** Each guest's clock begins anywhere; at even and odd places of the header. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 5})
  void timestampsAreTranslated(int before) {
    int primary = 0xffff_0000;
    int secondary = 0x1234_5678;
    connect(before, primary, secondary);
    for (int i = 0; i < 300_000; i += 777) {
      Frame said = tcp(SECONDARY + 1, CLIENT + 1, ACK, "x" + i);
      said = fromGuest(Packets.stamped(said, before, secondary + i, 6));
      assertEquals(primary + i, Packets.stamp(said, before));
      assertEquals(6, Packets.echo(said, before));
      Frame told = fromClient(CLIENT + 1, PRIMARY + 1, ACK, "y");
      told = toGuest(Packets.stamped(told, before, 7, primary + i));
      assertEquals(secondary + i, Packets.echo(told, before));
    }
    rewriter.failover();
    Frame said = Packets.stamped(tcp(SECONDARY + 1, 0, ACK, ""), before, secondary + 9, 6);
    assertEquals(primary + 9, Packets.stamp(fromGuest(said), before));
  }

  @Test
  void timestampsOfAGuestThatIsOnlyLaterAreRight() {
    connect(2, 1_000_000, 1_002_000);
    Frame said = Packets.stamped(tcp(SECONDARY + 1, 0, ACK, ""), 2, 1_003_000, 6);
    assertEquals(1_003_000, Packets.stamp(fromGuest(said), 2));
  }

  @Test
  void checkpointMakesTimestampsTheSame() {
    connect(2, 1000, 0x4000_0000);
    rewriter.checkpoint();
    Frame said = Packets.stamped(tcp(PRIMARY + 1, 0, ACK, ""), 2, 1001, 6);
    assertEquals(1001, Packets.stamp(fromGuest(said), 2));
  }

  /** Lengths that lead nowhere, or beyond the header. */
  @Test
  void badOptionsAreLeftAlone() {
    connect(2, 1000, 0x4000_0000);
    for (int length = 0; length < 256; length++) {
      Frame said = Packets.stamped(tcp(SECONDARY + 1, 0, ACK, "x"), 2, 0x4000_0001, 6);
      said.data().put(14 + 20 + 20 + 1, (byte) length);
      rewriter.fromGuest(said);
      assertEquals(length == 2 ? 1001 : 0x4000_0001, Packets.stamp(said, 2));
      assertEquals(PRIMARY + 1, Packets.sequence(said));
    }
  }

  @Test
  void checkpointMakesNumbersTheSame() {
    connect();
    rewriter.checkpoint();
    assertEquals(0, rewriter.translated());
    assertEquals(PRIMARY + 5, Packets.sequence(fromGuest(tcp(PRIMARY + 5, CLIENT, ACK, "x"))));
  }

  /** Between the two first numbers: the guest then has the primary's, so nothing differs. */
  @Test
  void checkpointInTheHandshake() {
    toGuest(fromClient(CLIENT, 0, SYN, ""));
    fromGuest(tcp(SECONDARY, CLIENT + 1, SYN | ACK, ""));
    rewriter.checkpoint();
    Frame third = toGuest(fromClient(CLIENT + 1, PRIMARY + 1, ACK, ""));
    assertEquals(PRIMARY + 1, Packets.acknowledged(third));
    assertEquals(0, rewriter.translated());
  }

  /** Its answer was held for longer than the client waits. */
  @Test
  void clientThatAsksAgainIsTheSame() {
    toGuest(fromClient(CLIENT, 0, SYN, ""));
    fromGuest(tcp(SECONDARY, CLIENT + 1, SYN | ACK, ""));
    toGuest(fromClient(CLIENT, 0, SYN, ""));
    Frame third = toGuest(fromClient(CLIENT + 1, PRIMARY + 1, ACK, ""));
    assertEquals(SECONDARY + 1, Packets.acknowledged(third));
    toGuest(fromClient(CLIENT, 0, SYN, ""));
    fromGuest(tcp(SECONDARY, CLIENT + 1, SYN | ACK, "")); // to the second
    Frame said = fromGuest(tcp(SECONDARY + 1, CLIENT + 1, ACK, "x"));
    assertEquals(PRIMARY + 1, Packets.sequence(said));
  }

  @Test
  void anotherConnectionFromTheSamePortHasItsOwnNumbers() {
    connect();
    toGuest(fromClient(CLIENT + 50_000, 0, SYN, ""));
    fromGuest(tcp(SECONDARY + 9, CLIENT + 50_001, SYN | ACK, ""));
    Frame third = toGuest(fromClient(CLIENT + 50_001, PRIMARY + 90, ACK, ""));
    assertEquals(SECONDARY + 10, Packets.acknowledged(third));
  }

  @Test
  void connectionsOfTheGuestAreLeftAlone() {
    fromGuest(tcp(SECONDARY, 0, SYN, ""));
    toGuest(fromClient(CLIENT, SECONDARY + 1, SYN | ACK, ""));
    assertEquals(
        SECONDARY + 1, Packets.sequence(fromGuest(tcp(SECONDARY + 1, CLIENT + 1, ACK, "x"))));
    assertEquals(0, rewriter.translated());
  }

  @Test
  void connectionThatTheClientEndsIsForgottenAtItsLastAcknowledgement() {
    connect();
    toGuest(fromClient(CLIENT + 1, PRIMARY + 1, FIN | ACK, ""));
    fromGuest(tcp(SECONDARY + 1, CLIENT + 2, FIN | ACK, "bye"));
    assertEquals(1, rewriter.translated());
    Frame last = toGuest(fromClient(CLIENT + 2, PRIMARY + 5, ACK, ""));
    assertEquals(SECONDARY + 5, Packets.acknowledged(last), "it is translated, too");
    assertEquals(0, rewriter.translated());
  }

  @Test
  void connectionThatTheGuestEndsIsTranslatedToItsLastAcknowledgement() {
    connect();
    fromGuest(tcp(SECONDARY + 1, CLIENT + 1, FIN | ACK, ""));
    toGuest(fromClient(CLIENT + 1, PRIMARY + 2, FIN | ACK, ""));
    Frame last = fromGuest(tcp(SECONDARY + 2, CLIENT + 2, ACK, ""));
    assertEquals(PRIMARY + 2, Packets.sequence(last));
    rewriter.checkpoint();
    assertEquals(0, rewriter.translated());
  }

  @Test
  void translationOutlivesTheFailoverAndNewConnectionsNeedNone() {
    connect();
    rewriter.failover();
    assertEquals(PRIMARY + 3, Packets.sequence(fromGuest(tcp(SECONDARY + 3, CLIENT, ACK, "x"))));
    Frame syn =
        Packets.tcp(
            Packets.CLIENT,
            Packets.GUEST,
            6000 << 16 | Packets.SERVICE,
            CLIENT,
            0,
            SYN,
            new byte[0]);
    toGuest(syn);
    assertEquals(1, rewriter.translated());
  }

  @Test
  void unfinishedChecksumIsLeftToWhoFinishesIt() {
    connect();
    Frame frame = tcp(SECONDARY + 1, CLIENT + 1, ACK, "x").needsChecksum(34, 16);
    short before = frame.data().getShort(50);
    rewriter.fromGuest(frame);
    assertEquals(PRIMARY + 1, Packets.sequence(frame));
    assertEquals(before, frame.data().getShort(50));
  }

  @Test
  void connectionsAreBounded() {
    for (int i = 0; i < 40_000; i++) {
      int ports = i << 16 | Packets.SERVICE;
      toGuest(Packets.tcp(Packets.CLIENT, Packets.GUEST, ports, 1, 0, SYN, new byte[0]));
      fromGuest(
          Packets.tcp(
              Packets.GUEST,
              Packets.CLIENT,
              Integer.rotateLeft(ports, 16),
              SECONDARY,
              2,
              SYN | ACK,
              new byte[0]));
    }
    assertEquals(16384, rewriter.translated());
  }

  @Test
  void otherFramesPassAsTheyAre() {
    Frame udp = Packets.udp(1, Packets.text("x"));
    rewriter.towardsGuest(udp);
    rewriter.fromGuest(udp);
    Frame cut = Packets.ethernet(0x800, new byte[5]);
    rewriter.towardsGuest(cut);
    rewriter.fromGuest(cut);
    assertEquals(0, rewriter.translated());
  }
}
