package dev.pollux.backend.net.wire;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetworkListener;
import dev.pollux.backend.net.Offloads;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Frames on a stream to one peer: {@code -netdev stream} and two forms of {@code socket}. While
 * nobody is there, frames are dropped. Where the peer is slow the guest waits, and where the guest
 * is, the peer.
 */
public final class StreamNetwork extends NetBackend implements CharFrontEnd, FrameStream.Sink {
  private static final Logger log = LoggerFactory.getLogger(StreamNetwork.class);
  private static final int CHUNK = 4096;

  private final String type;
  private final CharBackend stream;
  private final NetworkListener listener;
  private final FrameStream.Reader reader = new FrameStream.Reader(false, this);
  private final ExecutorService executor;
  private final Frame[] one = new Frame[1];

  /** Frames of the last chunk that the guest has no room for. On the executor's thread. */
  private final ArrayDeque<Frame> waiting = new ArrayDeque<>();

  private final LongAdder noPeer = drops().counter("nobody at the other end");
  private boolean broken;
  private volatile boolean closed;

  /**
   * @param type its name on the command line
   * @param listener hears of peers that come and go
   */
  @SuppressWarnings("this-escape") // callbacks come on the executor's thread
  public StreamNetwork(String id, String type, CharBackend stream, NetworkListener listener) {
    super(id);
    this.type = type;
    this.stream = stream;
    this.listener = listener;
    executor =
        Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name(id + " stream").daemon(true).factory());
    stream.attach(this, this::execute);
  }

  private void execute(Runnable task) {
    if (!closed) {
      executor.execute(task);
    }
  }

  @Override
  public String type() {
    return type;
  }

  @Override
  public String describe() {
    return stream.describe();
  }

  @Override
  public Offloads offloads() {
    return Offloads.NONE;
  }

  // ---- from the guest ----

  @Override
  public int take(Frame[] frames, int count) {
    if (!stream.isConnected()) {
      noPeer.add(count);
      return count;
    }
    for (int i = 0; i < count; i++) {
      if (!stream.writeWhole(FrameStream.encode(frames[i], false))) {
        stream.whenWritable(() -> link().ready(this));
        return i;
      }
    }
    return count;
  }

  // ---- to the guest; the executor's thread ----

  @Override
  public int canReceive() {
    return waiting.isEmpty() ? CHUNK : 0;
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    if (broken) {
      return;
    }
    try {
      reader.read(bytes, offset, length);
    } catch (IOException e) {
      broken = true;
      log.warn(
          "netdev {}: the peer sends no frames: {}; nothing more is read from this connection",
          id(),
          e.getMessage());
    }
  }

  @Override
  public void frame(Frame frame) {
    one[0] = frame;
    if (!waiting.isEmpty() || link().fromBackend(one, 1) == 0) {
      waiting.add(frame.copy());
    }
  }

  @Override
  public void resume() {
    execute(this::flush);
  }

  private void flush() {
    while (!waiting.isEmpty()) {
      one[0] = waiting.peek();
      if (link().fromBackend(one, 1) == 0) {
        return;
      }
      waiting.remove();
    }
    stream.acceptInput();
  }

  @Override
  public void event(CharEvent event) {
    switch (event) {
      case OPENED -> {
        broken = false;
        reader.reset();
        listener.connected(id(), stream.peer());
      }
      case CLOSED -> {
        link().ready(this); // frames are taken, and dropped
        listener.disconnected(id());
      }
      default -> {}
    }
  }

  @Override
  public boolean isConversation() {
    return true;
  }

  @Override
  public void close() {
    closed = true;
    unplug();
    stream.detach();
    stream.close();
    executor.shutdownNow();
  }
}
