package dev.pollux.migration.transport;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** A TCP or Unix socket. */
final class SocketMigrationChannel implements MigrationChannel {
  private final SocketChannel socket;
  private final Traffic traffic = new Traffic();

  SocketMigrationChannel(SocketChannel socket) throws IOException {
    this.socket = socket;
    if (!(socket.getLocalAddress() instanceof UnixDomainSocketAddress)
        && socket.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
      socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }
  }

  /** A socket that is not connected yet. */
  static SocketChannel open(boolean unix) throws IOException {
    return unix ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open();
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    int count = socket.read(to);
    traffic.hear();
    return count;
  }

  @Override
  public void write(ByteBuffer from) throws IOException {
    traffic.write(from, socket::write);
  }

  @Override
  public long quietNanos() {
    return traffic.quietNanos();
  }

  @Override
  public long stalledNanos() {
    return traffic.stalledNanos();
  }

  @Override
  public boolean isTwoWay() {
    return true;
  }

  @Override
  public void shutdownInput() {
    try {
      socket.shutdownInput();
    } catch (IOException e) {
      // Not connected any more.
    }
  }

  @Override
  public void shutdown() {
    shutdownInput();
    try {
      socket.shutdownOutput();
    } catch (IOException e) {
      // Not connected any more.
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
