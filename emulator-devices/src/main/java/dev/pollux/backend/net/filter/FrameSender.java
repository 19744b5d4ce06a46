package dev.pollux.backend.net.filter;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;

/**
 * Frames on their way to a character device, as messages. Those that come together go together,
 * with one call of the host. What the device does not take at once waits here, up to a bound;
 * beyond that frames are dropped, as networks do. What comes from there is ignored. Any thread.
 */
public final class FrameSender implements CharFrontEnd, AutoCloseable {
  /** Bytes that wait. */
  private static final long MOST = 8 << 20;

  /** Bytes that are gathered at most, but for the last frame. */
  private static final int BATCH = 64 << 10;

  private final CharBackend to;
  private final boolean header;
  private final long most;

  // Guarded by this.
  private final ByteBuffer gathered = ByteBuffer.allocateDirect(BATCH + FrameStream.MAX_MESSAGE);
  private int frames; // among them
  private final ArrayDeque<ByteBuffer> waiting = new ArrayDeque<>();
  private long bytes;
  private long dropped;

  public FrameSender(CharBackend to, boolean header, Executor executor) {
    this(to, header, executor, MOST);
  }

  /**
   * @param header frames go with virtio-net's header
   * @param executor looks after what waits
   * @param most bytes that may wait
   */
  @SuppressWarnings("this-escape") // its callbacks need nothing that is made later
  public FrameSender(CharBackend to, boolean header, Executor executor, long most) {
    this.to = to;
    this.header = header;
    this.most = most;
    to.attach(this, executor);
  }

  /** Whether somebody reads what is sent. */
  public boolean isConnected() {
    return to.isConnected();
  }

  /**
   * Sends a frame with the next {@link #flush}, or before; drops it where nobody is there or too
   * much waits.
   */
  public synchronized void send(Frame frame) {
    if (to.isConnected()) {
      FrameStream.encode(frame, header, gathered);
      frames++;
      limit();
    }
  }

  /** The same for the mark of a checkpoint. */
  public synchronized void sendMark(long number) {
    if (to.isConnected()) {
      FrameStream.encodeMark(number, header, gathered);
      limit();
    }
  }

  private void limit() {
    if (gathered.position() >= BATCH) {
      flush();
    }
  }

  /** Nothing more comes at once: what was gathered goes. */
  public synchronized void flush() {
    if (gathered.position() == 0) {
      return;
    }
    gathered.flip();
    if (!waiting.isEmpty() || !to.writeWhole(gathered)) {
      keep();
    }
    forgetGathered();
  }

  private void forgetGathered() {
    gathered.clear();
    frames = 0;
  }

  private void keep() {
    if (bytes + gathered.remaining() > most) {
      dropped += frames;
      return;
    }
    ByteBuffer copy = ByteBuffer.allocate(gathered.remaining()).put(gathered).flip();
    bytes += copy.remaining();
    waiting.add(copy);
    if (waiting.size() == 1) {
      to.whenWritable(this::drain);
    }
  }

  private synchronized void drain() {
    while (!waiting.isEmpty()) {
      ByteBuffer next = waiting.element();
      int length = next.remaining();
      if (!to.writeWhole(next)) {
        to.whenWritable(this::drain);
        return;
      }
      bytes -= length;
      waiting.remove();
    }
  }

  /** Frames that were dropped because too much waited. */
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
      forgetGathered();
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
