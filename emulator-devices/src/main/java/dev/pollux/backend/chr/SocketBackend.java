package dev.pollux.backend.chr;

import dev.pollux.backend.chr.CharSpec.SocketTarget;
import dev.pollux.core.config.ConfigException;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.DefaultMaxMessagesRecvByteBufAllocator;
import io.netty.channel.EventLoop;
import io.netty.channel.ServerChannel;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.ChannelOutputShutdownEvent;
import io.netty.channel.socket.SocketChannelConfig;
import io.netty.channel.socket.SocketProtocolFamily;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A unix or TCP socket, server or client, one connection at a time. A server keeps listening: the
 * next client is served when the present one has gone. Only the address asked for is bound; a
 * socket file gets the permissions that the umask leaves.
 *
 * <p>Where both ends of a connection are in this process, as those of a comparison are, what is
 * written goes from one's queue to the other's at once.
 *
 * <p>Each has an event loop, and with it a thread, of its own: a name server that is slow to answer
 * one holds up no other. The loop asks the socket for bytes only when the front end has room for
 * those it has; what is written waits in Netty's outbound buffer, up to its high-water mark.
 */
public final class SocketBackend extends QueuedBackend {
  private static final Logger log = LoggerFactory.getLogger(SocketBackend.class);
  private static final int MAX_UNIX_PATH = 107;

  /** What was written last has so long to go before the end; managers wait for 500 ms in all. */
  private static final int FLUSH_MILLIS = 100;

  /** Bytes that one read asks for. */
  private static final int MOST_READ = 64 << 10;

  /** After a failed accept, as when the process has no file descriptors left. */
  private static final int ACCEPT_AGAIN_MILLIS = 1000;

  static {
    // Few small buffers gain nothing from a pool, and making one would take longer than all else.
    System.setProperty("io.netty.allocator.type", "unpooled");
  }

  /**
   * The servers of this process. Also the lock of all their peers: {@link #twin}, {@link
   * #connection} and whether {@link #input} is open change together.
   */
  private static final Map<SocketAddress, SocketBackend> LISTENING = new ConcurrentHashMap<>();

  private final CharSpec.Socket spec;
  private final EventLoop loop;

  /**
   * Listener and connection; once closed, also closes what is added. That the end of a loop would
   * close them cannot be relied on.
   */
  private final ChannelGroup channels;

  /** Null for a client. */
  private final Channel listener;

  /** Done with the first connection. */
  private final Promise<Void> connected;

  /** What front ends wait for room with. */
  private final Queue<Runnable> waiting = new ConcurrentLinkedQueue<>();

  /** Null: nobody is there and output is dropped. */
  private volatile Channel connection;

  /** Of that connection. */
  private volatile SocketOutput output;

  /** The other end of a connection within this process; null where there is none. */
  private volatile SocketBackend twin;

  /** The present peer takes no more, though it may have sent what is still to be read. */
  private volatile boolean outputOver;

  private volatile boolean closed;

  SocketBackend(String id, CharSpec.Socket spec) {
    this("chardev", id, spec);
  }

  /**
   * @param user what it belongs to, for messages
   * @throws ConfigException if the host refuses, with one line for the user
   */
  public SocketBackend(String user, String id, CharSpec.Socket spec) {
    super(id);
    this.spec = spec;
    loop =
        new SingleThreadIoEventLoop(
            null,
            Thread.ofPlatform().name(id + " socket").daemon(true).factory(),
            NioIoHandler.newFactory());
    channels = new DefaultChannelGroup(loop, true);
    connected = loop.newPromise();
    try {
      listener = spec.server() ? listen() : null;
      if (spec.server() && spec.waitForClient()) {
        log.info("waiting for connection on: {}", describe());
        await(connected);
      } else if (!spec.server() && !reconnects()) {
        await(connect());
        await(connected);
      } else if (!spec.server()) {
        loop.execute(this::tryToConnect);
      }
    } catch (IOException e) {
      shutDown();
      throw new ConfigException(
          "%s %s: cannot %s %s: %s"
              .formatted(
                  user,
                  id,
                  spec.server() ? "listen on" : "connect to",
                  text(spec.target()),
                  reason(e)),
          e);
    }
  }

