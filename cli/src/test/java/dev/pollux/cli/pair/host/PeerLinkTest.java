package dev.pollux.cli.pair.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Two agents' connection, and those who have no part in it. */
@Timeout(60)
class PeerLinkTest {
  private static final String SECRET = "0123456789abcdef-one";

  @TempDir private Path folder;

  private final BlockingQueue<JsonNode> heard = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> strangers = new LinkedBlockingQueue<>();
  private final List<AutoCloseable> open = new ArrayList<>();
  private Endpoint left = new Endpoint("127.0.0.1", 1);
  private Endpoint right = left;

  @BeforeEach
  void choosePorts() throws IOException {
    try (ServerSocket one = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      left = new Endpoint("127.0.0.1", one.getLocalPort());
      right = new Endpoint("127.0.0.1", other.getLocalPort());
    }
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open) {
      each.close();
    }
  }

  private Path secret(String text, String mode) throws IOException {
    Path file = Files.writeString(Files.createTempFile(folder, "secret", ""), text + "\n");
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
  }

  private PeerLink link(Endpoint here, Endpoint peer, String text) throws IOException {
    PeerKey key = PeerKey.read(secret(text, "rw-------"));
    PeerLink link = new PeerLink(here, peer, key, heard::add, strangers::add);
    open.add(link);
    link.start();
    return link;
  }

  private static void say(PeerLink link, int number) {
    link.send(JsonNodeFactory.instance.objectNode().put("number", number));
  }

  /** Says it until somebody hears, since what is said without a connection is lost. */
  private JsonNode hears(PeerLink from, int number) throws InterruptedException {
    while (true) {
      say(from, number);
      JsonNode message = heard.poll(100, TimeUnit.MILLISECONDS);
      if (message != null && message.path("number").asInt() == number) {
        return message;
      }
    }
  }

  @Test
  void whoKnowsTheSecretIsHeard() throws Exception {
    PeerLink one = link(left, right, SECRET);
    PeerLink other = link(right, left, SECRET);
    assertEquals(1, hears(one, 1).path("number").asInt());
    assertEquals(2, hears(other, 2).path("number").asInt());
    assertEquals(List.of(), List.copyOf(strangers));
  }

  @Test
  void anotherSecretIsRefusedInASentence() throws Exception {
    var _ = link(left, right, SECRET);
    PeerLink stranger = link(right, left, SECRET + "?");
    String said = null;
    while (said == null) {
      say(stranger, 3);
      said = strangers.poll(100, TimeUnit.MILLISECONDS);
    }
    assertEquals("127.0.0.1 does not know the pair's secret; it is refused", said);
    assertTrue(heard.isEmpty(), heard::toString);
  }

  /** One who has listened says what was said before. */
  @Test
  void whatWasSaidOnceIsNotHeardAgain() throws Exception {
    var _ = link(left, right, SECRET);
    PeerKey key = PeerKey.read(secret(SECRET, "rw-------"));
    try (Socket first = connect()) {
      String number = PeerKey.nonce();
      PeerKey.Seal seal = key.seal(greeting(first), number);
      String line = seal.close("{\"number\": 7}");
      write(first, number, line);
      assertEquals(7, heard.poll(30, TimeUnit.SECONDS).path("number").asInt());
      write(first, line);
      assertEquals('\n', first.getInputStream().read());
      assertEquals(-1, first.getInputStream().read(), "the same line is not the next one");
      try (Socket second = connect()) {
        greeting(second);
        write(second, number, line);
        assertTrue(strangers.poll(30, TimeUnit.SECONDS).contains("does not know"));
      }
    }
    assertTrue(heard.isEmpty(), heard::toString);
  }

  /** Nor do those who say nothing, or never come to the end of a line. */
  @Test
  void strangersKeepNobodyOut() throws Exception {
    var _ = link(left, right, SECRET);
    List<Socket> crowd = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      Socket socket = connect();
      crowd.add(socket);
      if (i % 2 == 0) {
        socket.getOutputStream().write(new byte[1000]);
      }
    }
    PeerLink peer = link(right, left, SECRET);
    assertEquals(4, hears(peer, 4).path("number").asInt());
    for (Socket socket : crowd) {
      socket.close();
    }
  }

  /** The other end is there and takes everything, but nobody answers: a host that is frozen. */
  @Test
  void aDeadConnectionIsMadeAnew() throws Exception {
    try (ServerSocket dead = new ServerSocket(right.port(), 1, InetAddress.getLoopbackAddress())) {
      PeerLink one = link(left, right, SECRET);
      try (Socket first = dead.accept()) {
        write(first, "pollux-pair 1 " + PeerKey.nonce());
        say(one, 5);
        try (Socket second = dead.accept()) { // it does not wait for TCP to give up
          assertTrue(second.isConnected());
        }
      }
    }
  }

  @Test
  void secretsThatAreNone() throws IOException {
    Path brief = secret("0123", "rw-------");
    assertTrue(
        assertThrows(ConfigException.class, () -> PeerKey.read(brief))
            .getMessage()
            .endsWith("16 characters at least; openssl rand -hex 32 makes some"));
    Path open = secret(SECRET, "rw-r--r--");
    assertTrue(
        assertThrows(ConfigException.class, () -> PeerKey.read(open))
            .getMessage()
            .endsWith("others may read it; chmod 600"));
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket(left.host(), left.port());
    socket.setSoTimeout(30_000);
    return socket;
  }

  private static String greeting(Socket socket) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = socket.getInputStream().read(); c != '\n'; c = socket.getInputStream().read()) {
      line.append((char) c);
    }
    return line.substring(line.lastIndexOf(" ") + 1);
  }

  private static void write(Socket socket, String... lines) throws IOException {
    for (String line : lines) {
      socket.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
    }
  }
}
