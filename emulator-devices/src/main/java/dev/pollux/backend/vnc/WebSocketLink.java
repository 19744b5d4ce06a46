package dev.pollux.backend.vnc;

import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;

/**
 * A viewer in a browser: the bytes of the protocol in binary frames of a WebSocket, cut anyhow. Who
 * writes waits until the bytes have left, and what is not read yet is little, as the connection is
 * not read from meanwhile.
 */
final class WebSocketLink extends SimpleChannelInboundHandler<WebSocketFrame>
    implements ViewerLink {
  private static final int MOST_WAITING = 1 << 16;

  private final Channel channel;
  private final SocketAddress peer;
  private final Incoming incoming = new Incoming();
  private final Outgoing outgoing = new Outgoing();

  WebSocketLink(Channel channel) {
    this.channel = channel;
    peer = channel.remoteAddress();
  }

  @Override
  protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
    switch (frame) {
      case BinaryWebSocketFrame _, ContinuationWebSocketFrame _ ->
          incoming.add(ByteBufUtil.getBytes(frame.content()));
      case PingWebSocketFrame ping when channel.isWritable() -> {
        var _ = context.writeAndFlush(new PongWebSocketFrame(ping.content().retain()));
      }
      case PingWebSocketFrame _, PongWebSocketFrame _ -> {}
      case CloseWebSocketFrame close -> {
        var _ = context.writeAndFlush(close.retain()).addListener(ChannelFutureListener.CLOSE);
      }
      default -> {
        var _ = context.close(); // text is none of the protocol's
      }
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    incoming.end();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    var _ = context.close(); // the viewer is gone, or speaks no WebSocket
  }

  /** What the viewer has said. */
  private final class Incoming extends InputStream {
    private final Deque<ByteBuffer> waiting = new ArrayDeque<>();
    private int bytes;
    private boolean ended;

    synchronized void add(byte[] more) {
      if (more.length == 0) {
        return;
      }
      waiting.add(ByteBuffer.wrap(more));
      bytes += more.length;
      if (bytes > MOST_WAITING) {
        channel.config().setAutoRead(false);
      }
      notifyAll();
    }

    synchronized void end() {
      ended = true;
      notifyAll();
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public synchronized int read(byte[] to, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, to.length);
      while (waiting.isEmpty()) {
        if (ended) {
          return -1;
        }
        try {
          wait();
        } catch (InterruptedException e) {
          throw (IOException) new InterruptedIOException("interrupted").initCause(e);
        }
      }
      ByteBuffer first = waiting.getFirst();
      int count = Math.min(length, first.remaining());
      first.get(to, offset, count);
      if (!first.hasRemaining()) {
        waiting.removeFirst();
      }
      bytes -= count;
      if (bytes == 0) {
        channel.config().setAutoRead(true);
      }
      return count;
    }
  }

  /** What the viewer is told; not on the channel's own thread. */
  private final class Outgoing extends OutputStream {
    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int length) throws IOException {
      var sent =
          channel.writeAndFlush(
              new BinaryWebSocketFrame(Unpooled.copiedBuffer(from, offset, length)));
      if (!sent.awaitUninterruptibly().isSuccess()) {
        throw (IOException) new ClosedChannelException().initCause(sent.cause());
      }
    }
  }

  @Override
  public InputStream in() {
    return incoming;
  }

  @Override
  public OutputStream out() {
    return outgoing;
  }

  @Override
  public SocketAddress peer() {
    return peer;
  }

  @Override
  public boolean isWeb() {
    return true;
  }

  @Override
  public void close() {
    var _ = channel.close();
  }
}
