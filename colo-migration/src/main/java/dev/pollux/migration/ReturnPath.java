package dev.pollux.migration;

import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.PeerFailedException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** What the destination answers on the connection's way back. */
public final class ReturnPath {
  /** So long a destination that closes its connection may take to say why. */
  private static final long LAST_WORD_MILLIS = 500;

  static final int SHUT = 1;
  static final int PONG = 2;

  /** Why the destination has failed, as text; {@link #SHUT} follows. Behind QEMU's numbers. */
  static final int REASON = 0x100;

  private static final int LONGEST_REASON = 1024;

  private ReturnPath() {}

  /** Ends the answers: the destination is content. */
  public static void shut(StreamWriter out) throws IOException {
    send(out, SHUT, 0);
    out.flush();
  }

  /** Ends the answers: the destination has failed, and will not start the guest. */
  static void fail(StreamWriter out, String reason) throws IOException {
    ByteBuffer text = ByteBuffer.allocate(LONGEST_REASON);
    // As many whole characters as there is room for.
    boolean _ =
        StandardCharsets.UTF_8
            .newEncoder()
            .encode(CharBuffer.wrap(reason), text, true)
            .isOverflow();
    out.u16(REASON);
    out.u16(text.position());
    out.bytes(text.array(), 0, text.position());
    send(out, SHUT, 1);
    out.flush();
  }

  static void pong(StreamWriter out, int value) throws IOException {
    send(out, PONG, value);
    out.flush();
  }

  private static void send(StreamWriter out, int type, int value) throws IOException {
    out.u16(type);
    out.u16(4);
    out.u32(value);
  }

  /** Reads answers on a thread of its own until the destination ends them. */
  static final class Reader {
    private final StreamReader in;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final AtomicInteger pings = new AtomicInteger();
    private final Thread thread;
    private volatile boolean everythingSent;

    /**
     * @param onFailure called on the reader's thread when the answers end in another way
     */
    Reader(StreamReader in, Consumer<Throwable> onFailure) {
      this.in = in;
      thread = Thread.ofPlatform().name("return path").daemon(true).start(() -> run(onFailure));
    }

    private void run(Consumer<Throwable> onFailure) {
      try {
        read();
        ended.complete(null);
      } catch (IOException | RuntimeException | Error e) {
        onFailure.accept(e);
        ended.completeExceptionally(e);
      }
    }

    /** One more answer may come. Before the question is sent. */
    void expectPong() {
      pings.incrementAndGet();
    }

    /** From now on the destination may have all that it needs. */
    void expectShut() {
      everythingSent = true;
    }

    private void read() throws IOException {
      String reason = "it does not say why";
      while (true) {
        int type = in.u16();
        int length = in.u16();
        switch (type) {
          case SHUT -> {
            expect(type, length, 4);
            if (in.u32() != 0) {
              throw new PeerFailedException("the destination has failed: " + reason);
            }
            if (!everythingSent) {
              throw new StreamException(
                  "return path: the destination is content with less than it needs");
            }
            return;
          }
          case PONG -> {
            expect(type, length, 4);
            in.skip(4);
            if (pings.decrementAndGet() < 0) {
              throw new StreamException("return path: an answer that nobody has asked for");
            }
          }
          case REASON -> {
            if (length > LONGEST_REASON) {
              throw new StreamException("return path: a reason of %d bytes".formatted(length));
            }
            reason = in.text(length);
          }
          default -> throw new StreamException("return path: message 0x%04x".formatted(type));
        }
      }
    }

    private static void expect(int type, int length, int wanted) throws IOException {
      if (length != wanted) {
        throw new StreamException("return path: message %d with %d bytes".formatted(type, length));
      }
    }

    /** Waits until the destination has said that it is content. */
    void awaitShut(MigrationContext.Ending ending) throws IOException {
      while (true) {
        try {
          ended.get(20, TimeUnit.MILLISECONDS);
          return;
        } catch (TimeoutException e) {
          ending.check();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
          throw new IOException(e.getCause().getMessage(), e);
        }
      }
    }

    /** Why the answers ended too soon, or null. */
    Throwable failure() {
      return ended.isCompletedExceptionally() ? ended.exceptionNow() : null;
    }

    /** Waits for the end of the answers, a moment, where they are about to end by themselves. */
    void awaitLastWord() {
      try {
        ended.get(LAST_WORD_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException | ExecutionException e) {
        // There is none, or whoever wants to know of it has been told.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    /** Waits for the end of the thread, whose connection was cut or has ended. */
    void join() {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
