package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A client of the server. One thread reads requests, the disk's threads do them, another thread
 * writes replies, so that a client that does not read keeps nobody but itself from going on. As
 * many requests and as much of their data are taken up as {@link #MOST_REQUESTS} and {@link
 * #MOST_KIB} say; then the client waits.
 */
final class NbdSession {
  private static final Logger log = LoggerFactory.getLogger(NbdSession.class);

  private static final int HANDSHAKE_SECONDS = 10;
  private static final int MOST_REQUESTS = 16;

  /** Data of all requests under way. */
  private static final int MOST_KIB = 2 * Nbd.MOST_DATA >> 10;

  private static final int MOST_EXTENTS = 512;

  private final NbdChannel channel;
  private final NbdServer.Directory directory;
  private final Consumer<NbdSession> ended;
  private final Semaphore requests = new Semaphore(MOST_REQUESTS);
  private final Semaphore room = new Semaphore(MOST_KIB);
  private final LinkedBlockingQueue<Reply> replies = new LinkedBlockingQueue<>();

  private NbdServerHandshake.Agreed agreed;

  /** A client has come. {@code ended} is told when it has gone. */
  NbdSession(NbdChannel channel, NbdServer.Directory directory, Consumer<NbdSession> ended) {
    this.channel = channel;
    this.directory = directory;
    this.ended = ended;
  }

  void start() {
    Thread.ofPlatform().name("NBD client").daemon(true).start(this::run);
  }

  /** Cuts the client off. Any thread. */
  void close() {
    channel.close();
  }

  private void run() {
    try {
      CompletableFuture<Void> agreeing = new CompletableFuture<>();
      var _ =
          agreeing
              .completeOnTimeout(null, HANDSHAKE_SECONDS, TimeUnit.SECONDS)
              .thenRun(channel::close); // not where it was cancelled
      var found = new NbdServerHandshake(channel, directory).run();
      agreeing.cancel(false);
      if (found.isPresent()) {
        agreed = found.get();
        serve();
      }
    } catch (IOException e) {
      log.debug("an NBD client was cut off: {}", e.getMessage());
    } catch (RuntimeException e) {
      log.error("internal error in an NBD session; the client is cut off", e);
    } finally {
      channel.close();
      ended.accept(this);
    }
  }

  private void serve() throws IOException {
    NbdExport export = agreed.export();
    export.sessions().add(this);
    Thread writer = Thread.ofPlatform().name("NBD replies").daemon(true).start(this::writeReplies);
    try {
      if (directory.find(export.name()).filter(export::equals).isEmpty()) {
        return; // it was removed a moment ago
      }
      while (!channel.isAtEnd() && request()) {}
    } finally {
      requests.acquireUninterruptibly(MOST_REQUESTS); // what is under way uses buffers
      replies.add(Reply.LAST);
      export.sessions().remove(this);
      join(writer);
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  // ---- requests ----

  /** A request as it came, checked. */
  private record Header(int flags, int command, long cookie, long offset, int length) {
    boolean has(int flag) {
      return (flags & flag) != 0;
    }
  }

  /** Takes up a request; whether another one may follow. */
  private boolean request() throws IOException {
    if (channel.u32() != Nbd.REQUEST_MAGIC) {
      throw new ProtocolException("a request begins with something else");
    }
    Header header =
        new Header(channel.u16(), channel.u16(), channel.u64(), channel.u64(), channel.u32());
    if (header.command == Nbd.CMD_DISC) {
      return false;
    }
    requests.acquireUninterruptibly();
    int errno = check(header);
    if (errno != 0) {
      if (header.command == Nbd.CMD_WRITE) {
        channel.skip(header.length & 0xffff_ffffL);
      }
      reply(header, errno);
      return true;
    }
    switch (header.command) {
      case Nbd.CMD_READ -> read(header);
      case Nbd.CMD_WRITE -> write(header);
      case Nbd.CMD_BLOCK_STATUS -> status(header);
      default -> backend().submit(new Plain(header));
    }
    return true;
  }

  private BlockBackend backend() {
    return agreed.export().backend();
  }

  /** 0, or what is wrong with a request. */
  private int check(Header h) {
    int allowed =
        switch (h.command) {
          case Nbd.CMD_READ -> Nbd.FLAG_FUA | (agreed.structured() ? Nbd.FLAG_DF : 0);
          case Nbd.CMD_WRITE, Nbd.CMD_TRIM -> Nbd.FLAG_FUA;
          case Nbd.CMD_FLUSH -> Nbd.FLAG_FUA;
          case Nbd.CMD_WRITE_ZEROES -> Nbd.FLAG_FUA | Nbd.FLAG_NO_HOLE;
          case Nbd.CMD_BLOCK_STATUS -> agreed.status() ? Nbd.FLAG_REQ_ONE | Nbd.FLAG_FUA : -1;
          default -> -1;
        };
    if (allowed < 0 || (h.flags & ~allowed) != 0) {
      return Errno.EINVAL;
    }
    boolean changes =
        h.command == Nbd.CMD_WRITE
            || h.command == Nbd.CMD_TRIM
            || h.command == Nbd.CMD_WRITE_ZEROES;
    if (changes && agreed.export().readOnly()) {
      return Errno.EPERM;
    }
    if (h.command == Nbd.CMD_FLUSH) {
      return 0;
    }
    long length = h.length & 0xffff_ffffL;
    boolean data = h.command == Nbd.CMD_READ || h.command == Nbd.CMD_WRITE;
    long size = agreed.export().node().length();
    if (data && length > Nbd.MOST_DATA || !data && length == 0) {
      return Errno.EINVAL;
    }
    if (h.offset < 0 || h.offset > size - length) {
      return changes ? Errno.ENOSPC : Errno.EINVAL;
    }
    return 0;
  }

  /** Memory for the data of a request, which counts until it is freed. */
  private HostBuffer buffer(int bytes) {
    room.acquireUninterruptibly(kib(bytes));
    return new HostBuffer(Math.max(bytes, 1));
  }

  private void free(HostBuffer buffer, int bytes) {
    buffer.close();
    room.release(kib(bytes));
  }

  private static int kib(int bytes) {
    return bytes + 1023 >> 10;
  }

  private void read(Header header) {
    HostBuffer buffer = buffer(header.length);
    IoVector data = buffer.vector(header.length);
    backend()
        .submit(
            new BlockRequest(BlockRequest.Op.READ, header.offset, data, 0) {
              @Override
              protected void completed(int errno) {
                if (errno == 0) {
                  replies.add(new Reply(header, 0, data, List.of(), buffer));
                } else {
                  free(buffer, header.length);
                  reply(header, errno);
                }
              }
            });
  }

  private void write(Header header) throws IOException {
    HostBuffer buffer = buffer(header.length);
    IoVector data = buffer.vector(header.length);
    try {
      channel.read(data);
    } catch (IOException e) {
      free(buffer, header.length);
      requests.release();
      throw e;
    }
    int flags = header.has(Nbd.FLAG_FUA) ? BlockNode.FUA : 0;
    BlockRequest request =
        new BlockRequest(BlockRequest.Op.WRITE, header.offset, data, flags) {
          @Override
          protected void completed(int errno) {
            free(buffer, header.length);
            reply(header, errno);
          }
        };
    if (channel.hasBuffered()) {
      backend().submit(request);
    } else {
      backend().submitOrRun(List.of(request));
    }
  }

  /** A request without data. */
  private final class Plain extends BlockRequest {
    private final Header header;

    Plain(Header header) {
      super(
          switch (header.command) {
            case Nbd.CMD_TRIM -> Op.DISCARD;
            case Nbd.CMD_WRITE_ZEROES -> Op.WRITE_ZEROES;
            default -> Op.FLUSH;
          },
          header.command == Nbd.CMD_FLUSH ? 0 : header.offset,
          header.command == Nbd.CMD_FLUSH ? 0 : header.length & 0xffff_ffffL,
          (header.has(Nbd.FLAG_FUA) ? BlockNode.FUA : 0)
              | (header.has(Nbd.FLAG_NO_HOLE) ? 0 : BlockNode.MAY_UNMAP));
      this.header = header;
    }

    @Override
    protected void completed(int errno) {
      reply(header, errno);
    }
  }

  private void status(Header header) {
    List<NbdClient.Extent> extents = new ArrayList<>();
    try {
      backend().access(node -> findExtents(node, header, extents));
      replies.add(new Reply(header, 0, IoVector.EMPTY, extents, null));
    } catch (IOException e) {
      reply(header, ErrnoException.of(e));
    }
  }

  private static void findExtents(BlockNode node, Header header, List<NbdClient.Extent> extents)
      throws IOException {
    long end = header.offset + (header.length & 0xffff_ffffL);
    int most = header.has(Nbd.FLAG_REQ_ONE) ? 1 : MOST_EXTENTS;
    for (long at = header.offset; at < end && extents.size() <= most; ) {
      BlockStatus found = node.chainStatus(at, end - at);
      int state = (found.zero() ? Nbd.STATE_ZERO : 0) | (found.data() ? 0 : Nbd.STATE_HOLE);
      if (!extents.isEmpty() && extents.getLast().state() == state) {
        NbdClient.Extent last = extents.removeLast();
        extents.add(new NbdClient.Extent(last.length() + found.length(), state));
      } else if (extents.size() < most) {
        extents.add(new NbdClient.Extent(found.length(), state));
      } else {
        return;
      }
      at += found.length();
    }
  }

  // ---- replies ----

  /**
   * The answer to a request.
   *
   * @param buffer to be freed, or null
   */
  private record Reply(
      Header header, int errno, IoVector data, List<NbdClient.Extent> extents, HostBuffer buffer) {
    static final Reply LAST = new Reply(null, 0, IoVector.EMPTY, List.of(), null);
  }

  private void reply(Header header, int errno) {
    replies.add(new Reply(header, errno, IoVector.EMPTY, List.of(), null));
  }

  private void writeReplies() {
    boolean broken = false;
    try {
      for (Reply reply = replies.take(); reply.header != null; reply = replies.take()) {
        try {
          if (!broken) {
            write(reply);
          }
        } catch (IOException e) {
          broken = true;
          channel.close();
        } finally {
          if (reply.buffer != null) {
            free(reply.buffer, reply.header.length);
          }
          requests.release();
        }
      }
    } catch (InterruptedException e) {
      channel.close();
    }
  }

  private void write(Reply reply) throws IOException {
    if (!agreed.structured()) {
      ByteBuffer message = ByteBuffer.allocate(16);
      message.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(Nbd.toWire(reply.errno));
      channel.write(message.putLong(reply.header.cookie).flip(), reply.data);
    } else if (reply.errno != 0) {
      byte[] text = Errno.text(reply.errno).getBytes(StandardCharsets.UTF_8);
      ByteBuffer chunk = chunk(reply, Nbd.CHUNK_ERROR, 6 + text.length, 0);
      chunk.putInt(Nbd.toWire(reply.errno)).putShort((short) text.length).put(text);
      channel.write(chunk.flip());
    } else {
      writeChunk(reply);
    }
  }

  private void writeChunk(Reply reply) throws IOException {
    Header header = reply.header;
    if (header.command == Nbd.CMD_BLOCK_STATUS) {
      ByteBuffer chunk = chunk(reply, Nbd.CHUNK_BLOCK_STATUS, 4 + 8 * reply.extents.size(), 0);
      chunk.putInt(NbdServerHandshake.CONTEXT);
      reply.extents.forEach(e -> chunk.putInt((int) e.length()).putInt(e.state()));
      channel.write(chunk.flip());
    } else if (header.command != Nbd.CMD_READ || header.length == 0) {
      channel.write(chunk(reply, Nbd.CHUNK_NONE, 0, 0).flip());
    } else if (!header.has(Nbd.FLAG_DF) && reply.data.isZero()) {
      ByteBuffer chunk = chunk(reply, Nbd.CHUNK_HOLE, 12, 0);
      channel.write(chunk.putLong(header.offset).putInt(header.length).flip());
    } else {
      ByteBuffer chunk = chunk(reply, Nbd.CHUNK_DATA, 8, header.length);
      channel.write(chunk.putLong(header.offset).flip(), reply.data);
    }
  }

  /** The head of the only chunk of a reply, with room for some of its content. */
  private static ByteBuffer chunk(Reply reply, int type, int bytes, int more) {
    ByteBuffer chunk = ByteBuffer.allocate(20 + bytes);
    chunk.putInt(Nbd.CHUNK_MAGIC).putShort((short) Nbd.CHUNK_DONE).putShort((short) type);
    return chunk.putLong(reply.header.cookie).putInt(bytes + more);
  }
}