  /** The port that a TCP server got, for instance when it asked for port 0. */
  public int localPort() {
    return listener.localAddress() instanceof InetSocketAddress inet ? inet.getPort() : -1;
  }

  @Override
  public boolean isSocket() {
    return true;
  }

  /** Whether a lost connection is tried again. */
  public boolean reconnects() {
    return spec.reconnectMillis() > 0;
  }

  /** Cuts the present connection at once, as {@code yank} does. Any thread. */
  public void disconnect() {
    part();
    Channel channel = connection;
    if (channel != null) {
      var _ = channel.close();
    }
  }

  // ---- a connection within this process ----

  /** Whether a server of this process that is free has this address: then it is connected to. */
  private boolean joins(SocketAddress address) {
    SocketBackend server = LISTENING.get(address);
    synchronized (LISTENING) {
      if (server == null || server.closed || server.twin != null || server.connection != null) {
        return false;
      }
      twin = server;
      server.twin = this;
      server.opened();
      opened();
    }
    return true;
  }

  /** Somebody is there; lock held. */
  private void opened() {
    outputOver = false;
    input.open();
    connected.trySuccess(null);
  }

  private void part() {
    SocketBackend other;
    synchronized (LISTENING) {
      other = twin;
      if (other == null) {
        return;
      }
      other.twin = null;
      twin = null;
      other.input.close();
      input.close();
    }
    for (SocketBackend end : new SocketBackend[] {other, this}) {
      end.tellWaiting();
      if (end.reconnects()) {
        end.loop.execute(end::tryLaterToConnect);
      }
    }
  }

  /**
   * Whether there is nobody for output. Who it is meant for is looked at after who is there: so
   * nothing reaches one that came meanwhile.
   */
  private boolean isDropped(SocketOutput to) {
    return to == null || outputOver || input.speaksToFormer();
  }

  @Override
  public int write(byte[] from, int offset, int length) {
    SocketBackend near = twin;
    if (near != null) {
      return input.speaksToFormer() ? length : near.input.offer(from, offset, length);
    }
    SocketOutput to = output;
    if (isDropped(to)) {
      return length;
    }
    int n = (int) Math.min(length, to.room());
    if (n > 0) {
      to.queue(Unpooled.copiedBuffer(from, offset, n));
    }
    return n;
  }

  /** May go beyond the high-water mark by one message. */
  @Override
  public boolean writeWhole(byte[] message) {
    SocketBackend near = twin;
    if (near != null) {
      return input.speaksToFormer() || near.input.offerWhole(message);
    }
    SocketOutput to = output;
    if (isDropped(to)) {
      return true;
    }
    if (!to.isWritable()) {
      return false;
    }
    to.queue(Unpooled.wrappedBuffer(message));
    return true;
  }

  @Override
  public boolean writeWhole(ByteBuffer messages) {
    SocketBackend near = twin;
    if (near != null) {
      return input.speaksToFormer() || near.input.offerWhole(messages);
    }
    SocketOutput to = output;
    if (isDropped(to)) {
      return true;
    }
    if (!to.isWritable()) {
      return false;
    }
    to.write(messages);
    return true;
  }

  @Override
  public void whenWritable(Runnable action) {
    waiting.add(action);
    SocketBackend near = twin;
    if (near != null) {
      near.input.whenRoom(() -> loop.execute(this::tellWaiting));
      return;
    }
    Channel to = connection;
    if (to == null || outputOver || to.isWritable()) {
      tellWaiting();
    }
  }

  private void tellWaiting() {
    for (Runnable next = waiting.poll(); next != null; next = waiting.poll()) {
      input.runForFrontEnd(next);
    }
  }

