package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.StampedLock;

/**
 * A disk in a qcow2 file, version 2 or 3.
 *
 * <p>One lock guards header, tables and counts; data is read and written without it. A write that
 * needs new clusters notes the guest's clusters as under way, writes the data, and only then
 * changes the tables; another write to the same clusters waits. Every request that moves data holds
 * {@link #inUse} shared, so that clusters that are freed are not used again under its hands.
 */
public final class Qcow2Image extends BlockNode {
  private final BlockNode file;
  private final Qcow2Options how;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition allocationDone = lock.newCondition();
  private final StampedLock inUse = new StampedLock();
  private final ReentrantLock flushing = new ReentrantLock();

  /** What the file says; read anew when the image becomes this process's. */
  private Qcow2File image;

  private int clusterBits;
  private int clusterSize;
  private ClusterCodec codec;
  private Qcow2Frees frees;
  private Qcow2Refcounts refcounts;
  private TableCache tables;
  private Qcow2Mapping mapping;

  /** Guarded by the lock, as is all below. */
  private final List<Allocation> underWay = new ArrayList<>();

  private volatile BlockNode backing;

  /** Whether counts may be behind on disk while the image is open. */
  private boolean lazy;

  private boolean changed;
  private boolean closed;

  /** From here on the file was never written: it reads as zeros. */
  private long virginFrom;

  /** Where the next compressed cluster goes, or 0. */
  private long freeByte;

  /**
   * New clusters for some of the guest's.
   *
   * @param first guest cluster
   * @param host bytes in the file
   * @param owned the clusters belonged to these guest clusters before
   * @param virgin the file reads as zeros there
   */
  private record Allocation(long first, long count, long host, boolean owned, boolean virgin) {
    boolean overlaps(long cluster) {
      return cluster >= first && cluster < first + count;
    }
  }

  private enum Kind {
    UNALLOCATED,
    ZERO,
    DATA,
    COMPRESSED
  }

  /**
   * A piece of the guest's disk.
   *
   * @param host bytes in the file, of data; the entry, of a compressed cluster; else 0
   */
  private record Extent(Kind kind, long host, long bytes) {}

  private Qcow2Image(NodeOptions options, BlockNode file, BlockNode backing, Qcow2Options how)
      throws IOException {
    super(options);
    this.file = file;
    this.backing = backing;
    this.how = how;
    load();
  }

  private void load() throws IOException {
    image = new Qcow2File(file, name(), options().readOnly(), how.listener());
    Qcow2Header header = image.header();
    if (!how.repairing()) {
      checkWhole(header.l1Offset(), header.l1Size() * 8L, "L1 table");
      if (!options().readOnly()) {
        checkWhole(
            header.refcountTableOffset(),
            (long) header.refcountTableClusters() << header.clusterBits(),
            "refcount table");
      }
    }
    clusterBits = header.clusterBits();
    clusterSize = header.clusterSize();
    codec = header.compression() == Qcow2Header.ZSTD ? ClusterCodec.ZSTD : ClusterCodec.ZLIB;
    frees = new Qcow2Frees(file, clusterBits);
    refcounts = new Qcow2Refcounts(image);
    int cached = (int) Math.min(how.l2CacheBytes() >> clusterBits, tablesOf(header));
    tables = new TableCache(file, clusterSize, cached, this::writeCounts);
    mapping = new Qcow2Mapping(image, refcounts, tables, frees);
    virginFrom = file.length() + clusterSize - 1 & -clusterSize;
    freeByte = 0;
    changed = false;
  }

  private void checkWhole(long offset, long bytes, String what) throws ErrnoException {
    if (bytes > file.length() - offset) {
      throw cutOff("its %s at offset %#x is not there as a whole".formatted(what, offset));
    }
  }

  private ErrnoException cutOff(String what) {
    return ImageException.invalid(
        "qcow2: The file was cut off at %d bytes: %s".formatted(file.length(), what));
  }

  private static long tablesOf(Qcow2Header header) {
    return Math.max(header.l1Size(), 2);
  }

