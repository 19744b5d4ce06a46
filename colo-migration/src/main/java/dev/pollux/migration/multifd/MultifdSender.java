package dev.pollux.migration.multifd;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.ram.PageChannels;
import dev.pollux.migration.ram.RamCounters;
import dev.pollux.migration.ram.ZeroPages;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.MigrationChannel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * The source's side: pages are gathered into packets, and each connection has a thread that writes
 * the packets it is given. Used by the migration thread.
 */
public final class MultifdSender implements PageChannels, AutoCloseable {
  private static final int QUEUE_LENGTH = 2;

  /** Makes the next connection. */
  @FunctionalInterface
  public interface Opener {
    MigrationChannel open() throws IOException;
  }

  /** Pages of one block for one connection. */
  private static final class Packet {
    private static final Packet END = new Packet(null);

    private final RamBlock block;
    private final long[] offsets = new long[MultifdFormat.PAGES];
    private int count;
    private boolean sync;

    /** Contents of the pages in the order of {@link #offsets}; null where they are the guest's. */
    private ByteBuffer copies;

    Packet(RamBlock block) {
      this.block = block;
    }

    /** Host address of a page's contents. */
    long contents(int index) {
      return copies == null
          ? block.hostAddress() + offsets[index]
          : MemorySegment.ofBuffer(copies).address() + (long) index * RamBlock.PAGE_SIZE;
    }
  }

  private final List<Channel> channels = new ArrayList<>();
  private final AtomicLong packets = new AtomicLong();
  private final RamCounters counters;
  private final boolean findZeroPages;
  private final Consumer<IOException> onFailure;
  private final ConcurrentLinkedQueue<ByteBuffer> buffers = new ConcurrentLinkedQueue<>();
  private Packet packet = new Packet(null);
  private int next;
  private volatile IOException failure;

  /**
   * Connects: each connection is introduced before the next is made, since the other side takes
   * them one by one, and only so many can wait.
   *
   * @param onFailure cuts all connections; called on the thread of the channel that failed
   * @param findZeroPages pages without contents are told of, not sent
   */
  public MultifdSender(
      int channels,
      Opener opener,
      UUID uuid,
      RamCounters counters,
      boolean findZeroPages,
      Consumer<IOException> onFailure)
      throws IOException {
    this.counters = counters;
    this.findZeroPages = findZeroPages;
    this.onFailure = onFailure;
    for (int id = 0; id < channels; id++) {
      Channel channel = new Channel(id, new StreamWriter(opener.open(), channels + 1));
      channel.introduce(uuid);
      this.channels.add(channel);
    }
    this.channels.forEach(c -> c.thread.start());
  }

  @Override
  public void send(RamBlock block, long offset) throws IOException {
    if (packet.block != block || packet.copies != null || packet.count == MultifdFormat.PAGES) {
      dispatch();
      packet = new Packet(block);
    }
    packet.offsets[packet.count++] = offset;
  }

  @Override
  public void send(RamBlock block, long offset, long contents) throws IOException {
    if (packet.block != block || packet.copies == null || packet.count == MultifdFormat.PAGES) {
      dispatch();
      packet = new Packet(block);
      packet.copies = takeBuffer();
    }
    RawMemory.copy(contents, packet.contents(packet.count), RamBlock.PAGE_SIZE);
    packet.offsets[packet.count++] = offset;
  }

  /** Memory for a packet's contents, used again and again. */
  private ByteBuffer takeBuffer() {
    ByteBuffer free = buffers.poll();
    return free != null
        ? free
        : ByteBuffer.allocateDirect(MultifdFormat.PAGES * RamBlock.PAGE_SIZE);
  }

  private void dispatch() throws IOException {
    if (packet.count > 0) {
      channels.get(next).give(packet);
      next = next + 1 == channels.size() ? 0 : next + 1;
    }
    packet = new Packet(null);
  }

  @Override
  public void synchronize() throws IOException {
    dispatch();
    for (Channel channel : channels) {
      Packet mark = new Packet(null);
      mark.sync = true;
      channel.give(mark);
    }
  }

