package dev.pollux.core.memory;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
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

  private static final VarHandle WATCH = MethodHandles.arrayElementVarHandle(byte[].class);

  private final String name;
  private final long size;
  private final long hostAddress;
  private final boolean readOnly;

  /** Per page, the {@link WriteClient} bits that are set. */
  private final byte[] watch;

  private final WriteWatcher[] watchers = new WriteWatcher[WriteClient.values().length];

  /**
   * @param name the block's name in a migration stream, for instance {@code pc.ram}
   * @param size bytes, a multiple of the page size
   * @param readOnly the guest's writes are ignored (ROM)
   */
  public RamBlock(String name, long size, boolean readOnly) throws IOException {
    if (size <= 0 || (size & (PAGE_SIZE - 1)) != 0 || size >> PAGE_BITS > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException("size of RAM block " + name + ": " + size);
    }
    this.name = name;
    this.size = size;
    this.readOnly = readOnly;
    this.hostAddress = Libc.mapAnonymous(size, Libc.PROT_READ | Libc.PROT_WRITE);
    Libc.advise(hostAddress, size, Libc.MADV_HUGEPAGE);
    this.watch = new byte[(int) (size >> PAGE_BITS)];
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

  /** Host address of the first byte. */
  public long hostAddress() {
    return hostAddress;
  }

  public boolean readOnly() {
    return readOnly;
  }

  /** Names the one watcher of a client; null removes it, its bits being cleared. */
  public synchronized void setWatcher(WriteClient client, WriteWatcher watcher) {
    watchers[client.ordinal()] = watcher;
    if (watcher == null) {
      for (int page = 0; page < watch.length; page++) {
        clearBits(page, client.bit());
      }
    }
  }

  /**
   * Arms a client's bit of one page. Whoever arms must then make every vCPU drop its write-enabled
   * TLB entries and pass an instruction boundary ({@code VcpuList.synchronizeTlbs}) before relying
   * on being told.
   */
  public void watch(WriteClient client, long page) {
    byte old;
    do {
      old = (byte) WATCH.getVolatile(watch, (int) page);
    } while (!WATCH.compareAndSet(watch, (int) page, old, (byte) (old | client.bit())));
  }

  /** Arms a client's bit of every page. */
  public void watchAll(WriteClient client) {
    for (int page = 0; page < watch.length; page++) {
      watch(client, page);
    }
  }

  /** Disarms a client's bit of one page; true if it was armed. */
  public boolean unwatch(WriteClient client, long page) {
    return (clearBits((int) page, client.bit()) & client.bit()) != 0;
  }

  private int clearBits(int page, int bits) {
    byte old;
    do {
      old = (byte) WATCH.getVolatile(watch, page);
      if ((old & bits) == 0) {
        return old;
      }
    } while (!WATCH.compareAndSet(watch, page, old, (byte) (old & ~bits)));
    return old;
  }

  /** True while some client must be told before the page is written. */
  public boolean isWatched(long page) {
    return (byte) WATCH.getVolatile(watch, (int) page) != 0;
  }

  public boolean isWatched(WriteClient client, long page) {
    return ((byte) WATCH.getVolatile(watch, (int) page) & client.bit()) != 0;
  }

  /** The {@link WriteClient#bit} bits of all clients that watch the page. */
  public int watchedBy(long page) {
    return (byte) WATCH.getVolatile(watch, (int) page) & 0xff;
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
      if ((byte) WATCH.getVolatile(watch, (int) page) != 0) {
        tellWatchers(page);
      }
    }
  }

  private synchronized void tellWatchers(long page) {
    int bits = (byte) WATCH.getVolatile(watch, (int) page);
    for (WriteClient client : WriteClient.values()) {
      if ((bits & client.bit()) != 0) {
        WriteWatcher watcher = watchers[client.ordinal()];
        if (watcher != null) {
          watcher.beforeWrite(this, page);
        }
        clearBits((int) page, client.bit());
      }
    }
  }

  /** Copies bytes in, as a device or loader does. */
  public void write(long offset, byte[] from, int at, int length) {
    checkRange(offset, length);
    beforeWrite(offset, length);
    RawMemory.copyIn(from, at, hostAddress + offset, length);
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

  /** Unmaps the memory; nothing may use the block afterwards. */
  @Override
  public void close() {
    Libc.unmap(hostAddress, size);
    Arrays.fill(watchers, null);
  }

  @Override
  public String toString() {
    return name + "[" + size + "]";
  }
}
