package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.Connected;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk that an NBD server has ({@code nbd}).
 *
 * <p>A connection that ends makes all requests fail. With {@code reconnect-delay} it is made anew,
 * and requests wait so long for that and are done again; without, it stays ended, so that a copy
 * that has missed writes does not come back by itself.
 */
public final class NbdNode extends BlockNode implements Connected {
  private static final Logger log = LoggerFactory.getLogger(NbdNode.class);

  private static final long MOST_STATUS = 1L << 31;
  private static final long MOST_ZEROES = 1L << 30;
  private static final long RETRY_MILLIS = 250;

  /**
   * Where the disk is.
   *
   * @param reconnectDelay seconds for which requests wait for a new connection; 0 for none
   * @param openTimeout seconds for which the first connection is tried again; 0 for once
   */
  public record Target(NbdAddress address, String export, int reconnectDelay, int openTimeout) {
    String url() {
      return switch (address) {
        case NbdAddress.Inet inet -> "nbd://" + inet + (export.isEmpty() ? "" : "/" + export);
        case NbdAddress.Unix(String path) -> "nbd+unix:///" + export + "?socket=" + path;
      };
    }
  }

  private final Target target;
  private final NbdClientHandshake.Agreed agreed;

  /** Guarded by this. */
  private NbdClient client;

  /** Guarded by this: when requests stop to wait for a connection; 0 while there is one. */
  private long deadline;

  private volatile boolean closed;
  private volatile boolean held;
  private volatile Runnable cut = () -> {};

  private NbdNode(NodeOptions options, Target target) throws IOException {
    super(options);
    this.target = target;
    this.client = firstConnection();
    this.agreed = client.agreed();
  }

  /**
   * Connects.
   *
   * @throws IOException if the server is not there, or has no such export
   */
  public static NbdNode open(NodeOptions options, Target target) throws IOException {
    NbdNode node = new NbdNode(options, target);
    if (!options.readOnly() && !options.autoReadOnly() && node.agreed.has(Nbd.READ_ONLY)) {
      node.close();
      throw new ErrnoException(Errno.EACCES, "request on write denied without write permission");
    }
    return node;
  }

