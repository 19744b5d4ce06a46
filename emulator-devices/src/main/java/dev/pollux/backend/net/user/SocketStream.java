package dev.pollux.backend.net.user;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;

/** A TCP socket of the host. */
final class SocketStream implements HostStream, Reactor.Handler {
  private final Reactor reactor;
  private final SocketChannel channel;
  private final SelectionKey key;

  /** Set once, before anything can happen. */
  private TcpRelay.Events events;

  /** Takes over a socket that is connected already. */
  SocketStream(Reactor reactor, SocketChannel channel) throws IOException {
    this.reactor = reactor;
    this.channel = channel;
    channel.configureBlocking(false);
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    this.key = reactor.register(channel, 0, this);
  }

  /** Begins to connect; unless that is done at once the relay hears how it ends. */
  static SocketStream connect(Reactor reactor, InetSocketAddress to) throws IOException {
    SocketChannel channel = SocketChannel.open();
    try {
      SocketStream stream = new SocketStream(reactor, channel);
      if (!channel.connect(to)) {
        reactor.interest(stream.key, SelectionKey.OP_CONNECT);
      }
      return stream;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  boolean isConnected() {
    return channel.isConnected();
  }

  void setEvents(TcpRelay.Events to) {
    events = to;
  }

  @Override
  public void ready(SelectionKey selected) {
    if (selected.isConnectable()) {
      finishConnect();
      return;
    }
    if (selected.isReadable()) {
      events.readable();
    }
    if (selected.isValid() && selected.isWritable()) {
      events.writable();
    }
  }

  private void finishConnect() {
    boolean connected = false;
    try {
      connected = channel.finishConnect();
      reactor.interest(key, 0);
    } catch (IOException e) {
      // Refused, unreachable or timed out: the guest hears of it.
    }
    events.connected(connected);
  }

  @Override
  public void watch(boolean read, boolean write) {
    if (channel.isConnected()) {
      reactor.interest(
          key, (read ? SelectionKey.OP_READ : 0) | (write ? SelectionKey.OP_WRITE : 0));
    }
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    return channel.read(to);
  }

  @Override
  public int write(ByteBuffer from) throws IOException {
    return channel.write(from);
  }

  @Override
  public void shutdownOutput() throws IOException {
    channel.shutdownOutput();
  }

  @Override
  public void abortOnClose() {
    try {
      channel.setOption(StandardSocketOptions.SO_LINGER, 0);
    } catch (IOException e) {
      // Closed already.
    }
  }

  @Override
  public boolean isOpen() {
    return channel.isOpen();
  }

  @Override
  public void close() throws IOException {
    channel.close();
    reactor.wakeUp(); // a channel that is watched is let go of there
  }
}
