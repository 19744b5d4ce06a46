package dev.pollux.backend.net.user;

import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/**
 * The host's end of a connection: a socket, or the input and output of a program. Never blocks.
 * Guarded by the network's lock.
 */
interface HostStream extends ReadableByteChannel, WritableByteChannel {
  /** Ends what is sent; receiving goes on. */
  void shutdownOutput() throws IOException;

  /** Makes {@link #close} tell the other side that something went wrong. */
  void abortOnClose();

  /**
   * Chooses what the connection hears about.
   *
   * @param read there are bytes, or the end
   * @param write there is room
   */
  void watch(boolean read, boolean write);
}