  private NbdClient firstConnection() throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(target.openTimeout);
    while (true) {
      try {
        return connect();
      } catch (IOException e) {
        if (System.nanoTime() >= end) {
          throw new IOException(
              "Failed to connect to '%s': %s".formatted(target.address, e.getMessage()), e);
        }
        sleep();
      }
    }
  }

  private NbdClient connect() throws IOException {
    return NbdClient.connect(target.address, target.export, c -> cut = c);
  }

  private static void sleep() {
    try {
      Thread.sleep(RETRY_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public String driver() {
    return "nbd";
  }

  @Override
  public long length() {
    return agreed.size();
  }

  @Override
  public String fileName() {
    return target.url();
  }

  @Override
  public boolean readOnly() {
    return super.readOnly() || agreed.has(Nbd.READ_ONLY);
  }

  // ---- the connection ----

  /** A request that is done again where the connection is made anew. */
  private interface Work<T> {
    T run(NbdClient client) throws IOException;
  }

  private <T> T request(Work<T> work) throws IOException {
    while (true) {
      NbdClient now = current();
      try {
        return work.run(now);
      } catch (NbdClient.LostException e) {
        if (target.reconnectDelay == 0 || closed) {
          throw e;
        }
        lost(now, e);
      }
    }
  }

  /** The connection, once there is one again. */
  private synchronized NbdClient current() throws IOException {
    while (deadline != 0) {
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (left <= 0 || closed) {
        throw new ErrnoException(Errno.EIO, "NBD server %s is not there".formatted(target.address));
      }
      try {
        wait(left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
    return client;
  }

  private synchronized void lost(NbdClient which, IOException reason) {
    if (which.equals(client) && deadline == 0 && !closed) {
      deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(target.reconnectDelay);
      log.warn("{}; requests wait {} s for it", reason.getMessage(), target.reconnectDelay);
      Thread.ofPlatform().name("NBD connect").daemon(true).start(this::reconnect);
    }
  }

  private void reconnect() {
    while (!closed) {
      try {
        NbdClient fresh = connect();
        if (replace(fresh)) {
          return;
        }
      } catch (IOException e) {
        log.debug("connecting to {} again", target.address, e);
      }
      sleep();
    }
  }

  private synchronized boolean replace(NbdClient fresh) {
    if (closed || fresh.agreed().size() != agreed.size() || !fresh.agreed().equals(agreed)) {
      fresh.close();
      if (!closed) {
        log.warn("NBD server {} has another disk than before; it is not used", target.address);
      }
      return false;
    }
    client = fresh;
    deadline = 0;
    notifyAll();
    return true;
  }

  /** Cuts the connection; requests under way fail, or wait for the next one. Any thread. */
  @Override
  public void cut() {
    cut.run();
  }

  /** Cuts the connection for good: nothing is written to this copy any more. Any thread. */
  public void abandon() {
    closed = true;
    cut.run();
    letGo();
  }

  /**
   * Keeps changes back until {@link #letGo}: what is under way now is not affected. The requests
   * wait.
   */
  public void hold() {
    held = true;
  }

  public synchronized void letGo() {
    held = false;
    notifyAll();
  }

  private void awaitRelease() {
    if (!held) {
      return;
    }
    synchronized (this) {
      while (held && !closed) {
        try {
          wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }
  }

  // ---- requests ----

  /** A server may be away, and come back. */
  @Override
  public boolean waits() {
    return true;
  }

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    for (long at = 0; at < to.bytes(); at += agreed.largest()) {
      IoVector part = to.slice(at, Math.min(agreed.largest(), to.bytes() - at));
      long from = offset + at;
      request(
          c -> {
            c.read(from, part);
            return null;
          });
    }
  }

  @Override
  protected void doWrite(long offset, IoVector data) throws IOException {
    awaitRelease();
    for (long at = 0; at < data.bytes(); at += agreed.largest()) {
      IoVector part = data.slice(at, Math.min(agreed.largest(), data.bytes() - at));
      long to = offset + at;
      request(
          c -> {
            c.write(to, part);
            return null;
          });
    }
  }

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    if (!agreed.has(Nbd.SEND_WRITE_ZEROES)) {
      super.doWriteZeroes(offset, length, mayUnmap);
      return;
    }
    awaitRelease();
    orderAll(Nbd.CMD_WRITE_ZEROES, mayUnmap ? 0 : Nbd.FLAG_NO_HOLE, offset, length);
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    if (agreed.has(Nbd.SEND_TRIM)) {
      awaitRelease();
      orderAll(Nbd.CMD_TRIM, 0, offset, length);
    }
  }

  private void orderAll(int command, int flags, long offset, long length) throws IOException {
    for (long at = 0; at < length; at += MOST_ZEROES) {
      order(command, flags, offset + at, Math.min(MOST_ZEROES, length - at));
    }
  }

  private void order(int command, int flags, long offset, long length) throws IOException {
    request(
        c -> {
          c.order(command, flags, offset, length);
          return null;
        });
  }

  @Override
  protected void doFlush() throws IOException {
    if (agreed.has(Nbd.SEND_FLUSH)) {
      order(Nbd.CMD_FLUSH, 0, 0, 0);
    }
  }

  @Override
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    if (agreed.context() < 0) {
      return BlockStatus.data(length, -1);
    }
    NbdClient.Extent extent = request(c -> c.status(offset, Math.min(length, MOST_STATUS)));
    boolean zero = (extent.state() & Nbd.STATE_ZERO) != 0;
    boolean hole = (extent.state() & Nbd.STATE_HOLE) != 0;
    return new BlockStatus(extent.length(), true, zero, !hole, false, -1);
  }

  @Override
  public void close() {
    NbdClient last;
    synchronized (this) {
      closed = true;
      last = client;
      notifyAll();
    }
    last.close();
  }
}