  /**
   * Opens an image.
   *
   * @param backing what lies below it; null for none
   * @throws IOException saying what is wrong with it
   */
  public static Qcow2Image open(
      NodeOptions options, BlockNode file, BlockNode backing, Qcow2Options how) throws IOException {
    Qcow2Image opened = new Qcow2Image(options, file, backing, how);
    if (file.isActive()) {
      opened.begin();
    }
    return opened;
  }

  /** Whether a file that begins like this is such an image. */
  public static boolean isQcow2(byte[] start) {
    return Qcow2Header.isQcow2(start);
  }

  private void begin() throws IOException {
    Qcow2Header header = image.header();
    lazy =
        header.version() == 3
            && (how.lazyRefcounts() == null ? header.lazyRefcounts() : how.lazyRefcounts());
    if (readOnly() || how.repairing()) {
      return;
    }
    if (header.isCorrupt()) {
      throw new ErrnoException(
          Errno.EACCES, "qcow2: Image is corrupt; cannot be opened read/write");
    }
    checkNothingIsCutOff();
    if (header.isDirty()) {
      new Qcow2Check(this).run(Qcow2Check.Repair.ALL);
    }
  }

  /**
   * What is written behind the end of a file that was cut off makes it longer again: then what was
   * lost would read as zeros, and nobody would know. Counts may lie there after a crash, but
   * nothing that is used.
   */
  private void checkNothingIsCutOff() throws IOException {
    long end = file.length() + clusterSize - 1 >>> clusterBits;
    if (image.header().isDirty() || refcounts.countedEnd() > end) {
      long lost = new Qcow2Check(this).clustersBeyondEnd();
      if (lost > 0) {
        throw cutOff(
            "%d clusters that it names are lost; open it read-only to copy what is left"
                .formatted(lost));
      }
    }
  }

  @Override
  public String driver() {
    return "qcow2";
  }

  @Override
  public long length() {
    return image.header().size();
  }

  @Override
  public List<BlockChild> children() {
    BlockNode below = backing;
    return below == null
        ? List.of(new BlockChild("file", file))
        : List.of(new BlockChild("file", file), new BlockChild("backing", below));
  }

  /** What the image says lies below it; empty for nothing. */
  public String backingFile() {
    return image.header().backingFile();
  }

  /** The format the image names for it; empty where it names none. */
  public String backingFormat() {
    return image.header().backingFormat();
  }

  /** Puts another node below; drained. The image still names the old one. */
  public void setBacking(BlockNode node) {
    backing = node;
  }

  @Override
  public void replaceChild(BlockNode old, BlockNode with) {
    if (!old.equals(backing)) {
      super.replaceChild(old, with);
    }
    backing = with;
  }

  Qcow2File image() {
    return image;
  }

  Qcow2Refcounts refcounts() {
    return refcounts;
  }

  Qcow2Mapping mapping() {
    return mapping;
  }

  /** Facts for people and queries. */
  public Qcow2Info info() throws IOException {
    lock.lock();
    try {
      return Qcow2Info.of(image);
    } finally {
      lock.unlock();
    }
  }

