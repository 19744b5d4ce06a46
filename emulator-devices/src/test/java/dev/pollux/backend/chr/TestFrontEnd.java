package dev.pollux.backend.chr;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * Records what a back end delivers, on a thread of its own in the place of a machine's event loop.
 */
class TestFrontEnd implements CharFrontEnd, AutoCloseable {
  final ExecutorService loop =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          Thread.ofPlatform().daemon(true).factory(),
          new ThreadPoolExecutor.DiscardPolicy());
  private final StringBuilder received = new StringBuilder();
  private final List<CharEvent> events = new ArrayList<>();
  private int room = Integer.MAX_VALUE;

  @Override
  public synchronized int canReceive() {
    return room;
  }

  @Override
  public synchronized void receive(byte[] bytes, int offset, int length) {
    received.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
    room -= room == Integer.MAX_VALUE ? 0 : length;
    notifyAll();
  }

  @Override
  public synchronized void event(CharEvent event) {
    events.add(event);
    notifyAll();
  }

  synchronized void setRoom(int bytes) {
    room = bytes;
  }

  synchronized String received() {
    return received.toString();
  }

  synchronized List<CharEvent> events() {
    return List.copyOf(events);
  }

  void awaitReceived(String text) {
    await(
        () -> received().equals(text),
        () -> "received \"" + received() + "\" instead of \"" + text + "\"");
  }

  void awaitEvents(CharEvent... expected) {
    await(() -> events().equals(List.of(expected)), () -> "events " + events());
  }

  static void await(BooleanSupplier condition, Supplier<String> problem) {
    long deadline = System.nanoTime() + 30_000_000_000L;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError(problem.get());
      }
      try {
        Thread.sleep(1);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** Writes everything, waiting for room as a device would. */
  static void writeAll(CharBackend to, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    int[] done = {0};
    await(
        () -> {
          done[0] += to.write(bytes, done[0], bytes.length - done[0]);
          return done[0] == bytes.length;
        },
        () -> "only " + done[0] + " bytes taken");
  }

  @Override
  public void close() {
    loop.shutdownNow();
  }
}
