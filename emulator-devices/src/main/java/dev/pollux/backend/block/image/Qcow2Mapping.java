package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;

/**
 * Where the guest's clusters lie in a qcow2 file: the L1 table and the L2 tables it names (Cluster
 * mapping). Guarded by the image's lock.
 */
final class Qcow2Mapping {
  /** In L1 and L2 entries: used exactly once, may be written in place. */
  static final long COPIED = 1L << 63;

  /** In L2 entries. */
  static final long COMPRESSED = 1L << 62;

  static final long ZERO = 1;

  static final long OFFSET_MASK = Qcow2Header.OFFSET_MASK;

  private final Qcow2File image;
  private final BlockNode file;
  private final Qcow2Refcounts refcounts;
  private final TableCache tables;
  private final Frees frees;
  private final int clusterBits;
  private final int l2Bits;
  private long[] l1;
  private int dirtyFrom = Integer.MAX_VALUE;
  private int dirtyTo;

  /** Takes clusters that are not used any more. */
  interface Frees {
    void free(long cluster, long count, boolean discard);
  }

  /**
   * @param tables the cache of L2 tables
   */
  Qcow2Mapping(Qcow2File image, Qcow2Refcounts refcounts, TableCache tables, Frees frees)
      throws IOException {
    this.image = image;
    this.file = image.file();
    this.refcounts = refcounts;
    this.tables = tables;
    this.frees = frees;
    Qcow2Header header = image.header();
    this.clusterBits = header.clusterBits();
    this.l2Bits = header.l2Bits();
    this.l1 = Bytes.toLongs(Bytes.read(file, header.l1Offset(), header.l1Size() * 8));
    for (long entry : l1) {
      if ((entry & OFFSET_MASK) != 0) {
        image.metadata().add((entry & OFFSET_MASK) >>> clusterBits);
      }
    }
  }

  /** Guest clusters that one L2 table maps. */
  int tableEntries() {
    return 1 << l2Bits;
  }

  long[] l1() {
    return l1;
  }

  /** The L2 entry of a guest cluster; 0 where there is no table. */
  long entry(long cluster) throws IOException {
    long offset = tableOffset((int) (cluster >>> l2Bits));
    return offset == 0 ? 0 : tables.load(offset).entry(indexOf(cluster));
  }

  /** Whether any of the clusters that an L1 entry stands for may have a place. */
  boolean hasTable(int index) {
    return index < l1.length && (l1[index] & OFFSET_MASK) != 0;
  }

  private int indexOf(long cluster) {
    return (int) (cluster & (1L << l2Bits) - 1);
  }

  private long tableOffset(int index) throws ErrnoException {
    long offset = l1[index] & OFFSET_MASK;
    if ((offset & (1L << clusterBits) - 1) != 0) {
      throw image.corrupt(
          "L2 table offset %#x unaligned (L1 index: %#x)".formatted(offset, index),
          offset,
          1L << clusterBits);
    }
    return offset;
  }

  /**
   * The place of an entry that is no compressed one, checked.
   *
   * @return bytes; 0 where no cluster is given
   */
  long hostOffset(long entry, long cluster) throws ErrnoException {
    long offset = entry & OFFSET_MASK;
    if ((offset & (1L << clusterBits) - 1) != 0) {
      throw image.corrupt(
          "Cluster allocation offset %#x unaligned (guest offset: %#x)"
              .formatted(offset, cluster << clusterBits),
          offset,
          1L << clusterBits);
    }
    return offset;
  }

  /** Changes an entry, in a table of the active state's own. */
  void setEntry(long cluster, long value) throws IOException {
    tables.load(ownTable((int) (cluster >>> l2Bits))).setEntry(indexOf(cluster), value);
  }

  /** The offset of an L2 table that may be written; makes one if need be. */
  long ownTable(int index) throws IOException {
    long offset = tableOffset(index);
    if (offset != 0 && (l1[index] & COPIED) != 0) {
      return offset;
    }
    byte[] contents =
        offset == 0 ? new byte[1 << clusterBits] : tables.load(offset).bytes().clone();
    long made = refcounts.allocate(1) << clusterBits;
    tables.create(made, contents);
    image.metadata().add(made >>> clusterBits);
    l1[index] = made | COPIED;
    dirtyFrom = Math.min(dirtyFrom, index);
    dirtyTo = Math.max(dirtyTo, index + 1);
    if (offset != 0) {
      frees.free(offset >>> clusterBits, 1, false);
    }
    return made;
  }

  /** Sets or clears the bit "used once" of an L1 entry. */
  void setCopied(int index, boolean copied) {
    l1[index] = copied ? l1[index] | COPIED : l1[index] & ~COPIED;
    dirtyFrom = Math.min(dirtyFrom, index);
    dirtyTo = Math.max(dirtyTo, index + 1);
  }

  boolean isDirty() {
    return tables.isDirty() || dirtyFrom < dirtyTo;
  }

  /** Writes all tables; counts have been written before. */
  void flush() throws IOException {
    tables.flush();
    if (dirtyFrom < dirtyTo) {
      file.flush();
      byte[] changed = Bytes.ofLongs(l1, dirtyFrom, dirtyTo);
      Bytes.write(file, image.header().l1Offset() + dirtyFrom * 8L, changed, 0, changed.length);
      dirtyFrom = Integer.MAX_VALUE;
      dirtyTo = 0;
    }
  }

  /** Makes the L1 table longer, in another place. All is flushed. */
  void grow(int entries, long size) throws IOException {
    Qcow2Header old = image.header();
    long clusters = (entries * 8L + (1L << clusterBits) - 1) >>> clusterBits;
    long[] longer = java.util.Arrays.copyOf(l1, entries);
    long first = refcounts.allocate(clusters);
    image.metadata().addRange(first, clusters);
    byte[] all = Bytes.ofLongs(longer, 0, entries);
    Bytes.write(file, first << clusterBits, all, 0, all.length);
    refcounts.flush();
    file.flush();
    image.writeHeader(old.withSize(size, entries, first << clusterBits));
    file.flush();
    l1 = longer;
    long oldClusters = (old.l1Size() * 8L + (1L << clusterBits) - 1) >>> clusterBits;
    if (oldClusters > 0) {
      for (long i = 0; i < oldClusters; i++) {
        image.metadata().remove((old.l1Offset() >>> clusterBits) + i);
      }
      frees.free(old.l1Offset() >>> clusterBits, oldClusters, false);
    }
  }

  /** Where a compressed cluster lies. */
  record Compressed(long offset, int bytes) {}

  /** Takes an entry of a compressed cluster apart (Compressed Clusters Descriptor). */
  Compressed compressed(long entry) {
    int offsetBits = 62 - (clusterBits - 8);
    long offset = entry & (1L << offsetBits) - 1;
    int sectors = (int) ((entry & (1L << 62) - 1) >>> offsetBits) + 1;
    return new Compressed(offset, sectors * 512 - (int) (offset & 511));
  }

  /** Makes an entry for a compressed cluster. */
  long compressedEntry(long offset, int bytes) {
    int offsetBits = 62 - (clusterBits - 8);
    long sectors = (offset + bytes - 1 >>> 9) - (offset >>> 9);
    return COMPRESSED | sectors << offsetBits | offset;
  }
}