  /** Bytes written so far. Any thread. */
  public long bytes() {
    return channels.stream().mapToLong(c -> c.written).sum();
  }

  /** Ends the threads when they have sent what they were given, or at once where they fail. */
  @Override
  public void close() {
    for (Channel channel : channels) {
      try {
        channel.give(Packet.END);
      } catch (IOException e) {
        // It has failed, and the thread has ended by itself.
      }
    }
    for (Channel channel : channels) {
      try {
        channel.thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void fail(Throwable e) {
    IOException io = e instanceof IOException it ? it : new IOException(Connections.describe(e), e);
    onFailure.accept(io);
    failure = io;
  }

  /** One connection and its thread. */
  private final class Channel {
    private final BlockingQueue<Packet> queue = new ArrayBlockingQueue<>(QUEUE_LENGTH);
    private final int id;
    private final StreamWriter out;
    private final Thread thread;

    /** Written by the channel's thread only. */
    private volatile long written;

    Channel(int id, StreamWriter out) {
      this.id = id;
      this.out = out;
      this.thread = Thread.ofPlatform().name("multifd " + id).daemon(true).unstarted(this::run);
    }

    void introduce(UUID uuid) throws IOException {
      out.u32(MultifdFormat.MAGIC);
      out.u32(MultifdFormat.VERSION);
      out.u64(uuid.getMostSignificantBits());
      out.u64(uuid.getLeastSignificantBits());
      out.u8(id);
      out.bytes(new byte[7 + 4 * 8]);
      out.flush();
    }

    void give(Packet work) throws IOException {
      try {
        do {
          if (failure != null) {
            throw new IOException("multifd: " + failure.getMessage(), failure);
          }
        } while (!queue.offer(work, 50, TimeUnit.MILLISECONDS));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }

    private void run() {
      try {
        for (Packet work = take(); work != Packet.END; work = take()) {
          write(work);
          out.flush();
          written = out.position();
          if (work.copies != null) {
            buffers.add(work.copies);
          }
        }
      } catch (IOException | RuntimeException | Error e) {
        fail(e);
      }
    }

    private Packet take() throws IOException {
      try {
        while (true) {
          Packet work = queue.poll(50, TimeUnit.MILLISECONDS);
          if (work != null) {
            return work;
          }
          if (failure != null) {
            throw failure;
          }
        }
      } catch (InterruptedException e) {
        throw new IOException("interrupted", e);
      }
    }

    private void write(Packet work) throws IOException {
      // Zero pages go behind the others in the list.
      long[] sorted = new long[MultifdFormat.PAGES];
      long[] contents = new long[MultifdFormat.PAGES];
      int normal = 0;
      int zero = 0;
      for (int i = 0; i < work.count; i++) {
        long offset = work.offsets[i];
        if (findZeroPages && ZeroPages.isZero(work.contents(i))) {
          work.offsets[zero++] = offset;
        } else {
          contents[normal] = work.contents(i);
          sorted[normal++] = offset;
        }
      }
      System.arraycopy(work.offsets, 0, sorted, normal, zero);
      out.u32(MultifdFormat.MAGIC);
      out.u32(MultifdFormat.VERSION);
      out.u32(work.sync ? MultifdFormat.FLAG_SYNC : 0);
      out.u32(MultifdFormat.PAGES);
      out.u32(normal);
      out.u32(normal * RamBlock.PAGE_SIZE);
      out.u64(packets.getAndIncrement());
      out.u32(zero);
      out.bytes(new byte[4 + 3 * 8]);
      byte[] name = new byte[MultifdFormat.NAME_LENGTH];
      if (work.block != null) {
        byte[] utf8 = work.block.name().getBytes(StandardCharsets.UTF_8);
        System.arraycopy(utf8, 0, name, 0, utf8.length);
      }
      out.bytes(name);
      for (long offset : sorted) {
        out.u64(offset);
      }
      for (int i = 0; i < normal; i++) {
        out.page(contents[i]);
      }
      counters.countZero(zero);
      counters.countNormal(normal);
    }
  }
}
