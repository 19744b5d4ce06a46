package dev.pollux.backend.chr;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.socket.SocketProtocolFamily;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.spi.SelectorProvider;
import java.util.List;

/**
 * What goes out on a connection. Messages are written on the thread of whoever has them, as far as
 * the host has room: waking the loop's thread for them would take longer than that. The rest, and
 * what comes before the loop has written it, waits in Netty's outbound buffer. Any thread.
 */
final class SocketOutput {
  private final Channel channel;

  /** What the loop has yet to write. Guarded by this. */
  private int queued;

  SocketOutput(Channel channel) {
    this.channel = channel;
  }

  /** Whether less waits than may. */
  boolean isWritable() {
    return channel.isWritable();
  }

  /** Bytes that may wait besides those that do. */
  long room() {
    return channel.bytesBeforeUnwritable();
  }

  /** Has the loop write bytes, behind all that came before. */
  synchronized void queue(ByteBuf bytes) {
    queued++;
    var _ = channel.writeAndFlush(bytes).addListener(_ -> written());
  }

  private synchronized void written() {
    queued--;
  }

  /** Takes all bytes of a buffer, which is the caller's again afterwards. */
  synchronized void write(ByteBuffer bytes) {
    if (queued == 0 && channel instanceof Tcp tcp) {
      try {
        int _ = tcp.javaChannel().write(bytes);
      } catch (IOException e) {
        // The loop will see the same, and end the connection.
      }
    }
    if (bytes.hasRemaining()) {
      queue(Unpooled.copiedBuffer(bytes));
      bytes.position(bytes.limit());
    }
  }

  /** A TCP connection whose socket others may write to. */
  static final class Tcp extends NioSocketChannel {
    Tcp() {}

    private Tcp(Channel parent, SocketChannel socket) {
      super(parent, socket);
    }

    @Override
    public SocketChannel javaChannel() {
      return super.javaChannel();
    }
  }

  /** A listener whose connections are such. */
  static final class TcpListener extends NioServerSocketChannel {
    TcpListener(SocketProtocolFamily family) {
      super(SelectorProvider.provider(), family);
    }

    @Override
    protected int doReadMessages(List<Object> accepted) throws Exception {
      SocketChannel socket = javaChannel().accept();
      if (socket == null) {
        return 0;
      }
      accepted.add(new Tcp(this, socket));
      return 1;
    }
  }
}
