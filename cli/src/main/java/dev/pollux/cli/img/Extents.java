package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.image.Qcow2Image;
import java.io.IOException;

/** What a guest sees of an image with all that lies below it. */
final class Extents {
  /**
   * A piece of the disk that is alike.
   *
   * @param depth how far below the top image it is found
   * @param node the image it is found in; null where it is found in none
   * @param present some image says what is read
   * @param offset where it lies in the file, or -1
   */
  record Extent(
      long start,
      long length,
      int depth,
      BlockNode node,
      boolean present,
      boolean zero,
      boolean data,
      boolean compressed,
      long offset) {
    boolean follows(Extent before) {
      return depth == before.depth
          && present == before.present
          && zero == before.zero
          && data == before.data
          && compressed == before.compressed
          && (offset < 0 ? before.offset < 0 : offset == before.offset + before.length);
    }

    Extent and(Extent next) {
      return new Extent(
          start, length + next.length, depth, node, present, zero, data, compressed, offset);
    }
  }

  private Extents() {}

  /** The piece that begins at an offset. */
  static Extent at(BlockNode top, long start, long length) throws IOException {
    BlockNode node = top;
    long left = length;
    int depth = 0;
    while (true) {
      if (start >= node.length()) {
        return new Extent(start, left, depth - 1, null, false, true, false, false, -1);
      }
      left = Math.min(left, node.length() - start);
      BlockStatus status = node.status(start, left);
      left = status.length();
      if (status.allocated()) {
        return refine(node, status, start, left, depth);
      }
      BlockNode below = node.backing();
      if (below == null) {
        return new Extent(start, left, depth, null, false, true, false, false, -1);
      }
      node = below;
      depth++;
    }
  }

  /**
   * The rest of a file's last cluster is zeros; clusters behind it are lost, as reads will tell.
   */
  private static Extent behindEnd(
      BlockNode node, BlockNode file, BlockStatus status, long start, long length, int depth) {
    long offset = status.offset();
    long cluster = node instanceof Qcow2Image image ? image.clusterSize() : 1;
    boolean rest = (offset & -cluster) < file.length();
    long bytes = rest ? Math.min(length, cluster - (offset & cluster - 1)) : length;
    return new Extent(start, bytes, depth, node, true, rest, true, false, offset);
  }

  /** Data of an image may be a hole in its file: then it is zeros. */
  private static Extent refine(
      BlockNode node, BlockStatus status, long start, long length, int depth) throws IOException {
    BlockNode file = node.child("file");
    if (status.data()
        && !status.zero()
        && status.offset() >= 0
        && file != null
        && !node.driver().equals("raw")) {
      if (status.offset() >= file.length()) {
        return behindEnd(node, file, status, start, length, depth);
      }
      BlockStatus below =
          file.status(status.offset(), Math.min(length, file.length() - status.offset()));
      return new Extent(
          start, below.length(), depth, node, true, below.zero(), true, false, status.offset());
    }
    return new Extent(
        start,
        length,
        depth,
        node,
        true,
        status.zero(),
        status.data(),
        status.compressed(),
        status.offset());
  }
}
