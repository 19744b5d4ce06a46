package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Looks whether the counts of a qcow2 image are what its tables make use of, and puts them right.
 * Nobody uses the image meanwhile.
 */
public final class Qcow2Check {
  /** What is put right. */
  public enum Repair {
    NONE,
    /** Clusters that are counted and not used. */
    LEAKS,
    /** Whatever can be. */
    ALL
  }

  /** What was found. */
  public static final class Result {
    public long corruptions;
    public long leaks;
    public long checkErrors;
    public long leaksFixed;
    public long corruptionsFixed;
    public long imageEnd;
    public long totalClusters;
    public long allocatedClusters;
    public long fragmentedClusters;
    public long compressedClusters;
  }

  private static final int CHUNK_BITS = 12;
  private static final long NO_CLUSTER = -2;

  private final Qcow2Image node;
  private final Qcow2File image;
  private final BlockNode file;
  private final Qcow2Refcounts refcounts;
  private final int clusterBits;
  private final Consumer<String> report;
  private final Result result = new Result();

  /** How often each cluster is used, in chunks. */
  private final Map<Long, int[]> uses = new HashMap<>();

  private long lastUsed = -1;
  private boolean countsUnreadable;

  /** Clusters that something makes use of and the file has not. */
  private long beyondEnd;

  public Qcow2Check(Qcow2Image node) {
    this(node, _ -> {});
  }

  /**
   * @param report takes a line on each thing that is wrong
   */
  public Qcow2Check(Qcow2Image node, Consumer<String> report) {
    this.node = node;
    this.image = node.image();
    this.file = image.file();
    this.refcounts = node.refcounts();
    this.clusterBits = image.header().clusterBits();
    this.report = report;
  }

  /** Checks, and puts right what may be. */
  public Result run(Repair repair) throws IOException {
    useAll();
    boolean cutOff = beyondEnd > 0;
    Map<Long, int[]> withoutCounts = repair == Repair.ALL ? copyOfUses() : Map.of();
    useCounts();
    compare(repair);
    if (repair == Repair.ALL
        && (countsUnreadable || result.corruptions > result.corruptionsFixed)) {
      if (cutOff) { // new tables would come to lie where lost clusters were
        error("the file was cut off: what is lost cannot be repaired");
      } else {
        rebuild(withoutCounts);
      }
    }
    if (!countsUnreadable) {
      checkCopied(repair);
    }
    if (repair != Repair.NONE) {
      refcounts.flush();
      node.mapping().flush();
      file.flush();
      clearMarks(repair);
    }
    result.imageEnd = lastUsed + 1 << clusterBits;
    return result;
  }

  private void useAll() throws IOException {
    Qcow2Header header = image.header();
    result.totalClusters = header.size() + header.clusterSize() - 1 >>> clusterBits;
    use(0, header.clusterSize(), "header");
    useTable(header.l1Offset(), header.l1Size(), true);
    for (Qcow2Snapshot snapshot : snapshots()) {
      useTable(snapshot.l1Offset(), snapshot.l1Size(), false);
    }
    useSnapshotTable();
    useBitmaps();
  }

  /** Only looks how many clusters are used that lie behind the end of the file. */
  long clustersBeyondEnd() throws IOException {
    useAll();
    return beyondEnd;
  }

  private List<Qcow2Snapshot> snapshots() {
    try {
      return Qcow2Snapshot.list(image);
    } catch (IOException e) {
      error("snapshot table: " + e.getMessage());
      result.checkErrors++;
      return List.of();
    }
  }

  private void error(String line) {
    report.accept("ERROR " + line);
  }

  // ---- what is used ----

