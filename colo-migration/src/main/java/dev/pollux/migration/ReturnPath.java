package dev.pollux.migration;

import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** What the destination answers on the connection's way back. */
public final class ReturnPath {
  /** So long a destination that closes its connection may take to say why. */
  private static final long LAST_WORD_MILLIS = 500;

  static final int SHUT = 1;
  static final int PONG = 2;
  static final int SWITCHOVER_ACK = 7;

  private ReturnPath() {}

  /** Ends the answers; the source sees whether the destination is content. */
  public static void shut(StreamWriter out, boolean failed) throws IOException {
    send(out, SHUT, failed ? 1 : 0);
  }

  static void pong(StreamWriter out, int value) throws IOException {
    send(out, PONG, value);
  }

  private static void send(StreamWriter out, int type, int value) throws IOException {
    out.u16(type);
    out.u16(4);
    out.u32(value);
    out.flush();
  }

  /** Reads answers on a thread of its own until the destination ends them. */
  static final class Reader {
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Thread thread;

    /**
     * @param onFailure called on the reader's thread when the answers end in another way
     */
    Reader(StreamReader in, Consumer<IOException> onFailure) {
      thread =
          Thread.ofPlatform()
              .name("return path")
              .daemon(true)
              .start(
                  () -> {
                    try {
                      read(in);
                      ended.complete(null);
                    } catch (IOException e) {
                      onFailure.accept(e);
                      ended.completeExceptionally(e);
                    }
                  });
    }

    private static void read(StreamReader in) throws IOException {
      while (true) {
        int type = in.u16();
        int length = in.u16();
        switch (type) {
          case SHUT -> {
            expect(type, length, 4);
            if (in.u32() != 0) {
              throw new StreamException("the destination has failed");
            }
            return;
          }
          case PONG -> {
            expect(type, length, 4);
            in.skip(4);
          }
          case SWITCHOVER_ACK -> expect(type, length, 0);
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
          throw new IOException("return path: " + e.getCause().getMessage(), e);
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
