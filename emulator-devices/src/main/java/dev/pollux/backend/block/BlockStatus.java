package dev.pollux.backend.block;

/**
 * What lies in a range of a node.
 *
 * @param length bytes from the start of the range that are alike; at least 1
 * @param allocated this node says what is read; otherwise what lies below it does
 * @param zero reads as zeros
 * @param data bytes are stored
 * @param compressed they are stored compressed
 * @param offset where they are stored in the file below, or -1
 */
public record BlockStatus(
    long length, boolean allocated, boolean zero, boolean data, boolean compressed, long offset) {

  public static BlockStatus data(long length, long offset) {
    return new BlockStatus(length, true, false, true, false, offset);
  }

  public static BlockStatus zero(long length) {
    return new BlockStatus(length, true, true, false, false, -1);
  }

  /** What is not there: the backing file's, or zeros where there is none. */
  public static BlockStatus unallocated(long length) {
    return new BlockStatus(length, false, false, false, false, -1);
  }

  /** The same for another length. */
  public BlockStatus withLength(long other) {
    return new BlockStatus(other, allocated, zero, data, compressed, offset);
  }

  /** The same as far as {@link #length} and {@link #offset} do not count. */
  public boolean isLike(BlockStatus other) {
    return allocated == other.allocated
        && zero == other.zero
        && data == other.data
        && compressed == other.compressed;
  }
}