  /** Counts a use of each cluster of a range; false where it lies outside the file. */
  private boolean use(long offset, long bytes, String what) throws IOException {
    if (bytes <= 0) {
      return true;
    }
    long fileEnd = file.length() + (1L << clusterBits) - 1 & -(1L << clusterBits);
    if (offset < 0 || offset > fileEnd - bytes + (1L << clusterBits) - 1) {
      error(
          "%s at offset %#x reaches beyond the end of the file by one cluster or more"
              .formatted(what, offset));
      result.corruptions++;
      beyondEnd++;
      return false;
    }
    long last = offset + bytes - 1 >>> clusterBits;
    for (long cluster = offset >>> clusterBits; cluster <= last; cluster++) {
      uses.computeIfAbsent(cluster >>> CHUNK_BITS, _ -> new int[1 << CHUNK_BITS])[
          (int) cluster & (1 << CHUNK_BITS) - 1]++;
      lastUsed = Math.max(lastUsed, cluster);
    }
    return true;
  }

  private long usesOf(long cluster) {
    int[] chunk = uses.get(cluster >>> CHUNK_BITS);
    return chunk == null ? 0 : chunk[(int) cluster & (1 << CHUNK_BITS) - 1];
  }

  private Map<Long, int[]> copyOfUses() {
    Map<Long, int[]> copy = new HashMap<>();
    uses.forEach((chunk, counts) -> copy.put(chunk, counts.clone()));
    return copy;
  }

  private boolean isAligned(long offset) {
    return (offset & (1L << clusterBits) - 1) == 0;
  }

  /** An L1 table and all that it names. */
  private void useTable(long l1Offset, int entries, boolean active) throws IOException {
    if (entries == 0 || !use(l1Offset, entries * 8L, "L1 table")) {
      return;
    }
    long[] l1 =
        active ? node.mapping().l1() : Bytes.toLongs(Bytes.read(file, l1Offset, entries * 8));
    long next = NO_CLUSTER;
    for (int i = 0; i < l1.length; i++) {
      long offset = l1[i] & Qcow2Mapping.OFFSET_MASK;
      if (offset == 0) {
        continue;
      }
      if (!isAligned(offset)) {
        error("L2 table at offset %#x is not aligned (L1 entry %d)".formatted(offset, i));
        result.corruptions++;
      } else if (use(offset, 1L << clusterBits, "L2 table")) {
        next = useL2(offset, next, active);
      }
    }
  }

  private long useL2(long offset, long expected, boolean active) throws IOException {
    if (offset > file.length() - (1L << clusterBits)) {
      error("L2 table at offset %#x is not there as a whole".formatted(offset));
      result.corruptions++;
      beyondEnd++;
    }
    byte[] table = Bytes.read(file, offset, 1 << clusterBits);
    long next = expected;
    for (int i = 0; i < table.length; i += 8) {
      long entry = Bytes.getLong(table, i);
      if ((entry & Qcow2Mapping.COMPRESSED) != 0) {
        Qcow2Mapping.Compressed place = node.mapping().compressed(entry);
        if ((entry & Qcow2Mapping.COPIED) != 0) {
          error("a compressed cluster at %#x has the bit \"used once\"".formatted(place.offset()));
          result.corruptions++;
        }
        use(place.offset() & -512L, place.bytes() + (place.offset() & 511), "compressed cluster");
        if (active) {
          result.allocatedClusters++;
          result.compressedClusters++;
          // As in QEMU: a compressed cluster lies nowhere in particular.
          result.fragmentedClusters++;
        }
      } else if ((entry & Qcow2Mapping.OFFSET_MASK) != 0) {
        long host = entry & Qcow2Mapping.OFFSET_MASK;
        if (!isAligned(host)) {
          error("data cluster at offset %#x is not aligned".formatted(host));
          result.corruptions++;
          continue;
        }
        if (active) {
          result.allocatedClusters++;
          if (next != NO_CLUSTER && host != next) {
            result.fragmentedClusters++;
          }
          next = host + (1L << clusterBits);
        }
        use(host, 1L << clusterBits, "data cluster");
      }
    }
    return next;
  }

