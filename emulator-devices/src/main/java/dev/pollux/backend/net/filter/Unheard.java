package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import dev.pollux.backend.net.Packet;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * What a secondary's guest has said in its present state, of which nobody knows whether the world
 * has heard it from the primary: segments of TCP that carry bytes, which may come twice. The last
 * of them are kept, up to a bound. Without them the guest says it again when its own time comes,
 * which is late where it has been unheard for long. Any thread.
 */
final class Unheard {
  static final int MOST = 1 << 20;

  private final boolean header;

  // Guarded by this.
  private final Packet packet = new Packet();
  private final ArrayDeque<byte[]> messages = new ArrayDeque<>();
  private int bytes;

  /**
   * @param header messages have virtio-net's header
   */
  Unheard(boolean header) {
    this.header = header;
  }

  /** The guest has sent a frame. */
  synchronized void add(Frame frame) {
    if (!carriesBytes(frame.data())) {
      return;
    }
    byte[] message = FrameStream.encode(frame, header);
    messages.add(message);
    bytes += message.length;
    while (bytes > MOST) {
      bytes -= messages.remove().length;
    }
  }

  private boolean carriesBytes(ByteBuffer data) {
    return packet.parse(data)
        && packet.protocol() == Packet.TCP
        && !packet.isFragment()
        && packet.end() > packet.payload();
  }

  /** The guest has another state now. */
  synchronized void forget() {
    messages.clear();
    bytes = 0;
  }

  private synchronized List<byte[]> take() {
    List<byte[]> taken = new ArrayList<>(messages);
    forget();
    return taken;
  }

  /** Says all again, in its order, and forgets it. */
  void sayAgain(Consumer<Frame> to) {
    FrameStream.Reader reader = new FrameStream.Reader(header, to::accept);
    for (byte[] message : take()) {
      try {
        reader.read(message, 0, message.length);
      } catch (IOException e) {
        throw new IllegalStateException("a message of our own", e);
      }
    }
  }
}
