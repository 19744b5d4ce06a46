package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import java.io.IOException;

/**
 * Whether one of some images that stand on each other holds a range itself.
 *
 * @param held by at least one of them
 * @param length bytes that are alike
 */
record Allocation(boolean held, long length) {
  /**
   * What a range begins with.
   *
   * @param top the first image that counts
   * @param base the first that does not count any more; null where all of them do
   */
  static Allocation above(BlockNode top, BlockNode base, long offset, long length)
      throws IOException {
    long left = length;
    for (BlockNode node = top; node != null && !node.equals(base); node = node.backing()) {
      if (offset >= node.length()) {
        break;
      }
      left = Math.min(left, node.length() - offset);
      BlockStatus status = node.status(offset, left);
      left = status.length();
      if (status.allocated()) {
        return new Allocation(true, left);
      }
    }
    return new Allocation(false, left);
  }

  /** Marks everything that the images hold. */
  static void mark(DirtyMap map, BlockNode top, BlockNode base, Runnable pause) throws IOException {
    long end = top.length();
    for (long at = 0; at < end; ) {
      pause.run();
      Allocation next = above(top, base, at, end - at);
      if (next.held) {
        map.add(at, next.length);
      }
      at += next.length;
    }
  }
}