  private void useSnapshotTable() throws IOException {
    Qcow2Header header = image.header();
    long bytes = 0;
    for (int i = 0; i < header.snapshots(); i++) {
      byte[] fixed = Bytes.read(file, header.snapshotsOffset() + bytes, 40);
      int names =
          ((fixed[12] & 0xff) << 8 | fixed[13] & 0xff)
              + ((fixed[14] & 0xff) << 8 | fixed[15] & 0xff);
      int extra = (int) (Bytes.getLong(fixed, 32) & 0xffff);
      bytes += 40 + extra + names + 7 & -8;
    }
    use(header.snapshotsOffset(), bytes, "snapshot table");
  }

  private void useBitmaps() throws IOException {
    Qcow2Bitmaps.Directory directory;
    List<Qcow2Bitmaps.Bitmap> bitmaps;
    try {
      directory = Qcow2Bitmaps.directory(image.header());
      bitmaps = Qcow2Bitmaps.list(image);
    } catch (IOException e) {
      error("bitmaps: " + e.getMessage());
      result.checkErrors++;
      return;
    }
    if (directory == null || !use(directory.offset(), directory.bytes(), "bitmap directory")) {
      return;
    }
    for (Qcow2Bitmaps.Bitmap bitmap : bitmaps) {
      if (bitmap.tableSize() >= 0
          && bitmap.tableSize() <= 1 << 24
          && use(bitmap.tableOffset(), bitmap.tableSize() * 8L, "bitmap table")) {
        byte[] table = Bytes.read(file, bitmap.tableOffset(), bitmap.tableSize() * 8);
        for (long entry : Bytes.toLongs(table)) {
          if ((entry & Qcow2Mapping.OFFSET_MASK) != 0) {
            use(entry & Qcow2Mapping.OFFSET_MASK, 1L << clusterBits, "bitmap data");
          }
        }
      }
    }
  }

  private void useCounts() throws IOException {
    Qcow2Header header = image.header();
    use(
        header.refcountTableOffset(),
        (long) header.refcountTableClusters() << clusterBits,
        "refcount table");
    long[] table = refcounts.table();
    for (int i = 0; i < table.length; i++) {
      long offset = table[i] & -512L;
      if (offset == 0) {
        continue;
      }
      if (!isAligned(offset)) {
        error(
            "refcount block %d is not cluster aligned; refcount table entry corrupted"
                .formatted(i));
        result.corruptions++;
        countsUnreadable = true;
      } else if (!use(offset, 1L << clusterBits, "refcount block")) {
        countsUnreadable = true;
      } else if (!refcounts.isThere(offset)) {
        error("refcount block %d is not there as a whole".formatted(i));
        result.corruptions++;
        countsUnreadable = true;
      } else if (usesOf(offset >>> clusterBits) != 1) {
        error("refcount block %d refcount=%d".formatted(i, usesOf(offset >>> clusterBits)));
        result.corruptions++;
        countsUnreadable = true;
      }
    }
  }

  // ---- comparing ----

  private void compare(Repair repair) throws IOException {
    if (countsUnreadable) {
      return;
    }
    long perBlock = 1L << refcounts.blockBits();
    long end = file.length() + (1L << clusterBits) - 1 >>> clusterBits;
    for (int block = 0; block < refcounts.table().length; block++) {
      if (refcounts.table()[block] != 0) {
        for (long c = block * perBlock; c < Math.min(end, (block + 1) * perBlock); c++) {
          compare(c, repair);
        }
      }
    }
    for (Map.Entry<Long, int[]> chunk : new ArrayList<>(uses.entrySet())) {
      for (int i = 0; i < chunk.getValue().length; i++) {
        long cluster = (chunk.getKey() << CHUNK_BITS) + i;
        if (chunk.getValue()[i] > 0 && !refcounts.hasBlock(cluster)) {
          compare(cluster, repair);
        }
      }
    }
  }

