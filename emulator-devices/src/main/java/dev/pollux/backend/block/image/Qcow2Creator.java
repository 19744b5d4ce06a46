package dev.pollux.backend.block.image;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes new qcow2 images.
 *
 * @param version 2 or 3
 * @param size bytes of the guest's disk; rounded up to whole sectors
 * @param clusterBits 9 to 21
 * @param refcountOrder log2 of the bits of a reference count
 * @param zstd compressed clusters are packed with zstd instead of zlib
 * @param backingFile empty for none
 * @param backingFormat empty if it is to be guessed
 */
public record Qcow2Creator(
    int version,
    long size,
    int clusterBits,
    int refcountOrder,
    boolean lazyRefcounts,
    boolean zstd,
    String backingFile,
    String backingFormat) {

  /** Names of the feature bits, for programs that do not know them: type, bit, name. */
  private static final List<Feature> FEATURES =
      List.of(
          new Feature(0, 0, "dirty bit"),
          new Feature(0, 1, "corrupt bit"),
          new Feature(0, 2, "external data file"),
          new Feature(0, 3, "compression type"),
          new Feature(0, 4, "extended L2 entries"),
          new Feature(1, 0, "lazy refcounts"),
          new Feature(2, 0, "bitmaps"),
          new Feature(2, 1, "raw external data"));

  private record Feature(int type, int bit, String name) {}

  /** What {@code qemu-img create} does without options. */
  public static Qcow2Creator of(long size) {
    return new Qcow2Creator(3, size, 16, 4, false, false, "", "");
  }

  /** The same on top of another image. */
  public Qcow2Creator withBacking(String file, String format) {
    return new Qcow2Creator(
        version, size, clusterBits, refcountOrder, lazyRefcounts, zstd, file, format);
  }

  /** Writes an image without data; the file is empty. */
  public void create(BlockNode file) throws IOException {
    long bytes = size + 511 & -512L;
    if (size < 0 || size > BlockNode.MOST_BYTES) {
      throw new ErrnoException(Errno.EFBIG, "The image size is too large");
    }
    long entries = Qcow2Header.l1Entries(bytes, clusterBits);
    if (entries * 8 > 0x200_0000) {
      throw new ErrnoException(
          Errno.EFBIG, "The image size is too large (try using a larger cluster size)");
    }
    int clusterSize = 1 << clusterBits;
    int l1Clusters = (int) ((entries * 8 + clusterSize - 1) >>> clusterBits);
    // header, table of counts, first block of counts, L1 table
    int used = 3 + l1Clusters;
    RefcountBits bits = new RefcountBits(refcountOrder);
    int perBlock = clusterSize * 8 >> refcountOrder;
    int blocks = 1;
    while (blocks * (long) perBlock < used + blocks - 1) {
      blocks++;
    }
    used += blocks - 1;
    byte[] counts = new byte[blocks << clusterBits];
    for (int i = 0; i < used; i++) {
      bits.set(counts, i, 1);
    }
    Bytes.write(file, 2L << clusterBits, counts, 0, counts.length);
    byte[] table = new byte[clusterSize];
    for (int i = 0; i < blocks; i++) {
      Bytes.putLong(table, i * 8, 2L + i << clusterBits);
    }
    Bytes.write(file, clusterSize, table, 0, table.length);
    byte[] l1 = new byte[l1Clusters << clusterBits];
    Bytes.write(file, (long) (2 + blocks) << clusterBits, l1, 0, l1.length);
    byte[] header = header(bytes, (int) entries, (long) (2 + blocks) << clusterBits).encode();
    Bytes.write(file, 0, header, 0, header.length);
    file.flush();
  }

  /** Bytes of everything but data in an image whose clusters are all used. */
  public long metadataBytes() {
    long clusterSize = 1L << clusterBits;
    long data = size + clusterSize - 1 >>> clusterBits;
    long l1 = Qcow2Header.l1Entries(size, clusterBits);
    long l2 = (data * 8 + clusterSize - 1) / clusterSize;
    long others = 1 + (l1 * 8 + clusterSize - 1) / clusterSize + l2;
    long perBlock = clusterSize * 8 >> refcountOrder;
    long blocks = 0;
    long table = 0;
    while (true) { // the counts are counted, too
      long total = data + others + blocks + table;
      long neededBlocks = (total + perBlock - 1) / perBlock;
      long neededTable = (neededBlocks * 8 + clusterSize - 1) / clusterSize;
      if (neededBlocks == blocks && neededTable == table) {
        return others + blocks + table << clusterBits;
      }
      blocks = neededBlocks;
      table = neededTable;
    }
  }

  private Qcow2Header header(long bytes, int l1Entries, long l1Offset) {
    List<Qcow2Header.Extension> extensions = new ArrayList<>();
    if (!backingFormat.isEmpty()) {
      extensions.add(
          new Qcow2Header.Extension(
              Qcow2Header.EXTENSION_BACKING_FORMAT,
              backingFormat.getBytes(StandardCharsets.UTF_8)));
    }
    if (version == 3) {
      extensions.add(
          new Qcow2Header.Extension(Qcow2Header.EXTENSION_FEATURE_NAMES, featureNames()));
    }
    return new Qcow2Header(
        version,
        backingFile,
        clusterBits,
        bytes,
        l1Entries,
        l1Offset,
        1L << clusterBits,
        1,
        0,
        0,
        zstd ? Qcow2Header.COMPRESSION_TYPE : 0,
        lazyRefcounts ? Qcow2Header.LAZY_REFCOUNTS : 0,
        0,
        refcountOrder,
        zstd ? Qcow2Header.ZSTD : Qcow2Header.ZLIB,
        version == 3 ? new byte[] {(byte) (zstd ? 1 : 0), 0, 0, 0, 0, 0, 0, 0} : new byte[0],
        List.copyOf(extensions));
  }

  private static byte[] featureNames() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (Feature feature : FEATURES) {
      out.write(feature.type);
      out.write(feature.bit);
      byte[] name = new byte[46];
      byte[] text = feature.name.getBytes(StandardCharsets.US_ASCII);
      System.arraycopy(text, 0, name, 0, text.length);
      out.writeBytes(name);
    }
    return out.toByteArray();
  }
}
