package dev.pollux.backend.vnc;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;

/** The connection to a viewer. One thread reads, another writes, and any may close it. */
interface ViewerLink extends Closeable {
  InputStream in();

  OutputStream out();

  /** Where the viewer is. */
  SocketAddress peer();

  /** Whether it came by a WebSocket. */
  boolean isWeb();

  /** A plain socket. */
  record Plain(SocketChannel channel, InputStream in, OutputStream out, SocketAddress peer)
      implements ViewerLink {
    static Plain of(SocketChannel channel) throws IOException {
      if (channel.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
      }
      return new Plain(
          channel,
          Channels.newInputStream(channel),
          Channels.newOutputStream(channel),
          channel.getRemoteAddress());
    }

    @Override
    public boolean isWeb() {
      return false;
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