  @Override
  public void flush(int milliseconds) {
    Channel to = connection;
    if (to == null) {
      return;
    }
    try {
      // Is written when all that comes before it is.
      to.writeAndFlush(Unpooled.EMPTY_BUFFER).await(milliseconds);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void attach(CharFrontEnd frontEnd, Executor executor, Executor atOnce) {
    super.attach(frontEnd, executor, atOnce);
    Channel to = connection;
    if (to != null) {
      tune(to.config());
    }
  }

  /**
   * What may wait in Netty's buffer; and that nothing waits in the host's for an answer to what was
   * sent before: messages that come together are gathered here.
   */
  private void tune(ChannelConfig config) {
    if (config instanceof SocketChannelConfig tcp) {
      try {
        tcp.setTcpNoDelay(spec.noDelay() || input.isConversation());
      } catch (ChannelException e) {
        log.debug("{}: closed meanwhile: {}", id(), e.toString());
      }
    }
    int most = Math.max(OutputQueue.CAPACITY, input.capacity());
    config.setWriteBufferWaterMark(new WriteBufferWaterMark(most / 2, most));
  }

  /** Messages that are written together go to the host in one call. On the loop's thread. */
  private static final class GatheredFlushes extends ChannelOutboundHandlerAdapter {
    private boolean pending;

    @Override
    public void flush(ChannelHandlerContext context) {
      if (!pending) {
        pending = true;
        context.executor().execute(() -> flushAll(context));
      }
    }

    private void flushAll(ChannelHandlerContext context) {
      pending = false;
      context.flush();
    }
  }

  /** One connection, from its beginning to its end. On the loop's thread. */
  private final class Connection extends SimpleChannelInboundHandler<ByteBuf> {
    /** What each read fills: a new one each time would take longer than reading. */
    private ByteBuf buffer = Unpooled.EMPTY_BUFFER;

    /** The bytes read last. */
    private byte[] received = {};

    private int length;

    /** How many of them the front end's queue has taken; no more are read before all are. */
    private int taken;

    /** Reads as much at once as may wait for the front end, up to a bound. */
    private final class OneBuffer extends DefaultMaxMessagesRecvByteBufAllocator {
      @Override
      @SuppressWarnings("deprecation") // Netty's own allocators have no other base
      public Handle newHandle() {
        return new MaxMessageHandle() {
          @Override
          public int guess() {
            return Math.min(input.capacity(), MOST_READ);
          }

          @Override
          public ByteBuf allocate(ByteBufAllocator allocator) {
            if (buffer.capacity() < guess()) {
              buffer.release();
              buffer = allocator.ioBuffer(guess());
              received = new byte[buffer.capacity()];
            }
            return buffer.clear().retain(); // what it held has been copied
          }
        };
      }
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
      channels.add(context.channel());
      ChannelConfig config = context.channel().config();
      config.setAutoRead(false);
      // A peer that has left cannot be written to, but what it sent before is still to be read.
      config.setAutoClose(false);
      config.setRecvByteBufAllocator(new OneBuffer());
      context.pipeline().addBefore(context.name(), null, new GatheredFlushes());
      tune(config);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
      buffer.release();
      buffer = Unpooled.EMPTY_BUFFER;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
      synchronized (LISTENING) {
        if (twin != null) {
          var _ = context.close(); // somebody was faster
          return;
        }
        connection = context.channel();
        output = new SocketOutput(connection);
        opened();
      }
      context.read();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, ByteBuf bytes) {
      length = bytes.readableBytes();
      bytes.readBytes(received, 0, length);
      taken = 0;
      passOn(context);
    }

    private void passOn(ChannelHandlerContext context) {
      taken +=
          input.offer(received, taken, length - taken, () -> loop.execute(() -> passOn(context)));
      if (taken == length) {
        context.read();
      }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
      if (context.channel().isWritable()) {
        tellWaiting();
      }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
      if (event instanceof ChannelOutputShutdownEvent) {
        outputOver = true;
        tellWaiting();
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
      if (context.channel().equals(connection)) {
        length = 0;
        taken = 0;
        synchronized (LISTENING) {
          connection = null;
          output = null;
          input.close();
        }
        tellWaiting();
      }
      if (closed) {
        return;
      }
      if (spec.server()) {
        context.channel().parent().read();
      } else if (reconnects()) {
        tryLaterToConnect();
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      log.debug("{}: {}", id(), cause.toString());
      var _ = context.close();
    }
  }

  private Future<?> connect() throws IOException {
    SocketAddress address =
        switch (spec.target()) {
          case SocketTarget.Unix unix -> address(unix);
          case SocketTarget.Inet inet -> address(inet, inet.port());
        };
    if (joins(address)) {
      return loop.newSucceededFuture(null);
    }
    ChannelFactory<Channel> factory =
        address instanceof UnixDomainSocketAddress
            ? NioDomainSocketChannel::new
            : SocketOutput.Tcp::new;
    return new Bootstrap()
        .group(loop)
        .handler(new Connection())
        .channelFactory(factory)
        .connect(address);
  }

  private void tryToConnect() {
    try {
      connect()
          .addListener(
              attempt -> {
                if (!attempt.isSuccess()) {
                  log.debug("{}: {}", id(), attempt.cause().toString());
                  tryLaterToConnect();
                }
              });
    } catch (IOException e) {
      log.debug("{}: {}", id(), e.toString());
      tryLaterToConnect();
    }
  }

  private void tryLaterToConnect() {
    if (!closed) {
      var _ = loop.schedule(this::tryToConnect, spec.reconnectMillis(), TimeUnit.MILLISECONDS);
    }
  }

  /** A bound listener that accepts one connection; each that ends lets the next one in. */
  private Channel listen() throws IOException {
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loop)
            .option(ChannelOption.SO_BACKLOG, 1)
            .option(ChannelOption.AUTO_READ, false)
            .handler(new FailedAccept())
            .childHandler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel.pipeline().addLast(new Connection());
                  }
                });
    Channel bound =
        switch (spec.target()) {
          case SocketTarget.Unix unix -> listenUnix(bootstrap, unix);
          case SocketTarget.Inet inet -> listenInet(bootstrap, inet);
        };
    channels.add(bound);
    LISTENING.put(bound.localAddress(), this);
    return bound.read();
  }

