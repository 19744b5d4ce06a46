package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.Arrays;

/**
 * The clusters of a qcow2 file and how often each is used (Host cluster management). Guarded by the
 * image's lock.
 *
 * <p>On disk a count is never smaller than what is used: counts that grow are written before what
 * makes use of them, counts that shrink afterwards. What is lost in a crash is space at most.
 */
final class Qcow2Refcounts {
  /** Entries of the table say nothing beyond these bits. */
  private static final long ENTRY_MASK = 0xffff_ffff_ffff_fe00L;

  private static final int MOST_TABLE_BYTES = 0x80_0000;

  /** Cached blocks: each counts thousands of clusters. */
  private static final int CACHED_BLOCKS = 64;

  /** Addresses have 56 bits. */
  private static final long MOST_BYTES = 1L << 56;

  private final Qcow2File image;
  private final BlockNode file;
  private final int clusterBits;
  private final int blockBits;
  private final RefcountBits bits;
  private final TableCache blocks;
  private final LongSet metadata;
  private long[] table;

  /** Changed entries of the table, from and to. */
  private int dirtyFrom = Integer.MAX_VALUE;

  private int dirtyTo;

  /** No cluster before this one is free. */
  private long firstFree;

  Qcow2Refcounts(Qcow2File image) throws IOException {
    this.image = image;
    this.file = image.file();
    Qcow2Header header = image.header();
    this.clusterBits = header.clusterBits();
    this.blockBits = clusterBits + 3 - header.refcountOrder();
    this.bits = new RefcountBits(header.refcountOrder());
    this.metadata = image.metadata();
    this.blocks = new TableCache(file, 1 << clusterBits, CACHED_BLOCKS, () -> {});
    this.table =
        Bytes.toLongs(
            Bytes.read(
                file, header.refcountTableOffset(), header.refcountTableClusters() << clusterBits));
    noteBlocks();
  }

  private void noteBlocks() {
    Qcow2Header header = image.header();
    metadata.addRange(header.refcountTableOffset() >>> clusterBits, header.refcountTableClusters());
    for (long entry : table) {
      if ((entry & ENTRY_MASK) != 0) {
        metadata.add((entry & ENTRY_MASK) >>> clusterBits);
      }
    }
  }

  private long blockOffset(int index) throws IOException {
    long offset = table[index] & ENTRY_MASK;
    if ((offset & (1L << clusterBits) - 1) != 0 || offset < 0 || offset >= MOST_BYTES) {
      throw image.corrupt(
          "Refblock offset %#x unaligned (reftable index: %#x)".formatted(offset, index),
          offset,
          1L << clusterBits);
    }
    return offset;
  }

  /** How often a cluster is used. */
  long get(long cluster) throws IOException {
    long index = cluster >>> blockBits;
    if (index >= table.length) {
      return 0;
    }
    long offset = blockOffset((int) index);
    return offset == 0 ? 0 : bits.get(blocks.load(offset).bytes(), indexInBlock(cluster));
  }

  private int indexInBlock(long cluster) {
    return (int) (cluster & (1L << blockBits) - 1);
  }

  /** Sets a count whose block is there. */
  void set(long cluster, long count) throws IOException {
    TableCache.Table block = blocks.load(blockOffset((int) (cluster >>> blockBits)));
    int index = indexInBlock(cluster);
    bits.set(block.bytes(), index, count);
    block.changed(bits.byteOf(index), bits.bytes());
  }

  /** Whether there is a block that counts a cluster. */
  boolean hasBlock(long cluster) throws IOException {
    long index = cluster >>> blockBits;
    return index < table.length && blockOffset((int) index) != 0;
  }

  /** Clusters up to the last one that is counted. */
  long countedEnd() throws IOException {
    for (int index = table.length - 1; index >= 0; index--) {
      long offset = blockOffset(index);
      if (offset != 0) {
        byte[] block = blocks.load(offset).bytes();
        for (int i = (1 << blockBits) - 1; i >= 0; i--) {
          if (bits.get(block, i) != 0) {
            return ((long) index << blockBits) + i + 1;
          }
        }
      }
    }
    return 0;
  }

  /** Whether the file has all of a block of counts. */
  boolean isThere(long block) {
    return blocks.isThere(block);
  }

  /** Adds to the counts of clusters that are in use already. */
  void increment(long cluster, long by) throws IOException {
    ensureBlock(cluster);
    long count = get(cluster) + by;
    if (count > bits.most()) {
      throw new ErrnoException(Errno.EINVAL, "a cluster is used more often than can be counted");
    }
    set(cluster, count);
  }

  /**
   * Takes one from the count of each cluster.
   *
   * @return clusters that nobody uses any more
   */
  long decrement(long first, long clusters) throws IOException {
    long freed = 0;
    for (long cluster = first; cluster < first + clusters; cluster++) {
      long count = get(cluster);
      if (count == 0) {
        throw image.corrupt(
            "refcount of cluster %d would become negative".formatted(cluster),
            cluster << clusterBits,
            1L << clusterBits);
      }
      set(cluster, count - 1);
      if (count == 1) {
        freed++;
        firstFree = Math.min(firstFree, cluster);
      }
    }
    return freed;
  }

