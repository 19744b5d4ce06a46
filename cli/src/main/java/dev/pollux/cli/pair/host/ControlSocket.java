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
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
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
        // This side is ending.
      }
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
   */
  public static String ask(Path folder, String command) throws IOException {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path(folder)))) {
      write(channel, command);
      return readLine(channel);
    } catch (IOException e) {
      throw new IOException(
          "%s: no agent of a pair answers there: %s".formatted(folder, e.getMessage()), e);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
