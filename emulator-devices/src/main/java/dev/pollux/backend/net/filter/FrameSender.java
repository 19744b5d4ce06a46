package dev.pollux.backend.net.filter;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;

/**
 * Messages on their way to a character device. What it does not take at once waits here, up to a
 * bound; beyond that messages are dropped, as networks do. What comes from there is ignored. Any
 * thread.
 */
public final class FrameSender implements CharFrontEnd, AutoCloseable {
  /** Bytes that wait. */
  private static final long MOST = 8 << 20;

  private final CharBackend to;
  private final long most;

  // Guarded by this.
  private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
  private long bytes;
  private long dropped;

  public FrameSender(CharBackend to, Executor executor) {
    this(to, executor, MOST);
  }

  /**
   * @param executor looks after what waits
   * @param most bytes that may wait
   */
  @SuppressWarnings("this-escape") // its callbacks need nothing that is made later
  public FrameSender(CharBackend to, Executor executor, long most) {
    this.to = to;
    this.most = most;
    to.attach(this, executor);
  }

  /** Whether somebody reads what is sent. */
  public boolean isConnected() {
    return to.isConnected();
  }

  /** Sends a message, or drops it where nobody is there or too much waits. */
  public synchronized void send(byte[] message) {
    if (!to.isConnected()) {
      return;
    }
    if (waiting.isEmpty() && to.writeWhole(message)) {
      return;
    }
    if (bytes + message.length > most) {
      dropped++;
      return;
    }
    bytes += message.length;
    waiting.add(message);
    if (waiting.size() == 1) {
      to.whenWritable(this::drain);
    }
  }

  private synchronized void drain() {
    while (!waiting.isEmpty()) {
      if (!to.writeWhole(waiting.peek())) {
        to.whenWritable(this::drain);
        return;
      }
      bytes -= waiting.poll().length;
    }
  }

  /** Messages that were dropped because too much waited. */
  public synchronized long dropped() {
    return dropped;
  }

  @Override
  public int canReceive() {
    return buffer();
  }

  @Override
  public int buffer() {
    return FrameReceiver.CHUNK;
  }

  @Override
  public void receive(byte[] from, int offset, int length) {
    // Nobody has asked.
  }

  /** What waits for one peer is not for the next. */
  @Override
  public synchronized void event(CharEvent event) {
    if (event == CharEvent.CLOSED) {
      waiting.clear();
      bytes = 0;
    }
  }

  @Override
  public boolean isConversation() {
    return true;
  }

  @Override
  public void close() {
    to.detach();
  }
}