  @Sharable
  private final class FailedAccept extends ChannelInboundHandlerAdapter {
    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      log.debug("{}: {}", id(), cause.toString());
      var _ = loop.schedule(context::read, ACCEPT_AGAIN_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private static Channel listenUnix(ServerBootstrap bootstrap, SocketTarget.Unix unix)
      throws IOException {
    SocketAddress address = address(unix);
    Path path = Path.of(unix.path());
    if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
          .isOther()) {
        throw new IOException("the file exists and is no socket");
      }
      Files.delete(path);
    }
    // Closing it deletes the file.
    return bind(bootstrap.channel(NioServerDomainSocketChannel.class), address);
  }

  private static Channel listenInet(ServerBootstrap bootstrap, SocketTarget.Inet inet)
      throws IOException {
    SocketProtocolFamily family = family(inet);
    ChannelFactory<ServerChannel> factory = () -> new SocketOutput.TcpListener(family);
    bootstrap.channelFactory(factory);
    IOException first = null;
    for (int port = inet.port(); port <= Math.max(inet.port(), inet.to()); port++) {
      try {
        return bind(bootstrap, address(inet, port));
      } catch (IOException e) {
        first = first == null ? e : first;
      }
    }
    throw first;
  }

  private static Channel bind(ServerBootstrap bootstrap, SocketAddress address) throws IOException {
    ChannelFuture bound = bootstrap.bind(address);
    await(bound);
    return bound.channel();
  }

  /**
   * A socket of one family only where an address of that family is bound: nothing wider than was
   * asked for.
   */
  private static SocketProtocolFamily family(SocketTarget.Inet inet) throws IOException {
    boolean v4 = inet.host().isEmpty() ? !inet.ipv6() : resolve(inet) instanceof Inet4Address;
    return v4 ? SocketProtocolFamily.INET : SocketProtocolFamily.INET6;
  }

