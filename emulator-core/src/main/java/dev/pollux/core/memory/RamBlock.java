package dev.pollux.core.memory;

import dev.pollux.core.host.HostMapping;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A piece of guest memory: {@code size} bytes of host memory outside the heap, zero-filled,
 * allocated by the host page by page as it is touched.
 *
 * <p>Everything that writes here (vCPUs, devices, the loader of a migration) calls {@link
 * #beforeWrite} first, or proves through a TLB entry made from {@link #isWatched} that nobody
 * watches the page.
 */
public final class RamBlock implements AutoCloseable {
  public static final int PAGE_BITS = 12;
  public static final int PAGE_SIZE = 1 << PAGE_BITS;

  private static final WriteClient[] CLIENTS = WriteClient.values();

  /** In a page's byte: the bits of all clients. */
  public static final int CLIENT_BITS = 0x0f;

  /**
   * In a page's byte, beside {@link WriteClient#CODE}: no write is under way, and none comes, that
   * does not see that bit.
   */
  private static final int SETTLED = 0x40;

  /** In a page's byte: some vCPU may write to the page without looking here. */
  public static final int DIRECT = 0x80;

  /** {@link #watchCode}: the page may be read. */
  public static final int CODE_WATCHED = -1;

  /** Bytes of a code line, as a shift: what {@link #holdsCode} tells apart. */
  private static final int LINE_BITS = 6;

  /** A bit in each byte. */
  private static final long EACH_BYTE = 0x0101_0101_0101_0101L;

  private final String name;
  private final long size;
  private final HostMapping memory;
  private final long hostAddress;
  private final boolean readOnly;

  /**
   * Host address of a byte per page that holds the {@link WriteClient} bits that are set; outside
   * the heap, so that eight pages can be armed at once.
   */
  private final long watch;

  /** Host address of a u64 per page: bit i is set where code was made of its line i. */
  private final long codeLines;

  /** By page modulo its length: how often {@link WriteClient#CODE} was told. Guarded by itself. */
  private final int[] codeWrites = new int[1024];

  private final WriteWatcher[] watchers = new WriteWatcher[CLIENTS.length];

  /**
   * @param name the block's name in a migration stream, for instance {@code pc.ram}
   * @param size bytes, a multiple of the page size
   * @param readOnly the guest's writes are ignored (ROM)
   */
  public RamBlock(String name, long size, boolean readOnly) throws IOException {
    this(name, HostMapping.anonymous(checked(name, size)), readOnly);
    Libc.advise(hostAddress, size, Libc.MADV_HUGEPAGE);
  }

  /**
   * A block of memory that has been mapped; it is unmapped with the block.
   *
   * @param readOnly the guest's writes are ignored (ROM)
   */
  public RamBlock(String name, HostMapping memory, boolean readOnly) throws IOException {
    this.name = name;
    this.size = checked(name, memory.size());
    this.readOnly = readOnly;
    this.memory = memory;
    this.hostAddress = memory.address();
    this.watch = Libc.mapAnonymous(watchBytes(), Libc.PROT_READ | Libc.PROT_WRITE);
    this.codeLines = Libc.mapAnonymous(pages() * 8, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  private static long checked(String name, long size) {
    if (size <= 0 || (size & (PAGE_SIZE - 1)) != 0 || size >> PAGE_BITS > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException("size of RAM block " + name + ": " + size);
    }
    return size;
  }

  private long watchBytes() {
    return pages() + 63 & -64L;
  }

  /**
   * Whether the host may give huge pages, as it may at first. Without, memory that is written here
   * and there is cheaper to touch for the first time.
   */
  public void setHugePages(boolean allowed) {
    Libc.advise(hostAddress, size, allowed ? Libc.MADV_HUGEPAGE : Libc.MADV_NOHUGEPAGE);
  }

  /**
   * Gathers a part of the memory into huge pages, where the host can do that. Any thread; the guest
   * may run.
   */
  public void gather(long offset, long length) {
    checkRange(offset, length);
    Libc.advise(hostAddress + offset, length, Libc.MADV_COLLAPSE);
  }

  public String name() {
    return name;
  }

  /** Bytes. */
  public long size() {
    return size;
  }

  public long pages() {
    return size >> PAGE_BITS;
  }

  /** Whether a host address is one of its bytes. */
  public boolean contains(long host) {
    long offset = host - hostAddress;
    return offset >= 0 && offset < size;
  }

  /** Host address of the first byte. */
  public long hostAddress() {
    return hostAddress;
  }

  public boolean readOnly() {
    return readOnly;
  }

  /**
   * Host address of a byte for each page: while {@link #DIRECT} is set in it and none of {@link
   * #CLIENT_BITS}, {@link #allowDirectWrites} is true and changes nothing. For generated code.
   */
  public long watchAddress() {
    return watch;
  }

  /** Names the one watcher of a client; null removes it, its bits being cleared. */
  public synchronized void setWatcher(WriteClient client, WriteWatcher watcher) {
    watchers[client.ordinal()] = watcher;
    if (watcher == null) {
      for (long page = 0; page < pages(); page++) {
        clearBits(page, client == WriteClient.CODE ? client.bit() | SETTLED : client.bit());
      }
    }
  }

  /**
   * Arms a client's bit of one page. Whoever arms must then make every vCPU drop its write-enabled
   * TLB entries and pass an instruction boundary ({@code Machine.synchronizeWatches}, or {@code
   * Mmu.protectAll} while it is parked) before relying on being told.
   */
  public void watch(WriteClient client, long page) {
    RawMemory.getAndOrInt(watch + (page & ~3), client.bit() << (page & 3) * 8);
  }

  /** Arms a client's bit of every page. */
  public void watchAll(WriteClient client) {
    for (long page = 0; page < pages(); page += 8) {
      RawMemory.getAndOrLong(watch + page, EACH_BYTE * client.bit());
    }
  }

  /**
   * Arms clients' bits of many pages; costs time by the eight.
   *
   * @param bits or of {@link WriteClient#bit}
   * @param pages bit {@code n & 63} of word {@code n >> 6} stands for page {@code n}
   */
  public void watch(int bits, long[] pages) {
    for (int i = 0; i < pages.length; i++) {
      long word = pages[i];
      for (long at = watch + i * 64L; word != 0; at += 8, word >>>= 8) {
        if ((word & 0xff) != 0) {
          RawMemory.getAndOrLong(at, Long.expand(word & 0xff, EACH_BYTE) * bits);
        }
      }
    }
  }

  /** Disarms a client's bit of one page; true if it was armed. */
  public boolean unwatch(WriteClient client, long page) {
    return (clearBits(page, client.bit()) & client.bit()) != 0;
  }

  /** Clears bits of a page; returns those that were set before. */
  private int clearBits(long page, int bits) {
    int shift = (int) (page & 3) * 8;
    return RawMemory.getAndAndInt(watch + (page & ~3), ~(bits << shift)) >>> shift & 0xff;
  }

  /** True while some client must be told before the page is written. */
  public boolean isWatched(long page) {
    return watchedBy(page) != 0;
  }

  public boolean isWatched(WriteClient client, long page) {
    return (watchedBy(page) & client.bit()) != 0;
  }

  /** The {@link WriteClient#bit} bits of all clients that watch the page. */
  public int watchedBy(long page) {
    return RawMemory.getByteVolatile(watch + page) & CLIENT_BITS;
  }

  /**
   * Tells the watchers of all pages in {@code [offset, offset + length)} that they are about to be
   * written.
   */
  public void beforeWrite(long offset, long length) {
    if (length <= 0) {
      return;
    }
    long last = (offset + length - 1) >> PAGE_BITS;
    for (long page = offset >> PAGE_BITS; page <= last; page++) {
      if (isWatched(page)) {
        tellWatchers(page, -1);
      }
    }
  }

  /**
   * Tells some of the watchers of a page that it is about to be written, those that have armed it.
   *
   * @param clients or of {@link WriteClient#bit}
   */
  public synchronized void tellWatchers(long page, int clients) {
    int bits = watchedBy(page) & clients;
    for (WriteClient client : CLIENTS) {
      if ((bits & client.bit()) != 0) {
        if (client == WriteClient.CODE) {
          forgetCode(page);
        }
        // A log may be taken, and the page armed again, as soon as it is told: that has to stay. A
        // snapshot copies without a lock and sees by the bit that nobody has written yet.
        if (client != WriteClient.CODE && client != WriteClient.COPY) {
          clearBits(page, client.bit());
        }
        WriteWatcher watcher = watchers[client.ordinal()];
        if (watcher != null) {
          watcher.beforeWrite(this, page);
        }
        if (client == WriteClient.COPY) {
          clearBits(page, client.bit());
        }
      }
    }
  }

  // ---- pages with code: docs/multi-core.md says why this is enough ----

  /**
   * Watches a page from which code is going to be made, if need be.
   *
   * @return {@link #CODE_WATCHED}; or, if somebody may still be writing to it without having seen
   *     the watch, what {@link #settleCode} wants: it follows when all vCPUs have dropped their
   *     write-enabled translations of the page and passed an instruction boundary
   */
  public int watchCode(long page) {
    if ((RawMemory.getByteVolatile(watch + page) & SETTLED) != 0) {
      return CODE_WATCHED;
    }
    // With the lock no write comes between the watch and the number, which would let this watch
    // settle one that somebody arms after that write.
    synchronized (codeWrites) {
      while (true) {
        int old = RawMemory.getByteVolatile(watch + page) & 0xff;
        if ((old & SETTLED) != 0) {
          return CODE_WATCHED;
        }
        boolean settled = (old & DIRECT) == 0;
        if (replace(page, old, old | WriteClient.CODE.bit() | (settled ? SETTLED : 0))) {
          return settled ? CODE_WATCHED : codeWrites[(int) page & codeWrites.length - 1];
        }
      }
    }
  }

  /**
   * Tells that every write to a page from now on sees that its code is watched, unless it was
   * written since {@link #watchCode} has returned {@code writes}.
   */
  public void settleCode(long page, int writes) {
    synchronized (codeWrites) {
      if (codeWrites[(int) page & codeWrites.length - 1] != writes) {
        return;
      }
      while (true) {
        int old = RawMemory.getByteVolatile(watch + page) & 0xff;
        if ((old & WriteClient.CODE.bit()) == 0 || replace(page, old, old & ~DIRECT | SETTLED)) {
          return;
        }
      }
    }
  }

  /** Who writes now does so directly: the next one to make code of the page has to wait for it. */
  private void forgetCode(long page) {
    synchronized (codeWrites) {
      int at = (int) page & codeWrites.length - 1;
      codeWrites[at] = codeWrites[at] + 1 & Integer.MAX_VALUE;
      RawMemory.putLongVolatile(codeLines + page * 8, 0);
      while (true) {
        int old = RawMemory.getByteVolatile(watch + page) & 0xff;
        if (replace(page, old, old & ~(WriteClient.CODE.bit() | SETTLED) | DIRECT)) {
          return;
        }
      }
    }
  }

  /**
   * Notes that code was made of {@code [offset, offset + length)}, which lies in one page. Whoever
   * made it then looks whether the bytes are still the same.
   */
  public void markCode(long offset, int length) {
    RawMemory.getAndOrLong(codeLines + (offset >> PAGE_BITS) * 8, lines(offset, length));
  }

  /**
   * True if code may have been made of some of these bytes of one page. To be asked again after a
   * write that was not told because of this.
   */
  public boolean holdsCode(long offset, int length) {
    return (RawMemory.getLongVolatile(codeLines + (offset >> PAGE_BITS) * 8)
            & lines(offset, length))
        != 0;
  }

  private static long lines(long offset, int length) {
    int first = (int) (offset & PAGE_SIZE - 1) >> LINE_BITS;
    int last = (int) (offset + length - 1 & PAGE_SIZE - 1) >> LINE_BITS;
    return -1L << first & -1L >>> 63 - last;
  }

  /**
   * Asks for leave to write to a page without telling anybody, as a write tag in a TLB does; false
   * while it is watched. The leave ends where a client arms the page and the vCPU is told so.
   */
  public boolean allowDirectWrites(long page) {
    while (true) {
      int old = RawMemory.getByteVolatile(watch + page) & 0xff;
      if ((old & CLIENT_BITS) != 0) {
        return false;
      }
      if ((old & DIRECT) != 0 || replace(page, old, old | DIRECT)) {
        return true;
      }
    }
  }

  private boolean replace(long page, int old, int now) {
    long address = watch + (page & ~3);
    int shift = (int) (page & 3) * 8;
    int word = RawMemory.getIntVolatile(address);
    return (word >>> shift & 0xff) == old
        && RawMemory.compareAndSetInt(address, word, word & ~(0xff << shift) | now << shift);
  }

  /** Copies bytes in, as a device or loader does. */
  public void write(long offset, byte[] from, int at, int length) {
    checkRange(offset, length);
    beforeWrite(offset, length);
    RawMemory.copyIn(from, at, hostAddress + offset, length);
    VarHandle.fullFence();
    beforeWrite(offset, length); // again, for who began to watch meanwhile
  }

  public void read(long offset, byte[] to, int at, int length) {
    checkRange(offset, length);
    RawMemory.copyOut(hostAddress + offset, to, at, length);
  }

  private void checkRange(long offset, long length) {
    if (offset < 0 || length < 0 || offset > size - length) {
      throw new IndexOutOfBoundsException(name + ": " + offset + "+" + length + " of " + size);
    }
  }

  /**
   * Gives the pages that lie wholly in a range back to the host: the guest does not mind what is in
   * them, and finds zeros, until it writes again.
   */
  public void discard(long offset, long length) {
    checkRange(offset, length);
    long start = offset + PAGE_SIZE - 1 & -PAGE_SIZE;
    long end = offset + length & -PAGE_SIZE;
    if (start < end) {
      beforeWrite(start, end - start);
      memory.discard(start, end - start);
      beforeWrite(start, end - start);
    }
  }

  /** Has the host give all memory now. Before the guest runs. */
  public void populate() {
    for (long offset = 0; offset < size; offset += PAGE_SIZE) {
      RawMemory.putByte(hostAddress + offset, RawMemory.getByte(hostAddress + offset));
    }
  }

  /** Unmaps the memory; nothing may use the block afterwards. */
  @Override
  public void close() {
    memory.close();
    Libc.unmap(watch, watchBytes());
    Libc.unmap(codeLines, pages() * 8);
    Arrays.fill(watchers, null);
  }

  @Override
  public String toString() {
    return name + "[" + size + "]";
  }
}