  // ---- reading ----

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    long stamp = inUse.readLock();
    try {
      readMapped(offset, to);
    } finally {
      inUse.unlockRead(stamp);
    }
  }

  private void readMapped(long offset, IoVector to) throws IOException {
    for (long done = 0; done < to.bytes(); ) {
      Extent extent;
      lock.lock();
      try {
        extent = extentAt(offset + done, to.bytes() - done);
      } finally {
        lock.unlock();
      }
      readExtent(extent, offset + done, to.slice(done, extent.bytes));
      done += extent.bytes;
    }
  }

  private void readExtent(Extent extent, long offset, IoVector to) throws IOException {
    switch (extent.kind) {
      case ZERO -> to.clear();
      case DATA -> {
        checkReaches(extent.host + to.bytes() - 1);
        file.read(extent.host, to);
      }
      case UNALLOCATED -> readBacking(offset, to);
      case COMPRESSED -> {
        byte[] cluster = unpack(extent.host);
        int from = (int) (offset & clusterSize - 1);
        try (HostBuffer buffer = new HostBuffer(to.bytes())) {
          RawMemory.copyIn(cluster, from, buffer.address(), (int) to.bytes());
          to.copyFrom(buffer.address());
        }
      }
    }
  }

  /** The last cluster of a file may be there in part, but begins in it. */
  private void checkReaches(long host) throws ErrnoException {
    if ((host & -clusterSize) >= file.length()) {
      throw new ErrnoException(
          Errno.EIO,
          "qcow2 image %s was cut off at %d bytes: its cluster at %#x is lost"
              .formatted(file.fileName(), file.length(), host & -clusterSize));
    }
  }

  private void readBacking(long offset, IoVector to) throws IOException {
    BlockNode below = backing;
    long there = below == null ? 0 : Math.min(to.bytes(), Math.max(0, below.length() - offset));
    if (there > 0) {
      below.read(offset, to.slice(0, there));
    }
    if (there < to.bytes()) {
      to.slice(there, to.bytes() - there).clear();
    }
  }

  private byte[] unpack(long entry) throws IOException {
    Qcow2Mapping.Compressed place = mapping.compressed(entry);
    byte[] packed = Bytes.read(file, place.offset(), place.bytes());
    return codec.unpack(packed, clusterSize);
  }

  /** The piece that a range begins with. Lock held. */
  private Extent extentAt(long offset, long length) throws IOException {
    long cluster = offset >>> clusterBits;
    long within = offset & clusterSize - 1;
    long entry = mapping.entry(cluster);
    Kind kind = kindOf(entry, cluster);
    if (kind == Kind.COMPRESSED) {
      return new Extent(kind, entry, Math.min(length, clusterSize - within));
    }
    long host = kind == Kind.DATA ? mapping.hostOffset(entry, cluster) : 0;
    long bytes = clusterSize - within;
    long tableEnd = (cluster | mapping.tableEntries() - 1L) + 1;
    for (long next = cluster + 1; bytes < length && next < tableEnd; next++) {
      long nextEntry = mapping.entry(next);
      if (kindOf(nextEntry, next) != kind
          || (kind == Kind.DATA
              && mapping.hostOffset(nextEntry, next) != host + (next - cluster << clusterBits))) {
        break;
      }
      bytes += clusterSize;
    }
    return new Extent(kind, host + (kind == Kind.DATA ? within : 0), Math.min(length, bytes));
  }

  private Kind kindOf(long entry, long cluster) throws IOException {
    if ((entry & Qcow2Mapping.COMPRESSED) != 0) {
      return Kind.COMPRESSED;
    }
    if ((entry & Qcow2Mapping.ZERO) != 0) {
      if (image.header().version() == 2) {
        throw image.corrupt(
            "Zero cluster found in pre-v3 image (guest offset: %#x)"
                .formatted(cluster << clusterBits),
            cluster << clusterBits,
            clusterSize);
      }
      return Kind.ZERO;
    }
    return (entry & Qcow2Mapping.OFFSET_MASK) == 0 ? Kind.UNALLOCATED : Kind.DATA;
  }

  /** Whether a cluster reads as zeros without looking at anything. Lock held. */
  private boolean readsAsZero(long entry, long cluster) throws IOException {
    Kind kind = kindOf(entry, cluster);
    BlockNode below = backing;
    return kind == Kind.ZERO
        || (kind == Kind.UNALLOCATED
            && (below == null || cluster << clusterBits >= below.length()));
  }

  @Override
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    BlockStatus found = null;
    long done = 0;
    while (done < length) {
      Extent extent;
      lock.lock();
      try {
        extent = extentAt(offset + done, length - done);
      } finally {
        lock.unlock();
      }
      BlockStatus next =
          switch (extent.kind) {
            case UNALLOCATED -> BlockStatus.unallocated(extent.bytes);
            case ZERO -> BlockStatus.zero(extent.bytes);
            case DATA -> BlockStatus.data(extent.bytes, extent.host);
            case COMPRESSED -> new BlockStatus(extent.bytes, true, false, true, true, -1);
          };
      boolean follows =
          found == null
              || (found.isLike(next)
                  && (next.offset() < 0 || next.offset() == found.offset() + done));
      if (!follows) {
        break;
      }
      done += extent.bytes;
      found = (found == null ? next : found).withLength(done);
    }
    return found;
  }

  // ---- writing ----

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    long stamp = inUse.readLock();
    try {
      for (long done = 0; done < from.bytes(); ) {
        done += writePiece(offset + done, from.slice(done, from.bytes() - done));
      }
    } finally {
      inUse.unlockRead(stamp);
    }
    flushIfManyFrees();
  }

  /** Writes as much as can be done at once and returns how much that was. */
  private long writePiece(long offset, IoVector from) throws IOException {
    Allocation made;
    Extent inPlace = null;
    lock.lock();
    try {
      beginChange();
      awaitAllocations(offset >>> clusterBits);
      made = allocateFor(offset, from.bytes());
      if (made == null) {
        inPlace = placeOf(offset, from.bytes());
      } else {
        underWay.add(made);
      }
    } finally {
      lock.unlock();
    }
    if (inPlace != null) {
      file.write(inPlace.host, from.slice(0, inPlace.bytes), 0);
      return inPlace.bytes;
    }
    long bytes = Math.min(from.bytes(), (made.first + made.count << clusterBits) - offset);
    boolean done = false;
    try {
      writeNew(made, offset, from.slice(0, bytes));
      done = true;
    } finally {
      finish(made, done);
    }
    return bytes;
  }

  /** Waits while a guest cluster gets its place. Lock held. */
  private void awaitAllocations(long cluster) {
    while (isUnderWay(cluster)) {
      allocationDone.awaitUninterruptibly();
    }
  }

  private boolean isUnderWay(long cluster) {
    for (Allocation each : underWay) {
      if (each.overlaps(cluster)) {
        return true;
      }
    }
    return false;
  }

  private static boolean isInPlace(long entry) {
    return (entry & Qcow2Mapping.COPIED) != 0
        && (entry & (Qcow2Mapping.ZERO | Qcow2Mapping.COMPRESSED)) == 0
        && (entry & Qcow2Mapping.OFFSET_MASK) != 0;
  }

  /** A cluster that was kept for the guest when it was zeroed. */
  private static boolean isKept(long entry) {
    return (entry & Qcow2Mapping.COPIED) != 0
        && (entry & Qcow2Mapping.ZERO) != 0
        && (entry & Qcow2Mapping.COMPRESSED) == 0
        && (entry & Qcow2Mapping.OFFSET_MASK) != 0;
  }

  /** Data that can be overwritten where it is. Lock held. */
  private Extent placeOf(long offset, long length) throws IOException {
    long cluster = offset >>> clusterBits;
    long host = checkedData(mapping.entry(cluster), cluster);
    long bytes = clusterSize - (offset & clusterSize - 1);
    long tableEnd = (cluster | mapping.tableEntries() - 1L) + 1;
    for (long next = cluster + 1; bytes < length && next < tableEnd; next++) {
      long entry = mapping.entry(next);
      if (!isInPlace(entry)
          || checkedData(entry, next) != host + (next - cluster << clusterBits)
          || isUnderWay(next)) {
        break;
      }
      bytes += clusterSize;
    }
    return new Extent(Kind.DATA, host + (offset & clusterSize - 1), Math.min(length, bytes));
  }

  /** A data cluster's place, which must not be the image's own. */
  private long checkedData(long entry, long cluster) throws IOException {
    long host = mapping.hostOffset(entry, cluster);
    if (image.metadata().contains(host >>> clusterBits)) {
      throw image.corrupt(
          "Preventing invalid write on metadata (overlaps with cluster at offset %#x)"
              .formatted(host),
          host,
          clusterSize);
    }
    if (host >= virginFrom) {
      throw image.corrupt(
          "Cluster offset %#x lies beyond the end of the file".formatted(host), host, clusterSize);
    }
    return host;
  }

  /** New clusters for what a range begins with; null where it can be written in place. */
  private Allocation allocateFor(long offset, long length) throws IOException {
    long first = offset >>> clusterBits;
    long entry = mapping.entry(first);
    if (isInPlace(entry)) {
      return null;
    }
    long end =
        Math.min(offset + length - 1 >>> clusterBits, first | mapping.tableEntries() - 1L) + 1;
    mapping.ownTable((int) (first / mapping.tableEntries()));
    if (isKept(entry)) {
      long host = checkedData(entry, first);
      long count = 1;
      while (first + count < end
          && !isUnderWay(first + count)
          && isKept(mapping.entry(first + count))
          && checkedData(mapping.entry(first + count), first + count)
              == host + (count << clusterBits)) {
        count++;
      }
      return new Allocation(first, count, host, true, false);
    }
    long wanted = 1;
    while (first + wanted < end && !isUnderWay(first + wanted)) {
      long next = mapping.entry(first + wanted);
      if (isInPlace(next) || isKept(next)) {
        break;
      }
      wanted++;
    }
    Qcow2Refcounts.Run run = refcounts.allocateUpTo(wanted);
    long host = run.first() << clusterBits;
    boolean virgin = host >= virginFrom;
    return new Allocation(first, run.count(), host, false, virgin);
  }

  /** Writes data and what is around it in its first and last cluster. */
  private void writeNew(Allocation made, long offset, IoVector from) throws IOException {
    long start = made.first << clusterBits;
    long end = Math.min(start + (made.count << clusterBits), length());
    long head = offset - start;
    long tail = Math.max(0, end - offset - from.bytes());
    boolean headZero;
    boolean tailZero;
    lock.lock();
    try {
      long last = made.first + made.count - 1;
      headZero = made.virgin && readsAsZero(mapping.entry(made.first), made.first);
      tailZero = made.virgin && readsAsZero(mapping.entry(last), last);
    } finally {
      lock.unlock();
    }
    if (headZero) {
      head = 0;
    }
    if (tailZero) {
      tail = 0;
    }
    if (head + tail == 0) {
      file.write(made.host + (offset - start), from, 0);
      return;
    }
    try (HostBuffer around = new HostBuffer(head + tail)) {
      IoVector before = IoVector.of(around.address(), head);
      IoVector behind = IoVector.of(around.address() + head, tail);
      if (head > 0) {
        readMapped(start, before);
      }
      if (tail > 0) {
        readMapped(offset + from.bytes(), behind);
      }
      file.write(
          made.host + (offset - start) - head,
          IoVector.concat(
              head > 0 ? before : IoVector.EMPTY, from, tail > 0 ? behind : IoVector.EMPTY),
          0);
    }
  }

  /** The data is there: the tables say so. Or it is not: the clusters are given back. */
  private void finish(Allocation made, boolean done) throws IOException {
    lock.lock();
    try {
      if (done) {
        for (long i = 0; i < made.count; i++) {
          long cluster = made.first + i;
          long old = mapping.entry(cluster);
          mapping.setEntry(cluster, made.host + (i << clusterBits) | Qcow2Mapping.COPIED);
          if (!made.owned) {
            freeOld(old, cluster, false);
          }
        }
      } else if (!made.owned) {
        // No table names them: free at once, or a full disk would fill up more with each try.
        refcounts.decrement(made.host >>> clusterBits, made.count);
      }
    } finally {
      virginFrom = Math.max(virginFrom, made.host + (made.count << clusterBits));
      underWay.removeIf(each -> each.first == made.first);
      allocationDone.signalAll();
      lock.unlock();
    }
  }

  /** What an entry named is not used by it any more. Lock held. */
  private void freeOld(long entry, long cluster, boolean discard) throws IOException {
    if ((entry & Qcow2Mapping.COMPRESSED) != 0) {
      Qcow2Mapping.Compressed place = mapping.compressed(entry);
      long first = place.offset() >>> clusterBits;
      long last = place.offset() + place.bytes() - 1 >>> clusterBits;
      frees.free(first, last - first + 1, discard);
    } else if ((entry & Qcow2Mapping.OFFSET_MASK) != 0) {
      frees.free(mapping.hostOffset(entry, cluster) >>> clusterBits, 1, discard);
    }
  }

  /** The first change since the image was opened. Lock held. */
  private void beginChange() throws IOException {
    if (changed) {
      return;
    }
    Qcow2Bitmaps.markInUse(image);
    if (lazy && !image.header().isDirty()) {
      image.writeHeader(
          image.header().withIncompatible(image.header().incompatible() | Qcow2Header.DIRTY));
      file.flush();
    }
    changed = true;
  }

  // ---- zeros and discards ----

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    boolean plain = image.header().version() == 2 && backing != null;
    if (plain) {
      super.doWriteZeroes(offset, length, mayUnmap);
      return;
    }
    long first = offset + clusterSize - 1 >>> clusterBits;
    long end =
        offset + length == length()
            ? offset + length + clusterSize - 1 >>> clusterBits
            : offset + length >>> clusterBits;
    if (first >= end) {
      writeZeroBytes(offset, length);
      return;
    }
    writeZeroBytes(offset, (first << clusterBits) - offset);
    boolean free = mayUnmap || image.header().version() == 2;
    changeClusters(first, end, (entry, cluster) -> zeroed(entry, cluster, free), free);
    writeZeroBytes(end << clusterBits, offset + length - (end << clusterBits));
  }

  private void writeZeroBytes(long offset, long length) throws IOException {
    for (long at = offset; at < offset + length; ) {
      BlockStatus status = doStatus(at, offset + length - at);
      if (!status.zero() && (status.allocated() || backing != null)) {
        super.doWriteZeroes(at, status.length(), false);
      }
      at += status.length();
    }
  }

  /** The entry that reads as zeros. */
  private long zeroed(long entry, long cluster, boolean free) throws IOException {
    if (image.header().version() == 2) {
      return 0;
    }
    if (readsAsZero(entry, cluster) && !(free && isKept(entry))) {
      return entry;
    }
    return !free && (isInPlace(entry) || isKept(entry))
        ? entry | Qcow2Mapping.ZERO
        : Qcow2Mapping.ZERO;
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    long first = offset + clusterSize - 1 >>> clusterBits;
    long end =
        offset + length == length()
            ? offset + length + clusterSize - 1 >>> clusterBits
            : offset + length >>> clusterBits;
    if (first < end) {
      changeClusters(first, end, this::discarded, true);
    }
  }

  /** The entry of a cluster whose contents do not matter; what lies below must not show. */
  private long discarded(long entry, long cluster) throws IOException {
    if (backing == null) {
      return (entry & ~Qcow2Mapping.COPIED) == 0 ? entry : 0;
    }
    return image.header().version() == 2 ? entry : Qcow2Mapping.ZERO;
  }

  private interface EntryChange {
    long apply(long entry, long cluster) throws IOException;
  }

  /** Changes entries table by table. */
  private void changeClusters(long first, long end, EntryChange change, boolean discard)
      throws IOException {
    for (long at = first; at < end; ) {
      long tableEnd = Math.min(end, (at | mapping.tableEntries() - 1L) + 1);
      lock.lock();
      try {
        beginChange();
        for (; at < tableEnd; at++) {
          awaitAllocations(at);
          long old = mapping.entry(at);
          long entry = change.apply(old, at);
          if (entry != old) {
            mapping.setEntry(at, entry);
            if ((entry & Qcow2Mapping.OFFSET_MASK) == 0) {
              freeOld(old, at, discard);
            }
          }
        }
      } finally {
        lock.unlock();
      }
    }
    flushIfManyFrees();
  }

  // ---- compressed clusters ----

  /**
   * Writes one cluster compressed, if that makes it smaller.
   *
   * @param offset a multiple of the cluster size
   * @param cluster its bytes, zeros behind the disk's end
   */
  public void writeCompressed(long offset, byte[] cluster) throws IOException {
    byte[] packed = codec.pack(cluster);
    if (packed == null) {
      try (HostBuffer plain = new HostBuffer(clusterSize)) {
        RawMemory.copyIn(cluster, 0, plain.address(), clusterSize);
        write(offset, plain.vector(Math.min(clusterSize, length() - offset)), 0);
      }
      return;
    }
    long index = offset >>> clusterBits;
    lock.lock();
    try {
      beginChange();
      awaitAllocations(index);
      long old = mapping.entry(index);
      long host = allocateBytes(packed.length);
      Bytes.write(file, host, packed, 0, packed.length);
      virginFrom = Math.max(virginFrom, host + packed.length + clusterSize - 1 & -clusterSize);
      mapping.setEntry(index, mapping.compressedEntry(host, packed.length));
      freeOld(old, index, false);
    } finally {
      lock.unlock();
    }
  }

  /** Room for a compressed cluster: behind the last one, if it fits there. Lock held. */
  private long allocateBytes(int bytes) throws IOException {
    long at = freeByte;
    if (at != 0 && (at & clusterSize - 1) + bytes <= clusterSize) {
      refcounts.increment(at >>> clusterBits, 1);
    } else {
      long fresh = refcounts.allocate(1) << clusterBits;
      boolean follows = at != 0 && fresh == (at | clusterSize - 1L) + 1;
      if (follows) {
        refcounts.increment(at >>> clusterBits, 1);
      } else {
        at = fresh;
      }
    }
    long end = at + bytes;
    freeByte = (end & clusterSize - 1) == 0 ? 0 : end;
    return at;
  }

  // ---- flushing ----

  /** What has to be on disk before a table is written. Lock held. */
  private void writeCounts() throws IOException {
    if (!lazy && refcounts.isDirty()) {
      refcounts.flush();
      file.flush();
    }
  }

  @Override
  protected void doFlush() throws IOException {
    flush(false);
  }

  /**
   * @param patient waits for requests under way, to give back what is free
   */
  private void flush(boolean patient) throws IOException {
    flushing.lock();
    try {
      int mark;
      lock.lock();
      try {
        mark = frees.mark();
        mapping.flush();
        if (!lazy) {
          refcounts.flush();
        }
      } finally {
        lock.unlock();
      }
      file.flush();
      lock.lock();
      try {
        frees.tablesWritten(mark);
      } finally {
        lock.unlock();
      }
      releaseFrees(patient);
    } finally {
      flushing.unlock();
    }
  }

  private void releaseFrees(boolean patient) throws IOException {
    long stamp = patient ? inUse.writeLock() : inUse.tryWriteLock();
    if (stamp == 0) {
      return; // the next flush tries again
    }
    lock.lock();
    try {
      long end = frees.release(refcounts, how.discard());
      virginFrom = Math.max(virginFrom, end);
    } finally {
      lock.unlock();
      inUse.unlockWrite(stamp);
    }
  }

  private void flushIfManyFrees() throws IOException {
    boolean many;
    lock.lock();
    try {
      many = frees.areMany();
    } finally {
      lock.unlock();
    }
    if (many) {
      flush(true);
    }
  }

  // ---- length ----

  @Override
  protected void doResize(long length) throws IOException {
    if ((length & 511) != 0) {
      throw new ErrnoException(Errno.EINVAL, "The new size must be a multiple of 512");
    }
    if (image.header().snapshots() > 0 && length < length()) {
      throw new ErrnoException(
          Errno.EOPNOTSUPP, "Can't shrink an image which has internal snapshots");
    }
    if (image.header().extension(Qcow2Header.EXTENSION_BITMAPS).isPresent()) {
      throw new ErrnoException(Errno.EOPNOTSUPP, "Cannot resize a qcow2 image which has bitmaps");
    }
    long old = length();
    if (length < old) {
      long first = length + clusterSize - 1 >>> clusterBits;
      long end = old + clusterSize - 1 >>> clusterBits;
      if (first < end) {
        changeClusters(first, end, (_, _) -> 0, true);
      }
    }
    flush(true);
    int entries = (int) Qcow2Header.l1Entries(length, clusterBits);
    lock.lock();
    try {
      Qcow2Header header = image.header();
      if (entries > header.l1Size()) {
        mapping.grow(entries, length);
      } else {
        image.writeHeader(header.withSize(length, header.l1Size(), header.l1Offset()));
      }
    } finally {
      lock.unlock();
    }
    if (length > old && backing != null && backing.length() > old) {
      writeZeroes(old, Math.min(length, backing.length()) - old, 0);
    }
    flush(true);
  }

  /** Names another backing file in the image; the node below is not changed. */
  public void changeBackingFile(String name, String format) throws IOException {
    flush(true);
    lock.lock();
    try {
      image.writeHeader(image.header().withBacking(name, format));
    } finally {
      lock.unlock();
    }
    file.flush();
  }

  /** Forgets everything the image holds itself, so that it shows what lies below. */
  public void makeEmpty() throws IOException {
    long end = length() + clusterSize - 1 >>> clusterBits;
    long perTable = mapping.tableEntries();
    for (int table = 0; table * perTable < end; table++) {
      if (mapping.hasTable(table)) {
        changeClusters(table * perTable, Math.min(end, (table + 1) * perTable), (_, _) -> 0, true);
      }
    }
    flush(true);
  }

  /** Gives every guest cluster of a new image its place; the file is as long as all of them. */
  public void preallocate() throws IOException {
    long clusters = length() + clusterSize - 1 >>> clusterBits;
    lock.lock();
    try {
      beginChange();
      for (long at = 0; at < clusters; ) {
        mapping.ownTable((int) (at / mapping.tableEntries()));
        Qcow2Refcounts.Run run =
            refcounts.allocateUpTo(Math.min(clusters, (at | mapping.tableEntries() - 1L) + 1) - at);
        for (long i = 0; i < run.count(); i++, at++) {
          mapping.setEntry(at, run.first() + i << clusterBits | Qcow2Mapping.COPIED);
        }
        virginFrom = Math.max(virginFrom, run.first() + run.count() << clusterBits);
      }
    } finally {
      lock.unlock();
    }
    flush(true);
    if (file.length() < virginFrom) {
      file.resize(virginFrom);
    }
  }

  /** Bytes of a cluster. */
  public int clusterSize() {
    return clusterSize;
  }

  @Override
  public void reopen(NodeOptions to) throws IOException {
    boolean becomesWritable = readOnly() && !to.readOnly();
    super.reopen(to);
    if (becomesWritable && file.isActive()) {
      activate();
    }
  }

  /** Writes everything back, as if the image were closed. */
  @Override
  public void inactivate() throws IOException {
    if (!readOnly()) {
      finishWriting();
    }
  }

  /** Another process may have written: nothing that was known counts any more. */
  @Override
  public void activate() throws IOException {
    lock.lock();
    try {
      load();
      begin();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() throws IOException {
    if (closed || readOnly() || !file.isActive()) {
      return;
    }
    closed = true;
    finishWriting();
  }

  private void finishWriting() throws IOException {
    flush(true);
    lock.lock();
    try {
      refcounts.flush();
    } finally {
      lock.unlock();
    }
    file.flush();
    if (changed && image.header().isDirty() && !how.repairing()) {
      image.writeHeader(
          image.header().withIncompatible(image.header().incompatible() & ~Qcow2Header.DIRTY));
      file.flush();
    }
    if ((file.length() & 511) != 0) {
      file.resize(file.length() + 511 & -512L);
    }
  }
}
