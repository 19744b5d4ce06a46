package dev.pollux.migration.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.MigrationChannel;
import dev.pollux.migration.transport.OutgoingTransport;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What one side of a pair makes of what the other side says, or does not. */
@Timeout(30)
class ColoLinkTest {
  private static final long SILENCE = 1000;

  @TempDir private Path folder;
  private final Connections connections = new Connections();
  private SocketChannel peer;
  private ColoLink link;

  @BeforeEach
  void connect() throws IOException {
    Path at = folder.resolve("s");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(at));
      MigrationChannel channel =
          OutgoingTransport.connect(new MigrationAddress.Unix(at.toString()), connections);
      peer = server.accept();
      link =
          new ColoLink(new StreamReader(channel), new StreamWriter(channel), connections, SILENCE);
    }
  }

  @AfterEach
  void disconnect() throws IOException {
    link.fail("the test has ended");
    link.close();
    peer.close();
    connections.close();
  }

  private void say(ColoMessage message) throws IOException {
    peer.write(ByteBuffer.allocate(4).putInt(message.code()).flip());
  }

  private void sayEnded(String cause) throws IOException {
    byte[] name = cause.getBytes(StandardCharsets.US_ASCII);
    peer.write(
        ByteBuffer.allocate(5 + name.length)
            .putInt(ColoMessage.ENDED.code())
            .put((byte) name.length)
            .put(name)
            .flip());
  }

  /** The peer says all the time that it lives, and somebody here listens. */
  private Thread keepTalking() {
    Thread _ = Thread.ofPlatform().daemon(true).start(this::receiveAll);
    return Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              try {
                while (true) {
                  say(ColoMessage.HEARTBEAT);
                  Thread.sleep(50);
                }
              } catch (IOException | InterruptedException e) {
                // The end of the test, or of the connection.
              }
            });
  }

  private void receiveAll() {
    try {
      while (true) {
        ColoMessage _ = link.receive();
      }
    } catch (IOException e) {
      // The link knows why.
    }
  }

  @Test
  void whoTakesNothingIsDeadThoughItTalks() {
    Thread talk = keepTalking();
    byte[] much = new byte[8 << 20]; // more than the host keeps on its way
    assertThrows(IOException.class, () -> link.send(ColoMessage.PAGES, out -> out.bytes(much)));
    assertEquals("the other side has taken nothing for 1000 ms", link.failure());
    talk.interrupt();
  }

  @Test
  void whoTakesALittleNowAndThenLives() throws Exception {
    Thread talk = keepTalking();
    Thread reader =
        Thread.ofPlatform()
            .start(
                () -> {
                  ByteBuffer bytes = ByteBuffer.allocate(2 << 20);
                  try {
                    for (int i = 0; i < 4; i++) {
                      Thread.sleep(600);
                      while (bytes.hasRemaining() && peer.read(bytes) >= 0) {}
                      bytes.clear();
                    }
                    while (peer.read(bytes.clear()) >= 0) {}
                  } catch (IOException | InterruptedException e) {
                    // The end of the test.
                  }
                });
    link.send(ColoMessage.PAGES, out -> out.bytes(new byte[8 << 20]));
    assertEquals(null, link.failure());
    link.fail("the test has ended");
    talk.interrupt();
    reader.join();
  }

  @Test
  void whoSaysNothingIsDead() {
    assertThrows(IOException.class, () -> link.receive());
    assertEquals("nothing has come from the other side for 1000 ms", link.failure());
  }

  @Test
  void reasonOfAnEndIsHeard() throws IOException {
    say(ColoMessage.HEARTBEAT);
    sayEnded("guest-shutdown");
    peer.close();
    assertThrows(StreamException.class, () -> link.receive());
    assertEquals(Optional.of(ShutdownCause.GUEST_SHUTDOWN), link.peerEnded());
    assertEquals("the other side has ended (guest-shutdown)", link.failure());
  }

  /** Who sends to a peer that has gone reports what that has said at last, not a broken pipe. */
  @Test
  void reasonOfAnEndIsHeardByWhoSends() throws IOException {
    say(ColoMessage.VMSTATE_LOADED);
    assertEquals(ColoMessage.VMSTATE_LOADED, link.receive());
    sayEnded("host-qmp-quit");
    peer.close();
    assertThrows(IOException.class, () -> link.send(ColoMessage.CHECKPOINT_REPLY));
    assertEquals("the other side has ended (host-qmp-quit)", link.failure());
  }

  @Test
  void unknownReasonIsAnError() throws IOException {
    sayEnded("boredom");
    assertThrows(StreamException.class, () -> link.receive());
    assertEquals(Optional.empty(), link.peerEnded());
    assertEquals("unknown cause of an end 'boredom'", link.failure());
  }

  @Test
  void farewellWaitsForNobody() throws IOException {
    Thread stuck =
        Thread.ofPlatform()
            .daemon(true)
            .start(
                () -> {
                  try {
                    link.send(ColoMessage.PAGES, out -> out.bytes(new byte[8 << 20]));
                  } catch (IOException e) {
                    // The end of the test.
                  }
                });
    long start = System.nanoTime();
    link.sayFarewell(ShutdownCause.HOST_QMP_QUIT, 100);
    assertTrue(System.nanoTime() - start < 2_000_000_000L);
    assertTrue(stuck.isAlive());
  }

  // ---- answers

  @Test
  void answersComeAsAsked() throws Exception {
    Answers answers = new Answers();
    assertFalse(answers.await(1));
    answers.ask(ColoMessage.VMSTATE_RECEIVED, ColoMessage.VMSTATE_LOADED);
    answers.arrive(ColoMessage.VMSTATE_RECEIVED);
    answers.arrive(ColoMessage.VMSTATE_LOADED);
    assertTrue(answers.await(1));
    assertTrue(answers.await(1));
    assertFalse(answers.await(1));
    StreamException unasked =
        assertThrows(StreamException.class, () -> answers.arrive(ColoMessage.VMSTATE_LOADED));
    assertEquals("VMSTATE_LOADED came, which nobody has asked for", unasked.getMessage());
    answers.ask(ColoMessage.CHECKPOINT_REPLY);
    assertThrows(StreamException.class, () -> answers.arrive(ColoMessage.VMSTATE_LOADED));
  }

  @Test
  void endOfAnswersEndsWaiting() throws Exception {
    Answers answers = new Answers();
    answers.ask(ColoMessage.CHECKPOINT_REPLY);
    Thread thread = Thread.ofPlatform().start(answers::end);
    assertFalse(answers.await(20_000));
    thread.join();
  }
}
