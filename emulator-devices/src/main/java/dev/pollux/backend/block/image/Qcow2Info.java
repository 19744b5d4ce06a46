package dev.pollux.backend.block.image;

import java.io.IOException;
import java.util.List;

/**
 * Facts about a qcow2 image.
 *
 * @param compat {@code 0.10} for version 2, {@code 1.1} for version 3
 * @param backingFile as the image names it; empty for none
 */
public record Qcow2Info(
    String compat,
    int clusterSize,
    boolean lazyRefcounts,
    int refcountBits,
    boolean corrupt,
    boolean dirty,
    String compression,
    String backingFile,
    String backingFormat,
    List<Qcow2Snapshot> snapshots,
    List<Qcow2Bitmaps.Bitmap> bitmaps) {

  static Qcow2Info of(Qcow2File image) throws IOException {
    Qcow2Header header = image.header();
    return new Qcow2Info(
        header.version() == 2 ? "0.10" : "1.1",
        header.clusterSize(),
        header.lazyRefcounts(),
        header.refcountBits(),
        header.isCorrupt(),
        header.isDirty(),
        header.compression() == Qcow2Header.ZSTD ? "zstd" : "zlib",
        header.backingFile(),
        header.backingFormat(),
        Qcow2Snapshot.list(image),
        Qcow2Bitmaps.list(image));
  }

  public boolean isVersion3() {
    return compat.equals("1.1");
  }
}