  private static SocketAddress address(SocketTarget.Unix unix) throws IOException {
    if (unix.path().getBytes(StandardCharsets.UTF_8).length > MAX_UNIX_PATH) {
      throw new IOException(
          "the path is longer than the " + MAX_UNIX_PATH + " bytes a socket's may have");
    }
    return UnixDomainSocketAddress.of(unix.path());
  }

  private static SocketAddress address(SocketTarget.Inet inet, int port) throws IOException {
    return inet.host().isEmpty()
        ? new InetSocketAddress(port)
        : new InetSocketAddress(resolve(inet), port);
  }

  private static InetAddress resolve(SocketTarget.Inet inet) throws UnknownHostException {
    for (InetAddress address : InetAddress.getAllByName(inet.host())) {
      if (address instanceof Inet6Address ? inet.ipv6() : inet.ipv4()) {
        return address;
      }
    }
    throw new UnknownHostException("no address of the family asked for");
  }

  /** Waits for what the loop does. */
  private static void await(Future<?> future) throws IOException {
    try {
      future.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    }
    switch (future.cause()) {
      case null -> {}
      case IOException e -> throw e;
      case Throwable e -> throw new IOException(e);
    }
  }

  private static String reason(IOException e) {
    if (e instanceof UnknownHostException) {
      return "the host is not known";
    }
    // Netty adds the address, which the sentence has already.
    IOException plain = e.getCause() instanceof IOException cause ? cause : e;
    String message =
        plain.getMessage() == null ? plain.getClass().getSimpleName() : plain.getMessage();
    return message.contains("in use")
        ? message + "; choose another address or end the program that has it"
        : message;
  }

  private static String text(SocketTarget target) {
    return switch (target) {
      case SocketTarget.Unix(String path) -> "unix:" + path;
      case SocketTarget.Inet inet ->
          "tcp:"
              + (inet.host().contains(":") ? "[" + inet.host() + "]" : inet.host())
              + ":"
              + inet.port();
    };
  }

  @Override
  public String describe() {
    Channel channel = connection;
    String server = spec.server() ? ",server=on" : "";
    if (twin != null) {
      String near = text(spec.target());
      boolean unix = spec.target() instanceof SocketTarget.Unix;
      return unix ? near + server : near + server + " <-> " + near.substring("tcp:".length());
    }
    if (channel == null) {
      // A port of 0 or of a range is known once it is bound.
      String target =
          listener != null && listener.localAddress() instanceof InetSocketAddress bound
              ? "tcp:" + plain(bound)
              : text(spec.target());
      return "disconnected:" + target + server;
    }
    if (spec.target() instanceof SocketTarget.Unix unix) {
      return "unix:" + unix.path() + server;
    }
    return "tcp:"
        + plain(channel.localAddress())
        + server
        + " <-> "
        + plain(channel.remoteAddress());
  }

  @Override
  public PeerAddress peer() {
    if (spec.target() instanceof SocketTarget.Unix(String path)) {
      return new PeerAddress.Unix(path);
    }
    Channel channel = connection;
    return channel != null && channel.remoteAddress() instanceof InetSocketAddress remote
        ? new PeerAddress.Inet(
            remote.getAddress().getHostAddress(),
            remote.getPort(),
            remote.getAddress() instanceof Inet6Address)
        : super.peer();
  }

  private static String plain(SocketAddress address) {
    if (address instanceof InetSocketAddress inet) {
      String host = inet.getAddress().getHostAddress();
      return (host.contains(":") ? "[" + host + "]" : host) + ":" + inet.getPort();
    }
    return String.valueOf(address);
  }

  @Override
  public void close() {
    if (!closed) {
      flush(FLUSH_MILLIS);
      closed = true;
      shutDown();
    }
  }

  /** Closes listener and connection, and ends the loop. */
  private void shutDown() {
    LISTENING.values().remove(this);
    part();
    channels.close().awaitUninterruptibly();
    loop.shutdownGracefully(0, 0, TimeUnit.MILLISECONDS).awaitUninterruptibly();
  }
}
