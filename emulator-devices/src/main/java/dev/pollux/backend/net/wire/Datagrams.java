package dev.pollux.backend.net.wire;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Sockets that carry a frame in each datagram. One thread receives while others send. */
interface Datagrams extends AutoCloseable {
  /** As {@code info network} shows it. */
  String describe();

  /**
   * Sends the rest of a direct buffer, which stays as it is.
   *
   * @return false where there is no room now
   * @throws IOException if nobody takes it
   */
  boolean send(ByteBuffer from) throws IOException;

  /** Waits for a datagram for a while, at most. */
  void await(int milliseconds) throws IOException;

  /**
   * Receives into a direct buffer.
   *
   * @return false where nothing waits
   */
  boolean receive(ByteBuffer to) throws IOException;

  /** Once nobody receives or sends any more. */
  @Override
  void close() throws IOException;
}