  private void compare(long cluster, Repair repair) throws IOException {
    long counted = refcounts.get(cluster);
    long used = usesOf(cluster);
    if (counted == used) {
      return;
    }
    boolean leak = counted > used;
    boolean fix = repair == Repair.ALL || (leak && repair == Repair.LEAKS);
    boolean can = fix && refcounts.hasBlock(cluster) && used <= refcounts.bits().most();
    report.accept(
        "%s cluster %d refcount=%d reference=%d"
            .formatted(can ? "Repairing" : leak ? "Leaked" : "ERROR", cluster, counted, used));
    if (can) {
      refcounts.set(cluster, used);
      if (leak) {
        result.leaksFixed++;
      } else {
        result.corruptionsFixed++;
      }
    }
    if (leak) {
      result.leaks++;
    } else {
      result.corruptions++;
    }
  }

  /** The bit "used once" of the active tables says what the counts say. */
  private void checkCopied(Repair repair) throws IOException {
    Qcow2Mapping mapping = node.mapping();
    long[] l1 = mapping.l1();
    for (int i = 0; i < l1.length; i++) {
      long offset = l1[i] & Qcow2Mapping.OFFSET_MASK;
      if (offset == 0 || !isAligned(offset)) {
        continue;
      }
      if (isWrong(l1[i], offset, "L2 table")) {
        result.corruptions++;
        if (repair == Repair.ALL) {
          mapping.setCopied(i, refcounts.get(offset >>> clusterBits) == 1);
          result.corruptionsFixed++;
        }
      }
      byte[] table = Bytes.read(file, offset, 1 << clusterBits);
      for (int j = 0; j < table.length / 8; j++) {
        long entry = Bytes.getLong(table, j * 8);
        long host = entry & Qcow2Mapping.OFFSET_MASK;
        if ((entry & Qcow2Mapping.COMPRESSED) == 0
            && host != 0
            && isAligned(host)
            && isWrong(entry, host, "data cluster")) {
          result.corruptions++;
          if (repair == Repair.ALL) {
            boolean once = refcounts.get(host >>> clusterBits) == 1;
            byte[] right = new byte[8];
            Bytes.putLong(
                right, 0, once ? entry | Qcow2Mapping.COPIED : entry & ~Qcow2Mapping.COPIED);
            Bytes.write(file, offset + j * 8L, right, 0, 8);
            result.corruptionsFixed++;
          }
        }
      }
    }
  }

  private boolean isWrong(long entry, long offset, String what) throws IOException {
    long count = refcounts.get(offset >>> clusterBits);
    boolean once = count == 1;
    boolean says = (entry & Qcow2Mapping.COPIED) != 0;
    if (once != says) {
      error("OFLAG_COPIED %s: entry=%x refcount=%d".formatted(what, entry, count));
    }
    return once != says;
  }

  // ---- repairing ----

  /** Counts anew, in new blocks and a new table behind everything that is used. */
  private void rebuild(Map<Long, int[]> used) throws IOException {
    report.accept("Rebuilding refcount structure");
    uses.clear();
    uses.putAll(used);
    long end = 0;
    for (Map.Entry<Long, int[]> chunk : used.entrySet()) {
      for (int i = 0; i < chunk.getValue().length; i++) {
        if (chunk.getValue()[i] > 0) {
          end = Math.max(end, (chunk.getKey() << CHUNK_BITS) + i + 1);
        }
      }
    }
    long newTable = Qcow2Rebuild.write(image, end, this::usesOf, refcounts);
    lastUsed = newTable - 1;
    countsUnreadable = false;
    result.corruptionsFixed = result.corruptions;
    result.leaksFixed = result.leaks;
  }

  private void clearMarks(Repair repair) throws IOException {
    Qcow2Header header = image.header();
    long bits = header.incompatible();
    if (result.corruptions == result.corruptionsFixed && result.checkErrors == 0) {
      bits &= ~(Qcow2Header.DIRTY | (repair == Repair.ALL ? Qcow2Header.CORRUPT : 0));
    }
    if (bits != header.incompatible()) {
      image.writeHeader(header.withIncompatible(bits));
      file.flush();
    }
  }
}
