package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.Consumer;

/**
 * Messages between the two agents: a JSON object a line. What this side says goes over a connection
 * that it makes, again and again while there is none; what it hears comes over one that the other
 * makes. What cannot be sent is dropped: everything that matters is said again.
 */
final class PeerLink implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MOST_WAITING = 256;
  private static final int LONGEST_LINE = 1 << 20;
  private static final int CONNECT_MILLIS = 1000;
  private static final int PAUSE_MILLIS = 200;

  /** A peer that says nothing for so long is connected anew. */
  private static final int SILENT_MILLIS = 5000;

  private final ServerSocket server;
  private final Endpoint peer;
  private final Consumer<JsonNode> onMessage;
  private final BlockingQueue<ObjectNode> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private volatile boolean closed;
  private volatile Socket incoming;
  private volatile Socket outgoing;

  /**
   * Listens at {@code here}.
   *
   * @param onMessage hears what the other side says, on a thread of this
   */
  PeerLink(Endpoint here, Endpoint peer, Consumer<JsonNode> onMessage) throws IOException {
    this.peer = peer;
    this.onMessage = onMessage;
    server = new ServerSocket();
    try {
      server.bind(new InetSocketAddress(here.host(), here.port()));
    } catch (IOException e) {
      server.close();
      throw new IOException("%s: %s".formatted(here, e.getMessage()), e);
    }
  }

  /** Begins to speak and to listen. */
  void start() {
    var _ = Thread.ofPlatform().name("peer listener").daemon(true).start(this::listen);
    var _ = Thread.ofPlatform().name("peer speaker").daemon(true).start(this::speak);
  }

  /** Sends a message, soon or never. Any thread. */
  void send(ObjectNode message) {
    while (!waiting.offer(message)) {
      var _ = waiting.poll(); // the oldest is of the least use
    }
  }

  private void listen() {
    while (!closed) {
      try (Socket socket = server.accept()) {
        incoming = socket;
        socket.setSoTimeout(SILENT_MILLIS);
        hear(
            new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)));
      } catch (IOException e) {
        // The other side comes again.
      }
    }
  }

  private void hear(Reader in) throws IOException {
    for (String line = readLine(in); line != null; line = readLine(in)) {
      JsonNode message;
      try {
        message = JSON.readTree(line);
      } catch (JsonProcessingException e) {
        throw new IOException("no message", e);
      }
      if (message == null || !message.isObject()) {
        throw new IOException("no message");
      }
      onMessage.accept(message);
    }
  }

  private static String readLine(Reader in) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        return null;
      }
      if (line.length() == LONGEST_LINE) {
        throw new IOException("a line without end");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private void speak() {
    while (!closed) {
      try (Socket socket = new Socket()) {
        outgoing = socket;
        socket.connect(new InetSocketAddress(peer.host(), peer.port()), CONNECT_MILLIS);
        socket.setTcpNoDelay(true);
        waiting.clear(); // it is of before
        while (!closed) {
          byte[] line =
              (JSON.writeValueAsString(waiting.take()) + "\n").getBytes(StandardCharsets.UTF_8);
          socket.getOutputStream().write(line);
        }
      } catch (IOException e) {
        pause();
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() throws IOException {
    closed = true;
    server.close();
    for (Socket socket : new Socket[] {incoming, outgoing}) {
      if (socket != null) {
        socket.close();
      }
    }
  }
}
