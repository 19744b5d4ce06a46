package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection to an export: any number of requests at once, from any threads, each waits for its
 * answer. When the connection ends they all fail; a request that has failed is not under way any
 * more, and nobody touches its memory.
 */
final class NbdClient implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(NbdClient.class);

  /** The talk before the first request takes no longer than this. */
  private static final int HANDSHAKE_MILLIS = 3000;

  private static final int COMPLAIN_SECONDS = 10;

  /** The connection is of no use any more. */
  static final class LostException extends IOException {
    private static final long serialVersionUID = 1;

    LostException(String message) {
      super(message);
    }
  }

  /** A request under way. All but {@link #done} is the reader's until that is complete. */
  private static final class Pending {
    final int command;
    final long offset;
    final long length;
    final IoVector to;
    final CompletableFuture<Void> done = new CompletableFuture<>();
    IOException error;

    /** What a question for the status has found: length and flags. */
    long extent = -1;

    int state;

    Pending(int command, long offset, long length, IoVector to) {
      this.command = command;
      this.offset = offset;
      this.length = length;
      this.to = to;
    }
  }

  private final NbdAddress address;
  private final NbdChannel channel;
  private final NbdClientHandshake.Agreed agreed;
  private final Map<Long, Pending> pending = new ConcurrentHashMap<>();
  private final AtomicLong cookies = new AtomicLong();
  private final ReentrantLock sending = new ReentrantLock();

  /** Why the connection has ended; set before the last requests fail. */
  private volatile String lost;

  private volatile String cutReason;

  private NbdClient(NbdAddress address, NbdChannel channel, NbdClientHandshake.Agreed agreed) {
    this.address = address;
    this.channel = channel;
    this.agreed = agreed;
  }

  /**
   * Connects to an export.
   *
   * @param cutting is told what cuts the connection while it is being made
   */
  static NbdClient connect(NbdAddress address, String export, Consumer<Runnable> cutting)
      throws IOException {
    NbdChannel channel = new NbdChannel(address.connect(HANDSHAKE_MILLIS));
    cutting.accept(channel::close);
    CompletableFuture<Void> agreeing = new CompletableFuture<>();
    var _ =
        agreeing
            .completeOnTimeout(null, HANDSHAKE_MILLIS, TimeUnit.MILLISECONDS)
            .thenRun(channel::close); // not where it was cancelled
    NbdClient client;
    try {
      client = new NbdClient(address, channel, NbdClientHandshake.run(channel, export));
    } catch (EOFException e) {
      channel.close();
      throw new IOException("the server has ended the connection before it agreed to anything", e);
    } catch (IOException e) {
      channel.close();
      throw e;
    } finally {
      agreeing.cancel(false);
    }
    cutting.accept(() -> client.cut("the manager has cut the connection"));
    Thread.ofPlatform().name("NBD answers").daemon(true).start(client::readAnswers);
    return client;
  }

  NbdClientHandshake.Agreed agreed() {
    return agreed;
  }

  boolean isLost() {
    return lost != null;
  }

  // ---- requests; any thread ----

  void read(long offset, IoVector to) throws IOException {
    call(new Pending(Nbd.CMD_READ, offset, to.bytes(), to), 0, IoVector.EMPTY);
  }

  void write(long offset, IoVector from) throws IOException {
    call(new Pending(Nbd.CMD_WRITE, offset, from.bytes(), IoVector.EMPTY), 0, from);
  }

  /** A request without data. */
  void order(int command, int flags, long offset, long length) throws IOException {
    call(new Pending(command, offset, length, IoVector.EMPTY), flags, IoVector.EMPTY);
  }

  /**
   * What a range begins with.
   *
   * @param length and its flags
   */
  record Extent(long length, int state) {}

  /** Asks what a range begins with; only where the context was agreed upon. */
  Extent status(long offset, long length) throws IOException {
    Pending request = new Pending(Nbd.CMD_BLOCK_STATUS, offset, length, IoVector.EMPTY);
    call(request, Nbd.FLAG_REQ_ONE, IoVector.EMPTY);
    if (request.extent <= 0) {
      throw new ErrnoException(Errno.EIO, "NBD server " + address + ": an answer without a status");
    }
    return new Extent(Math.min(length, request.extent), request.state);
  }

  private void call(Pending request, int flags, IoVector data) throws IOException {
    long cookie = cookies.getAndIncrement();
    pending.put(cookie, request);
    if (lost != null) {
      pending.remove(cookie);
      throw new LostException(lost);
    }
    ByteBuffer header = ByteBuffer.allocate(28);
    header.putInt(Nbd.REQUEST_MAGIC).putShort((short) flags).putShort((short) request.command);
    header.putLong(cookie).putLong(request.offset).putInt((int) request.length).flip();
    try {
      sending.lock();
      try {
        channel.write(header, data);
      } finally {
        sending.unlock();
      }
    } catch (IOException e) {
      cut(describe(e)); // the reader ends, and with it this request
    }
    await(request);
    if (request.error != null) {
      throw request.error;
    }
  }

  private void await(Pending request) {
    for (int seconds = COMPLAIN_SECONDS; ; seconds += COMPLAIN_SECONDS) {
      try {
        request.done.get(COMPLAIN_SECONDS, TimeUnit.SECONDS);
        return;
      } catch (TimeoutException e) {
        log.warn(
            "NBD server {} has not answered for {} s; \"yank\" of the node ends the wait",
            address,
            seconds);
      } catch (InterruptedException e) {
        cut("interrupted");
      } catch (ExecutionException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  // ---- answers; the reader's thread ----

  private void readAnswers() {
    String reason;
    try {
      while (!channel.isAtEnd()) {
        answer();
      }
      reason = "the server has ended the connection";
    } catch (IOException | RuntimeException e) {
      reason = describe(e);
    }
    channel.close();
    String why = cutReason != null ? cutReason : reason;
    lost = "NBD server %s: %s".formatted(address, why);
    pending.forEach((cookie, request) -> end(cookie, request, new LostException(lost)));
  }

  private static String describe(Exception e) {
    return e.getMessage() == null ? "the connection is broken" : e.getMessage();
  }

  private void end(long cookie, Pending request, IOException error) {
    if (pending.remove(cookie) != null) {
      if (error != null && request.error == null) {
        request.error = error;
      }
      request.done.complete(null);
    }
  }

  private void answer() throws IOException {
    int magic = channel.u32();
    if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
      simple();
    } else if (magic == Nbd.CHUNK_MAGIC && agreed.structured()) {
      chunk();
    } else {
      throw new ProtocolException("an answer that begins with %#x".formatted(magic));
    }
  }

  private Pending find(long cookie) throws ProtocolException {
    Pending request = pending.get(cookie);
    if (request == null) {
      throw new ProtocolException("an answer to a request that there is none of");
    }
    return request;
  }

  private void simple() throws IOException {
    int error = channel.u32();
    long cookie = channel.u64();
    Pending request = find(cookie);
    if (error != 0) {
      request.error = new ErrnoException(Nbd.fromWire(error));
    } else if (request.command == Nbd.CMD_READ) {
      if (agreed.structured()) {
        throw new ProtocolException("data came in an answer that can have none");
      }
      channel.read(request.to);
    }
    end(cookie, request, null);
  }

  private void chunk() throws IOException {
    int flags = channel.u16();
    int type = channel.u16();
    long cookie = channel.u64();
    int length = channel.u32();
    Pending request = find(cookie);
    switch (type) {
      case Nbd.CHUNK_NONE -> checkLength(type, length, 0, 0);
      case Nbd.CHUNK_DATA -> {
        checkLength(type, length, 8 + 1, 8 + Nbd.MOST_DATA);
        channel.read(part(request, channel.u64(), length - 8));
      }
      case Nbd.CHUNK_HOLE -> {
        checkLength(type, length, 12, 12);
        long offset = channel.u64();
        part(request, offset, channel.u32() & 0xffff_ffffL).clear();
      }
      case Nbd.CHUNK_BLOCK_STATUS -> status(request, length);
      default -> error(request, type, length);
    }
    if ((flags & Nbd.CHUNK_DONE) != 0) {
      end(cookie, request, null);
    }
  }

  private static void checkLength(int type, int length, int least, int most)
      throws ProtocolException {
    if (length < least || length > most) {
      throw new ProtocolException(
          "a chunk of type %d with %s bytes".formatted(type, Integer.toUnsignedString(length)));
    }
  }

  /** The part of a read's memory that a chunk fills. */
  private static IoVector part(Pending request, long offset, long length) throws ProtocolException {
    long at = offset - request.offset;
    if (request.command != Nbd.CMD_READ || at < 0 || length > request.to.bytes() - at) {
      throw new ProtocolException(
          "%d bytes for %d came, which nobody has asked for".formatted(length, offset));
    }
    return request.to.slice(at, length);
  }

  private void status(Pending request, int length) throws IOException {
    checkLength(Nbd.CHUNK_BLOCK_STATUS, length, 12, 1 << 20);
    int context = channel.u32();
    if (request.command != Nbd.CMD_BLOCK_STATUS || context != agreed.context()) {
      throw new ProtocolException("a status came that nobody has asked for");
    }
    request.extent = channel.u32() & 0xffff_ffffL;
    request.state = channel.u32();
    channel.skip(length - 12);
  }

  private void error(Pending request, int type, int length) throws IOException {
    if ((type & 1 << 15) == 0) {
      throw new ProtocolException("a chunk of unknown type " + type);
    }
    checkLength(type, length, 6, 6 + Nbd.MOST_NAME + 8);
    int error = channel.u32();
    int textLength = channel.u16();
    if (textLength > length - 6) {
      throw new ProtocolException("an error's text of %d bytes".formatted(textLength));
    }
    String text = channel.text(textLength, "an error's text");
    channel.skip(length - 6 - textLength);
    int errno = error == 0 ? Errno.EIO : Nbd.fromWire(error);
    request.error = text.isEmpty() ? new ErrnoException(errno) : new ErrnoException(errno, text);
  }

  // ---- the end ----

  /** Cuts the connection; all requests fail soon. Any thread. */
  void cut(String reason) {
    if (cutReason == null) {
      cutReason = reason;
    }
    channel.close();
  }

  /** Takes leave of the server; no request is under way. */
  @Override
  public void close() {
    ByteBuffer header = ByteBuffer.allocate(28);
    header.putInt(Nbd.REQUEST_MAGIC).putShort((short) 0).putShort((short) Nbd.CMD_DISC);
    header.putLong(cookies.getAndIncrement()).putLong(0).putInt(0).flip();
    try {
      if (lost == null && sending.tryLock()) {
        try {
          channel.write(header);
        } finally {
          sending.unlock();
        }
      }
    } catch (IOException e) {
      log.debug("farewell to {}", address, e);
    }
    cut("the node was closed");
  }
}
