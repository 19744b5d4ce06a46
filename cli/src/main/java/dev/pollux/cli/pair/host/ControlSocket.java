package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.pair.decide.Event;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Where {@code pollux pair status} and its like find an agent: a word a line, a JSON object back.
 */
public final class ControlSocket implements AutoCloseable {
  /** Wishes by their commands. */
  private static final Map<String, Event.Wish> WISHES =
      Map.of(
          "promote", Event.Wish.PROMOTE,
          "promote-force", Event.Wish.PROMOTE_ANYWAY,
          "demote", Event.Wish.DEMOTE,
          "resync", Event.Wish.RESYNC,
          "stop", Event.Wish.STOP);

  private static final long PAUSE_MILLIS = 100;
  private static final int PATIENCE_SECONDS = 10;

  private final ServerSocketChannel server;
  private final Function<String, JsonNode> answer;

  ControlSocket(Path folder, Function<String, JsonNode> answer) throws IOException {
    this.answer = answer;
    Path path = path(folder);
    Files.deleteIfExists(path);
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(path));
  }

  private static Path path(Path folder) {
    return folder.resolve("control");
  }

  static Event.Wish wish(String command) {
    return WISHES.get(command);
  }

  void start() {
    var _ = Thread.ofPlatform().name("control").daemon(true).start(this::serve);
  }

  private void serve() {
    while (server.isOpen()) {
      try {
        SocketChannel client = server.accept();
        Thread.ofVirtual().start(() -> serve(client));
      } catch (IOException e) {
        pause(); // this side is ending, or has no descriptors left just now
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

  /** One that says nothing keeps nobody waiting. */
  private void serve(SocketChannel channel) {
    try (SocketChannel client = channel) {
      String word = readLine(client);
      String reply =
          word != null && (word.equals("status") || WISHES.containsKey(word))
              ? answer.apply(word).toString()
              : "{\"error\":\"no such command\"}";
      write(client, reply);
    } catch (IOException e) {
      // That client is gone.
    }
  }

  private static String readLine(SocketChannel channel) throws IOException {
    return new BufferedReader(
            new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8))
        .readLine();
  }

  private static void write(SocketChannel channel, String line) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      var _ = channel.write(bytes);
    }
  }

  /**
   * Asks an agent.
   *
   * @param folder its
   * @return a line of JSON
   * @throws IOException if none comes within 10 s
   */
  public static String ask(Path folder, String command) throws IOException {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      Thread limit = Thread.ofVirtual().start(() -> closeLater(channel));
      try {
        var _ = channel.connect(UnixDomainSocketAddress.of(path(folder)));
        write(channel, command);
        String line = readLine(channel);
        if (line == null) {
          throw new IOException("it has ended without an answer");
        }
        return line;
      } catch (ClosedChannelException e) {
        throw new IOException("nothing within %d s".formatted(PATIENCE_SECONDS), e);
      } finally {
        limit.interrupt();
      }
    } catch (IOException e) {
      throw new IOException(
          "%s: no agent of a pair answers there: %s".formatted(folder, e.getMessage()), e);
    }
  }

  private static void closeLater(SocketChannel channel) {
    try {
      Thread.sleep(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
      channel.close();
    } catch (InterruptedException | IOException e) {
      // It was answered.
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
