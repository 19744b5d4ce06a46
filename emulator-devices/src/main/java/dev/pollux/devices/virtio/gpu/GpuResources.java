package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The resources of a device. Their pixels lie in a block of RAM, each on pages of its own, so that
 * a migration moves them as it moves the guest's memory, and a checkpoint only what has changed.
 * Guarded by the I/O thread's lock.
 */
final class GpuResources {
  /** Entries of the guest's memory that one request names at most, and all resources have. */
  static final int MOST_ENTRIES = 16_384;

  private static final int MOST_ENTRIES_IN_ALL = 1 << 18;

  /** Of a side, in pixels. */
  private static final int LONGEST = 0xffff;

  private static final int HEADER_BYTES = 20;

  private final RamBlock block;
  private final GuestMemory memory;
  private final Map<Integer, GpuResource> all = new TreeMap<>();
  private final BitSet pages = new BitSet();
  private int entries;

  GpuResources(RamBlock block, GuestMemory memory) {
    this.block = block;
    this.memory = memory;
  }

  Optional<GpuResource> find(int id) {
    return Optional.ofNullable(all.get(id));
  }

  /** Host address of the first pixel. */
  long pixels(GpuResource resource) {
    return block.hostAddress() + offset(resource);
  }

  private static long offset(GpuResource resource) {
    return (long) resource.page() << RamBlock.PAGE_BITS;
  }

  private static int pagesOf(long bytes) {
    return (int) (bytes + RamBlock.PAGE_SIZE - 1 >> RamBlock.PAGE_BITS);
  }

  void clear() {
    for (GpuResource resource : all.values()) {
      block.discard(offset(resource), (long) pagesOf(resource.bytes()) << RamBlock.PAGE_BITS);
    }
    forget();
  }

  private void forget() {
    all.clear();
    pages.clear();
    entries = 0;
  }

  /**
   * Makes a black one.
   *
   * @param width pixels, without a sign, as the height
   */
  GpuStatus create(int id, int format, int width, int height) {
    Optional<GpuFormat> known = GpuFormat.of(format);
    if (id == 0 || all.containsKey(id)) {
      return GpuStatus.INVALID_RESOURCE;
    }
    if (known.isEmpty() || !isSide(width) || !isSide(height)) {
      return GpuStatus.INVALID_PARAMETER;
    }
    long bytes = (long) width * height * GpuFormat.BYTES;
    int page = bytes > block.size() ? -1 : room(pagesOf(bytes));
    if (page < 0) {
      return GpuStatus.OUT_OF_MEMORY;
    }
    pages.set(page, page + pagesOf(bytes));
    all.put(id, new GpuResource(id, known.get(), width, height, page, Optional.empty()));
    return GpuStatus.OK;
  }

  private static boolean isSide(int pixels) {
    return pixels > 0 && pixels <= LONGEST;
  }

  /** The first place where so many pages are free; -1 for none. */
  private int room(int count) {
    for (int from = pages.nextClearBit(0); from + count <= block.pages(); ) {
      int used = pages.nextSetBit(from);
      if (used < 0 || used >= from + count) {
        return from;
      }
      from = pages.nextClearBit(used);
    }
    return -1;
  }

  void remove(GpuResource resource) {
    int count = pagesOf(resource.bytes());
    block.discard(offset(resource), (long) count << RamBlock.PAGE_BITS);
    pages.clear(resource.page(), resource.page() + count);
    entries -= resource.backing().map(GpuBacking::count).orElse(0);
    all.remove(resource.id());
  }

  /** Whether entries of so many pieces can be kept. */
  boolean hasRoom(int pieces) {
    return entries + pieces <= MOST_ENTRIES_IN_ALL;
  }

  void attach(GpuResource resource, GpuBacking backing) {
    all.put(resource.id(), resource.with(Optional.of(backing)));
    entries += backing.count();
  }

  void detach(GpuResource resource) {
    entries -= resource.backing().map(GpuBacking::count).orElse(0);
    all.put(resource.id(), resource.with(Optional.empty()));
  }

  /**
   * Copies a part from where the driver has it; of the driver's the part begins at an offset, and
   * its rows are as far apart as here.
   */
  void transfer(GpuResource resource, GpuBacking backing, GpuArea area, long offset) {
    boolean whole = area.x() == 0 && area.width() == resource.width();
    long rows = whole ? 1 : area.height();
    long length = area.width() * GpuFormat.BYTES * (whole ? area.height() : 1);
    long at = area.y() * resource.rowBytes() + area.x() * GpuFormat.BYTES;
    for (long row = 0; row < rows; row++) {
      long start = at + row * resource.rowBytes();
      block.beforeWrite(offset(resource) + start, length);
      backing.copy(memory, offset + row * resource.rowBytes(), pixels(resource) + start, length);
      VarHandle.fullFence();
      block.beforeWrite(offset(resource) + start, length);
    }
  }

  /** A pixel's word. */
  int pixel(GpuResource resource, int x, int y) {
    return RawMemory.getInt(pixels(resource) + y * (long) resource.rowBytes() + x * 4L);
  }

  // ---- state: the pixels are saved as the block's ----

  static int mostStateBytes(long blockPages) {
    return (int) blockPages * HEADER_BYTES + 4 * (int) blockPages + MOST_ENTRIES_IN_ALL * 16;
  }

  byte[] save() {
    int size = 0;
    for (GpuResource resource : all.values()) {
      size += HEADER_BYTES + 4;
      size += resource.backing().map(GpuBacking::count).orElse(0) * GpuBacking.ENTRY_BYTES;
    }
    ByteBuffer out = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    for (GpuResource resource : all.values()) {
      out.putInt(resource.id()).putInt(resource.format().number());
      out.putInt(resource.width()).putInt(resource.height()).putInt(resource.page());
      out.putInt(resource.backing().map(GpuBacking::count).orElse(-1));
      resource.backing().ifPresent(backing -> backing.write(out));
    }
    return out.array();
  }

  /** Takes what {@link #save} has made; what cannot be is left out with all that follows. */
  void load(byte[] bytes) {
    forget();
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (in.remaining() >= HEADER_BYTES + 4) {
      int id = in.getInt();
      Optional<GpuFormat> format = GpuFormat.of(in.getInt());
      int width = in.getInt();
      int height = in.getInt();
      int page = in.getInt();
      int count = in.getInt();
      if (id == 0
          || all.containsKey(id)
          || format.isEmpty()
          || !isSide(width)
          || !isSide(height)
          || !isFree(page, (long) width * height * GpuFormat.BYTES)
          || count < -1
          || count > Math.min(MOST_ENTRIES, in.remaining() / GpuBacking.ENTRY_BYTES)
          || !hasRoom(count)) {
        return;
      }
      GpuResource loaded = new GpuResource(id, format.get(), width, height, page, Optional.empty());
      pages.set(page, page + pagesOf(loaded.bytes()));
      all.put(id, loaded);
      if (count >= 0) {
        attach(loaded, GpuBacking.read(in, count));
      }
    }
  }

  private boolean isFree(int page, long bytes) {
    if (page < 0 || bytes > block.size() || page + pagesOf(bytes) > block.pages()) {
      return false;
    }
    int used = pages.nextSetBit(page);
    return used < 0 || used >= page + pagesOf(bytes);
  }
}
