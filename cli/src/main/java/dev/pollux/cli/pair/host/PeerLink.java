package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Messages between the two agents: a JSON object a line. What this side says goes over a connection
 * that it makes, again and again while there is none; what it hears comes over one that the other
 * makes. What cannot be sent is dropped: everything that matters is said again.
 *
 * <p>Who is spoken to says {@code pollux-pair 1 NUMBER}, the speaker a number of its own, and then
 * its messages, each signed with a {@link PeerKey}; for each that is right a line feed comes back,
 * so that a speaker notices a dead connection.
 */
final class PeerLink implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String GREETING = "pollux-pair 1 ";
  private static final int MOST_WAITING = 256;
  private static final int LONGEST_LINE = 1 << 20;
  private static final int LONGEST_GREETING = 100;
  private static final int CONNECT_MILLIS = 1000;
  private static final int PAUSE_MILLIS = 200;

  /** Several times as long as the agents are silent; then the connection is made anew. */
  private static final int SILENT_MILLIS = 2000;

  private static final long GREETING_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** Connections of one kind: the oldest makes room for the newest. */
  private static final int MOST_CONNECTIONS = 4;

  private final ServerSocket server;
  private final Endpoint peer;
  private final PeerKey key;
  private final Consumer<JsonNode> onMessage;
  private final Consumer<String> onStranger;
  private final BlockingQueue<ObjectNode> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private volatile boolean closed;
  private volatile Socket outgoing;

  /** Guarded by this: those who have said nothing right yet, and the others. */
  private final Deque<Socket> unknown = new ArrayDeque<>();

  private final Deque<Socket> known = new ArrayDeque<>();

  /**
   * Listens at {@code here}.
   *
   * @param onMessage hears what the other side says, on a thread of this
   * @param onStranger hears a sentence about one who does not have the key
   */
  PeerLink(
      Endpoint here,
      Endpoint peer,
      PeerKey key,
      Consumer<JsonNode> onMessage,
      Consumer<String> onStranger)
      throws IOException {
    this.peer = peer;
    this.key = key;
    this.onMessage = onMessage;
    this.onStranger = onStranger;
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

  // ---- listening ----

  private void listen() {
    while (!closed) {
      try {
        Socket socket = server.accept();
        enter(unknown, socket);
        var _ = Thread.ofVirtual().name("peer").start(() -> serve(socket));
      } catch (IOException e) {
        pause();
      }
    }
  }

  private void enter(Deque<Socket> list, Socket socket) {
    Socket oldest = null;
    synchronized (this) {
      list.add(socket);
      if (list.size() > MOST_CONNECTIONS) {
        oldest = list.remove();
      }
    }
    close(oldest);
  }

  private synchronized void leave(Socket socket) {
    unknown.remove(socket);
    known.remove(socket);
  }

  private static void close(Closeable what) {
    try {
      if (what != null) {
        what.close();
      }
    } catch (IOException e) {
      // It is gone in any case.
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      socket.setSoTimeout(SILENT_MILLIS);
      hear(socket);
    } catch (IOException e) {
      // The other side comes again.
    } finally {
      leave(socket);
    }
  }

  private void hear(Socket socket) throws IOException {
    String number = PeerKey.nonce();
    OutputStream out = socket.getOutputStream();
    write(out, GREETING + number);
    Reader in = reader(socket.getInputStream());
    long end = System.nanoTime() + GREETING_NANOS;
    PeerKey.Seal seal = key.seal(number, readLine(in, LONGEST_GREETING, end));
    String first = open(socket, seal, readLine(in, LONGEST_LINE, end));
    synchronized (this) {
      unknown.remove(socket);
    }
    enter(known, socket);
    for (String line = first; ; line = seal.open(readLine(in, LONGEST_LINE, Long.MAX_VALUE))) {
      onMessage.accept(message(line));
      out.write('\n');
    }
  }

  private String open(Socket socket, PeerKey.Seal seal, String line) throws IOException {
    try {
      return seal.open(line);
    } catch (IOException e) {
      onStranger.accept(
          "%s does not know the pair's secret%s; it is refused"
              .formatted(
                  socket.getInetAddress().getHostAddress(),
                  key.isSecret() ? "" : ", or has one and this side has none (--secret)"));
      throw e;
    }
  }

  private static JsonNode message(String line) throws IOException {
    JsonNode message;
    try {
      message = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException("no message", e);
    }
    if (message == null || !message.isObject()) {
      throw new IOException("no message");
    }
    return message;
  }

  private static Reader reader(InputStream in) {
    return new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
  }

  private static String readLine(Reader in, int longest, long end) throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        throw new IOException("the connection has ended");
      }
      if (line.length() == longest || end != Long.MAX_VALUE && System.nanoTime() - end > 0) {
        throw new IOException("a line without end");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  private static void write(OutputStream out, String line) throws IOException {
    out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
  }

  // ---- speaking ----

  private void speak() {
    while (!closed) {
      try (Socket socket = new Socket()) {
        outgoing = socket;
        socket.connect(new InetSocketAddress(peer.host(), peer.port()), CONNECT_MILLIS);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(SILENT_MILLIS);
        speak(socket);
      } catch (IOException e) {
        pause();
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void speak(Socket socket) throws IOException, InterruptedException {
    Reader in = reader(socket.getInputStream());
    String greeting = readLine(in, LONGEST_GREETING, System.nanoTime() + GREETING_NANOS);
    if (!greeting.startsWith(GREETING)) {
      onStranger.accept(peer + " is not an agent of a pair, or one of another version");
      throw new IOException("a stranger");
    }
    String number = PeerKey.nonce();
    OutputStream out = socket.getOutputStream();
    write(out, number);
    PeerKey.Seal seal = key.seal(greeting.substring(GREETING.length()), number);
    waiting.clear(); // it is of before
    var _ = Thread.ofVirtual().name("peer answers").start(() -> awaitAnswers(socket, in));
    while (!closed && !socket.isClosed()) {
      ObjectNode message = waiting.poll(PAUSE_MILLIS, TimeUnit.MILLISECONDS);
      if (message != null) {
        write(out, seal.close(JSON.writeValueAsString(message)));
      }
    }
  }

  /** Closes a connection over which nothing comes back. */
  private static void awaitAnswers(Socket socket, Reader in) {
    try (socket) {
      while (in.read() >= 0) {
        // The other side has heard a message.
      }
    } catch (IOException e) {
      // It is made anew.
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
    close(outgoing);
    synchronized (this) {
      unknown.forEach(PeerLink::close);
      known.forEach(PeerLink::close);
    }
  }
}
