package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
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
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Where {@code pollux pair status} and its like find who keeps a pair: a line with a word, and more
 * behind a space where it needs that, a JSON object back.
 */
public final class ControlSocket implements AutoCloseable {
  /** Bytes of a line. */
  private static final int LONGEST_LINE = 64 * 1024;

  private static final int MOST_CLIENTS = 16;

  /** What a word is answered. */
  public interface Answer {
    /**
     * On a thread of the client's; may wait.
     *
     * @param more what was behind the word
     */
    JsonNode to(String word, String more);
  }

  private static final long PAUSE_MILLIS = 100;
  private static final int PATIENCE_SECONDS = 10;

  private final ServerSocketChannel server;
  private final Set<String> words;
  private final Answer answer;
  private final Semaphore room = new Semaphore(MOST_CLIENTS);

  /**
   * @param words those that have an answer
   */
  public ControlSocket(Path folder, Set<String> words, Answer answer) throws IOException {
    this.words = Set.copyOf(words);
    this.answer = answer;
    Path path = path(folder);
    Files.deleteIfExists(path);
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(path));
  }

  private static Path path(Path folder) {
    return folder.resolve("control");
  }

  /** Answers from now on. */
  public void start() {
    var _ = Thread.ofPlatform().name("control").daemon(true).start(this::serve);
  }

  private void serve() {
    while (server.isOpen()) {
      try {
        SocketChannel client = server.accept();
        if (room.tryAcquire()) {
          Thread.ofVirtual().start(() -> serve(client));
        } else {
          client.close();
        }
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
    Thread limit = Thread.ofVirtual().start(() -> closeLater(channel));
    try (SocketChannel client = channel) {
      String[] line = readLine(client).split(" ", 2);
      String reply =
          words.contains(line[0])
              ? answer.to(line[0], line.length > 1 ? line[1] : "").toString()
              : "{\"error\":\"no such command here\"}";
      write(client, reply);
    } catch (IOException e) {
      // That client is gone.
    } finally {
      limit.interrupt();
      room.release();
    }
  }

  /** Without its end; what is longer, or has none, is an error. */
  private static String readLine(SocketChannel channel) throws IOException {
    ByteBuffer line = ByteBuffer.allocate(LONGEST_LINE);
    while (line.position() == 0 || line.get(line.position() - 1) != '\n') {
      if (channel.read(line) <= 0) {
        throw new IOException("no line");
      }
    }
    return new String(line.array(), 0, line.position() - 1, StandardCharsets.UTF_8);
  }

  private static void write(SocketChannel channel, String line) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      var _ = channel.write(bytes);
    }
  }

  /**
   * Asks who keeps a pair.
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
        InputStream in = Channels.newInputStream(channel);
        String line =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)).readLine();
        if (line == null) {
          throw new IOException("it has ended without an answer, or has too many to talk to");
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
