package dev.pollux.migration.multifd;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.ram.PageSink;
import dev.pollux.migration.ram.RamLoader;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.MigrationChannel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/**
 * The destination's side: each connection has a thread that reads packets and hands the pages to
 * the loader's {@link PageSink}. Where the source has put marks into the connections, the threads
 * wait until the main connection has come to the same place, and that waits for them.
 */
public final class MultifdReceiver implements RamLoader.Barrier, AutoCloseable {
  private final RamLoader loader;
  private final Connections connections;
  private final int channels;
  private final List<MigrationChannel> own = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final boolean[] known;

  // Guarded by this.
  private int waiting;
  private long round;
  private boolean ended;
  private IOException failure;
  private boolean closed;

  /**
   * @param channels as many as the source has
   * @param connections which are not read any more when one of the channels fails
   */
  public MultifdReceiver(RamLoader loader, int channels, Connections connections) {
    this.loader = loader;
    this.channels = channels;
    this.connections = connections;
    this.known = new boolean[channels];
  }

  /** Number of connections. */
  public int channels() {
    return channels;
  }

  /** Whether a connection that begins with these four bytes is one of multifd. */
  public static boolean isMultifd(int magic) {
    return magic == MultifdFormat.MAGIC;
  }

  /**
   * Takes one of the connections; its thread begins to read.
   *
   * @param in reads from {@code channel}
   */
  public void add(MigrationChannel channel, StreamReader in, UUID uuid) throws IOException {
    checkMagic(in);
    UUID theirs = new UUID(in.u64(), in.u64());
    if (!theirs.equals(uuid)) {
      throw new StreamException("multifd: UUID %s there, %s here".formatted(theirs, uuid));
    }
    int id = in.u8();
    in.skip(7 + 4 * 8);
    if (id >= channels || known[id]) {
      throw new StreamException("multifd: channel %d of %d, or twice".formatted(id, channels));
    }
    known[id] = true;
    own.add(channel);
    threads.add(Thread.ofPlatform().name("multifd " + id).daemon(true).start(() -> receive(in)));
  }

  private static void checkMagic(StreamReader in) throws IOException {
    int magic = in.u32();
    int version = in.u32();
    if (magic != MultifdFormat.MAGIC || version != MultifdFormat.VERSION) {
      throw new StreamException(
          "multifd: a packet with magic 0x%08x and version %d".formatted(magic, version));
    }
  }

  private void receive(StreamReader in) {
    long[] offsets = new long[MultifdFormat.PAGES];
    try {
      while (!in.isAtEnd()) {
        readPacket(in, offsets);
      }
      end();
    } catch (IOException | RuntimeException | Error e) {
      fail(e);
    }
  }

  private void readPacket(StreamReader in, long[] offsets) throws IOException {
    checkMagic(in);
    int flags = in.u32();
    int allocated = in.u32();
    int normal = in.u32();
    int size = in.u32();
    in.skip(8); // the packet's number
    int zero = in.u32();
    in.skip(4 + 3 * 8);
    String name = name(in);
    if ((flags & ~MultifdFormat.FLAG_SYNC) != 0) {
      throw new StreamException("multifd: flags 0x%x".formatted(flags));
    }
    if (allocated != MultifdFormat.PAGES
        || normal < 0
        || zero < 0
        || normal > allocated
        || zero > allocated - normal
        || size != normal * RamBlock.PAGE_SIZE) {
      throw new StreamException(
          "multifd: a packet of %d bytes with %d and %d of %d pages"
              .formatted(size, normal, zero, allocated));
    }
    for (int i = 0; i < allocated; i++) {
      offsets[i] = in.u64();
    }
    if (normal + zero > 0) {
      readPages(in, loader.block(name), offsets, normal, zero);
    }
    if ((flags & MultifdFormat.FLAG_SYNC) != 0) {
      meet();
    }
  }

  private static String name(StreamReader in) throws IOException {
    byte[] name = in.bytes(MultifdFormat.NAME_LENGTH);
    int length = 0;
    while (length < name.length && name[length] != 0) {
      length++;
    }
    return new String(name, 0, length, StandardCharsets.UTF_8).replaceAll("[^ -~]", "?");
  }

  private void readPages(StreamReader in, RamBlock block, long[] offsets, int normal, int zero)
      throws IOException {
    for (long offset : Arrays.copyOf(offsets, normal + zero)) {
      RamLoader.checkOffset(block, offset);
    }
    PageSink sink = loader.sink();
    for (int i = 0; i < normal; i++) {
      sink.page(block, offsets[i], in.page());
    }
    for (int i = normal; i < normal + zero; i++) {
      sink.zeroPage(block, offsets[i]);
    }
  }

  /** The main connection has come to a mark. */
  @Override
  public void await() throws IOException {
    meet();
  }

  /** Returns when all connections and the main one are here. */
  private synchronized void meet() throws IOException {
    long mine = round;
    if (++waiting == channels + 1) {
      waiting = 0;
      round++;
      notifyAll();
    }
    while (round == mine) {
      if (failure != null) {
        throw new IOException(failure.getMessage(), failure);
      }
      if (ended) {
        throw new StreamException("multifd: a connection has ended before the mark for all");
      }
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
  }

  /** One of the connections has ended between packets, as all do when everything was sent. */
  private synchronized void end() {
    ended = true;
    notifyAll();
  }

  private void fail(Throwable e) {
    synchronized (this) {
      if (closed) {
        return;
      }
      if (failure == null) {
        failure = e instanceof IOException io ? io : new IOException(Connections.describe(e), e);
      }
      notifyAll();
    }
    connections.stopReading("multifd: " + Connections.describe(e));
  }

  /**
   * Everything has come: ends the connections and their threads. When this returns no page is put
   * into place any more.
   */
  public void finish() {
    synchronized (this) {
      closed = true;
    }
    own.forEach(MigrationChannel::shutdown);
    close();
  }

  /** Ends the threads, whose connections were closed or cut. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      if (failure == null) {
        failure = new StreamException("the migration has ended");
      }
      notifyAll();
    }
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