  /**
   * Takes clusters that lie one behind the other.
   *
   * @return the first one's number
   */
  long allocate(long count) throws IOException {
    long run = 0;
    for (long cluster = findFree(); ; cluster++) {
      ensureBlock(cluster);
      run = get(cluster) == 0 ? run + 1 : 0;
      if (run == count) {
        return take(cluster - count + 1, count);
      }
    }
  }

  /** As many as lie one behind the other where the first free one is, {@code most} at most. */
  Run allocateUpTo(long most) throws IOException {
    long first = findFree();
    long count = 1;
    while (count < most) {
      ensureBlock(first + count);
      if (get(first + count) != 0) {
        break;
      }
      count++;
    }
    take(first, count);
    return new Run(first, count);
  }

  /** Clusters that lie one behind the other. */
  record Run(long first, long count) {}

  /** The first free cluster; all before it are used. */
  private long findFree() throws IOException {
    while (true) {
      ensureBlock(firstFree);
      if (get(firstFree) == 0) {
        return firstFree;
      }
      firstFree++;
    }
  }

  private long take(long first, long count) throws IOException {
    for (long cluster = first; cluster < first + count; cluster++) {
      if (metadata.contains(cluster) || cluster == 0) {
        throw image.corrupt(
            "Preventing invalid allocation of a cluster in use at offset %#x"
                .formatted(cluster << clusterBits),
            cluster << clusterBits,
            1L << clusterBits);
      }
    }
    for (long cluster = first; cluster < first + count; cluster++) {
      set(cluster, 1);
    }
    if (first == firstFree) {
      firstFree = first + count;
    }
    return first;
  }

  /** Sees to it that a cluster can be counted. */
  private void ensureBlock(long cluster) throws IOException {
    if (cluster >= MOST_BYTES >>> clusterBits) {
      throw new ErrnoException(Errno.EFBIG, "the image file would become too large");
    }
    long index = cluster >>> blockBits;
    if (index >= table.length) {
      growTable(index);
    }
    if (blockOffset((int) index) != 0) {
      return;
    }
    // The block counts itself: it takes the first of the clusters that it stands for.
    long own = index << blockBits;
    byte[] contents = new byte[1 << clusterBits];
    bits.set(contents, 0, 1);
    blocks.create(own << clusterBits, contents);
    metadata.add(own);
    setEntry((int) index, own << clusterBits);
  }

  private void setEntry(int index, long value) {
    table[index] = value;
    dirtyFrom = Math.min(dirtyFrom, index);
    dirtyTo = Math.max(dirtyTo, index + 1);
  }

  private void growTable(long index) throws IOException {
    int perCluster = 1 << clusterBits - 3;
    long entries = Math.max(index + 1, table.length + table.length / 2L);
    long clusters = (entries + perCluster - 1) / perCluster;
    if (clusters << clusterBits > MOST_TABLE_BYTES) {
      throw new ErrnoException(Errno.EFBIG, "the image file would become too large");
    }
    table = Arrays.copyOf(table, (int) clusters * perCluster);
    long first = allocate(clusters);
    metadata.addRange(first, clusters);
    blocks.flush();
    byte[] all = Bytes.ofLongs(table, 0, table.length);
    Bytes.write(file, first << clusterBits, all, 0, all.length);
    dirtyFrom = Integer.MAX_VALUE;
    dirtyTo = 0;
    file.flush();
    Qcow2Header old = image.header();
    image.writeHeader(old.withRefcountTable(first << clusterBits, (int) clusters));
    file.flush();
    long oldFirst = old.refcountTableOffset() >>> clusterBits;
    for (int i = 0; i < old.refcountTableClusters(); i++) {
      metadata.remove(oldFirst + i);
    }
    decrement(oldFirst, old.refcountTableClusters());
  }

  boolean isDirty() {
    return blocks.isDirty() || dirtyFrom < dirtyTo;
  }

  /** Writes all counts; they have reached the disk only after the file's flush. */
  void flush() throws IOException {
    blocks.flush();
    if (dirtyFrom < dirtyTo) {
      file.flush();
      byte[] changed = Bytes.ofLongs(table, dirtyFrom, dirtyTo);
      Bytes.write(
          file, image.header().refcountTableOffset() + dirtyFrom * 8L, changed, 0, changed.length);
      dirtyFrom = Integer.MAX_VALUE;
      dirtyTo = 0;
    }
  }

  /** The table, for those who check it. */
  long[] table() {
    return table;
  }

  /** The counts are about to be written anew: where they are now is no place of theirs any more. */
  void forgetPlaces() {
    Qcow2Header header = image.header();
    for (int i = 0; i < header.refcountTableClusters(); i++) {
      metadata.remove((header.refcountTableOffset() >>> clusterBits) + i);
    }
    for (long entry : table) {
      if ((entry & ENTRY_MASK) != 0) {
        metadata.remove((entry & ENTRY_MASK) >>> clusterBits);
      }
    }
  }

  /** The counts were written anew; what was known of them is forgotten. */
  void replaceTable(long[] other) {
    blocks.clear();
    table = other;
    dirtyFrom = Integer.MAX_VALUE;
    dirtyTo = 0;
    firstFree = 0;
    noteBlocks();
  }

  RefcountBits bits() {
    return bits;
  }

  int blockBits() {
    return blockBits;
  }
}
