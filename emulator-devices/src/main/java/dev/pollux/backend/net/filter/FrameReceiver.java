package dev.pollux.backend.net.filter;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.backend.net.FrameStream;
import java.io.IOException;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Frames that come from a character device. Where the stream makes no sense, nothing more of that
 * connection is used; the next one begins anew.
 */
public final class FrameReceiver implements CharFrontEnd, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(FrameReceiver.class);

  /** Bytes that are taken at once: some of the longest frames. */
  static final int CHUNK = 256 << 10;

  private final String user;
  private final CharBackend from;
  private final FrameStream.Reader reader;
  private boolean broken;

  /**
   * @param user who reads, for messages: {@code filter-redirector r0}
   * @param executor calls the sink
   * @param atOnce the same on the thread of a reader that holds no lock
   */
  @SuppressWarnings("this-escape") // its callbacks need nothing that is made later
  public FrameReceiver(
      String user,
      CharBackend from,
      boolean header,
      FrameStream.Sink sink,
      Executor executor,
      Executor atOnce) {
    this.user = user;
    this.from = from;
    reader = new FrameStream.Reader(header, sink);
    from.attach(this, executor, atOnce);
  }

  @Override
  public int canReceive() {
    return CHUNK;
  }

  @Override
  public int buffer() {
    return CHUNK;
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
          "{}: chardev {} carries no frames: {}; nothing more is read from this connection",
          user,
          from.id(),
          e.getMessage());
    }
  }

  @Override
  public void event(CharEvent event) {
    if (event == CharEvent.OPENED) {
      broken = false;
      reader.reset();
    }
  }

  @Override
  public boolean isConversation() {
    return true;
  }

  @Override
  public void close() {
    from.detach();
  }
}
