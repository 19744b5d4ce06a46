package dev.pollux.backend.net.wire;

import dev.pollux.core.host.DatagramDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Datagrams between two paths, or on a socket that was inherited.
 *
 * @param describe for {@code info network}
 */
record HostDatagrams(DatagramDescriptor socket, String describe) implements Datagrams {
  @Override
  public boolean send(ByteBuffer from) throws IOException {
    return socket.send(from);
  }

  @Override
  public void await(int milliseconds) {
    boolean _ = socket.await(milliseconds);
  }

  @Override
  public boolean receive(ByteBuffer to) throws IOException {
    return socket.receive(to);
  }

  @Override
  public void close() {
    socket.close();
  }
}
