package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import java.io.IOException;

/** Copies pieces of one node to another. One thread. */
final class Copying implements AutoCloseable {
  /** Bytes of data that are copied at once. */
  static final int MOST_DATA = 1 << 20;

  /** Bytes of zeros that are copied at once. */
  static final long MOST_ZEROES = 1L << 28;

  /** A write to the target has failed, and not a read. */
  static final class TargetException extends IOException {
    private static final long serialVersionUID = 1;
    private final IOException reason;

    TargetException(IOException reason) {
      super(reason);
      this.reason = reason;
    }

    IOException reason() {
      return reason;
    }
  }

  private final BlockNode from;
  private final BlockNode to;
  private final HostBuffer buffer = new HostBuffer(MOST_DATA);

  Copying(BlockNode from, BlockNode to) {
    this.from = from;
    this.to = to;
  }

  /**
   * Copies what a range begins with.
   *
   * @param unit what is copied is a multiple of it, or all of the range
   * @return bytes that were copied
   */
  long copy(long offset, long length, long unit) throws IOException {
    BlockStatus status = from.chainStatus(offset, length);
    if (status.zero()) {
      long zeroes = status.length() == length ? length : status.length() & -unit;
      if (zeroes > 0) {
        write(() -> to.writeZeroes(offset, zeroes, BlockNode.MAY_UNMAP));
        return zeroes;
      }
    }
    long bytes = Math.min(length, MOST_DATA);
    IoVector data = buffer.vector(bytes);
    from.read(offset, data);
    write(() -> to.write(offset, data, 0));
    return bytes;
  }

  /** A write. */
  interface Write {
    void run() throws IOException;
  }

  static void write(Write write) throws TargetException {
    try {
      write.run();
    } catch (IOException e) {
      throw new TargetException(e);
    }
  }

  @Override
  public void close() {
    buffer.close();
  }
}
