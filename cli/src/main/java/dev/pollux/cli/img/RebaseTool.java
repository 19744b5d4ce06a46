package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.graph.BlockDrivers;
import dev.pollux.backend.block.graph.FileNames;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** {@code pollux img rebase}: puts an image onto another backing file. */
final class RebaseTool {
  private static final int CHUNK = 1 << 20;

  private RebaseTool() {}

  static int run(List<String> words) throws IOException {
    ImgArguments arguments =
        new ImgArguments(
            "rebase",
            words,
            "hf:F:b:upt:T:qUc",
            "object=",
            "image-opts",
            "force-share:U",
            "quiet:q");
    String file = arguments.words(1, 1, "one image file name").getFirst();
    boolean unsafe = arguments.has("u");
    if (!arguments.has("b")) {
      throw arguments.error("Use -b \"\" to rebase onto nothing, or name the new backing file");
    }
    String name = arguments.value("b", "");
    String format = name.isEmpty() ? "" : backingFormat(arguments, name);
    try (Images images = new Images(arguments)) {
      BlockNode node =
          images.open(
              file, new Images.How(arguments.value("f", ""), true, CacheMode.WRITEBACK, !unsafe));
      if (!(node instanceof Qcow2Image image)) {
        throw new ConfigException(
            "Could not change the backing file to '%s': Operation not supported".formatted(name));
      }
      if (!unsafe) {
        BlockNode below =
            name.isEmpty()
                ? null
                : images.open(
                    FileNames.resolve(file, name), Images.How.READ.withFormat(Optional.of(format)));
        Progress progress = new Progress(arguments.has("p") && !arguments.has("q"));
        keepDifferences(image, below, progress);
        progress.end();
      }
      image.changeBackingFile(name, format);
      images.finish(image);
    }
    return 0;
  }

  /** An image that named no format, or an unknown one, could not be opened safely, or at all. */
  private static String backingFormat(ImgArguments arguments, String name) {
    String format = arguments.value("F", "");
    if (format.isEmpty()) {
      throw new ConfigException(
          "Could not change the backing file to '%s': backing format must be specified (-F FMT)"
              .formatted(name));
    }
    if (!BlockDrivers.names().contains(format)) {
      throw new ConfigException("Invalid format name: '%s'".formatted(format));
    }
    return format;
  }

  /** Copies into the image what it shows now and would not show on top of the new one. */
  private static void keepDifferences(Qcow2Image image, BlockNode below, Progress progress)
      throws IOException {
    BlockNode old = image.backing();
    try (HostBuffer before = new HostBuffer(CHUNK);
        HostBuffer after = new HostBuffer(CHUNK)) {
      for (long at = 0; at < image.length(); ) {
        Extents.Extent extent = Extents.at(image, at, image.length() - at);
        long length = extent.length();
        if (extent.depth() > 0 || !extent.present()) {
          length = Math.min(length, CHUNK);
          read(old, at, before.vector(length));
          read(below, at, after.vector(length));
          writeDifferent(image, at, before, after, length);
        }
        at += length;
        progress.show(at * 100.0 / image.length());
      }
    }
  }

  private static void writeDifferent(
      Qcow2Image image, long at, HostBuffer before, HostBuffer after, long length)
      throws IOException {
    int step = image.clusterSize();
    for (long done = 0; done < length; ) {
      long n = Math.min(length - done, step - (at + done) % step);
      if (!RawMemory.equal(before.address() + done, after.address() + done, n)) {
        image.write(at + done, IoVector.of(before.address() + done, n), 0);
      }
      done += n;
    }
  }

  private static void read(BlockNode node, long offset, IoVector to) throws IOException {
    long there = node == null ? 0 : Math.clamp(node.length() - offset, 0, to.bytes());
    if (there > 0) {
      node.read(offset, to.slice(0, there));
    }
    if (there < to.bytes()) {
      to.slice(there, to.bytes() - there).clear();
    }
  }
}
