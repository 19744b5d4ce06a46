package dev.pollux.qmp.command;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.FileNames;
import dev.pollux.backend.block.image.Qcow2Bitmaps;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Info;
import dev.pollux.backend.block.image.Qcow2Snapshot;
import dev.pollux.core.config.Api;
import dev.pollux.qmp.protocol.QmpException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What QMP and {@code pollux img info} tell about images. */
public final class ImageFacts {
  private ImageFacts() {}

  /** An internal snapshot. */
  public record SnapshotInfo(
      String id,
      String name,
      @Api.Doc("bytes of the machine's state") long vmStateSize,
      @Api.Doc("when it was taken, Unix time") long dateSec,
      long dateNsec,
      @Api.Doc("guest time") long vmClockSec,
      long vmClockNsec,
      @Api.Doc("instructions executed") Optional<Long> icount) {
    static SnapshotInfo of(Qcow2Snapshot s) {
      return new SnapshotInfo(
          s.id(),
          s.name(),
          s.vmStateBytes(),
          s.seconds(),
          s.nanos(),
          s.vmClockNanos() / 1_000_000_000,
          s.vmClockNanos() % 1_000_000_000,
          s.icount() < 0 ? Optional.empty() : Optional.of(s.icount()));
    }
  }

  /** What a bitmap in an image is. */
  public enum Qcow2BitmapInfoFlags {
    IN_USE,
    AUTO
  }

  /** A bitmap in an image. */
  public record Qcow2BitmapInfo(String name, long granularity, List<Qcow2BitmapInfoFlags> flags) {
    static Qcow2BitmapInfo of(Qcow2Bitmaps.Bitmap bitmap) {
      List<Qcow2BitmapInfoFlags> flags = new ArrayList<>();
      if (bitmap.inUse()) {
        flags.add(Qcow2BitmapInfoFlags.IN_USE);
      }
      if (bitmap.auto()) {
        flags.add(Qcow2BitmapInfoFlags.AUTO);
      }
      return new Qcow2BitmapInfo(bitmap.name(), bitmap.granularity(), flags);
    }
  }

  /** How clusters are packed. */
  public enum Qcow2CompressionType {
    ZLIB,
    ZSTD
  }

  /** What only qcow2 images have. */
  public record ImageInfoSpecificQcow2(
      @Api.Doc("0.10 or 1.1") String compat,
      Optional<Boolean> extendedL2,
      Optional<Boolean> lazyRefcounts,
      Optional<Boolean> corrupt,
      long refcountBits,
      Optional<List<Qcow2BitmapInfo>> bitmaps,
      Qcow2CompressionType compressionType) {
    static ImageInfoSpecificQcow2 of(Qcow2Info info) {
      boolean v3 = info.isVersion3();
      return new ImageInfoSpecificQcow2(
          info.compat(),
          v3 ? Optional.of(false) : Optional.empty(),
          v3 ? Optional.of(info.lazyRefcounts()) : Optional.empty(),
          v3 ? Optional.of(info.corrupt()) : Optional.empty(),
          info.refcountBits(),
          info.bitmaps().isEmpty()
              ? Optional.empty()
              : Optional.of(info.bitmaps().stream().map(Qcow2BitmapInfo::of).toList()),
          Qcow2CompressionType.valueOf(info.compression().toUpperCase(java.util.Locale.ROOT)));
    }
  }

  /** Formats that have more to tell. */
  public enum ImageInfoSpecificKind {
    QCOW2
  }

  /** What only one format has. */
  @Api.Union(values = ImageInfoSpecificKind.class)
  public sealed interface ImageInfoSpecific {
    record Qcow2(ImageInfoSpecificQcow2 data) implements ImageInfoSpecific {}
  }

  /** An image, without those below it. */
  public record ImageInfo(
      String filename,
      @Api.Doc("the driver") String format,
      @Api.Doc("was not closed") Optional<Boolean> dirtyFlag,
      @Api.Doc("bytes on the host's disk") Optional<Long> actualSize,
      @Api.Doc("bytes the guest sees") long virtualSize,
      Optional<Long> clusterSize,
      @Api.Doc("as the image names it") Optional<String> backingFilename,
      @Api.Doc("where that is") Optional<String> fullBackingFilename,
      Optional<String> backingFilenameFormat,
      Optional<List<SnapshotInfo>> snapshots,
      @Api.Doc("the image below, in short") Optional<BackingImageInfo> backingImage,
      Optional<ImageInfoSpecific> formatSpecific) {}

  /** An image below another one. */
  public record BackingImageInfo(
      String filename,
      @Api.Doc("the driver") String format,
      @Api.Doc("was not closed") Optional<Boolean> dirtyFlag,
      Optional<Long> actualSize,
      long virtualSize,
      Optional<Long> clusterSize,
      Optional<String> backingFilename,
      Optional<ImageInfoSpecific> formatSpecific) {}

  static Optional<String> backingFile(BlockNode node) {
    return Optional.ofNullable(node.backing()).map(BlockNode::fileName);
  }

  private static Optional<Qcow2Info> info(BlockNode node) throws QmpException {
    try {
      return node instanceof Qcow2Image image ? Optional.of(image.info()) : Optional.empty();
    } catch (IOException e) {
      throw new QmpException(e.getMessage());
    }
  }

  /**
   * Facts about a node's image.
   *
   * @param withBacking whether the image below is told about
   */
  public static ImageInfo of(BlockNode node, boolean withBacking) throws QmpException {
    Optional<Qcow2Info> info = info(node);
    Optional<String> backing = info.map(Qcow2Info::backingFile).filter(name -> !name.isEmpty());
    Optional<BlockNode> below = Optional.ofNullable(node.backing());
    return new ImageInfo(
        node.fileName(),
        node.driver(),
        info.map(Qcow2Info::dirty).or(() -> Optional.of(false)),
        node.allocatedBytes() < 0 ? Optional.empty() : Optional.of(node.allocatedBytes()),
        node.length(),
        info.map(i -> (long) i.clusterSize()),
        backing.or(() -> below.map(BlockNode::fileName)),
        below
            .map(BlockNode::fileName)
            .or(() -> backing.map(name -> FileNames.resolve(node.fileName(), name))),
        info.map(Qcow2Info::backingFormat).filter(format -> !format.isEmpty()),
        info.map(Qcow2Info::snapshots)
            .filter(list -> !list.isEmpty())
            .map(list -> list.stream().map(SnapshotInfo::of).toList()),
        withBacking && below.isPresent() ? Optional.of(brief(below.get())) : Optional.empty(),
        info.map(i -> new ImageInfoSpecific.Qcow2(ImageInfoSpecificQcow2.of(i))));
  }

  private static BackingImageInfo brief(BlockNode node) throws QmpException {
    Optional<Qcow2Info> info = info(node);
    return new BackingImageInfo(
        node.fileName(),
        node.driver(),
        info.map(Qcow2Info::dirty).or(() -> Optional.of(false)),
        node.allocatedBytes() < 0 ? Optional.empty() : Optional.of(node.allocatedBytes()),
        node.length(),
        info.map(i -> (long) i.clusterSize()),
        backingFile(node),
        info.map(i -> new ImageInfoSpecific.Qcow2(ImageInfoSpecificQcow2.of(i))));
  }
}
