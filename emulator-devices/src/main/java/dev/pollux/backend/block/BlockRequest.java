package dev.pollux.backend.block;

/**
 * One request of a device. The device makes a subclass that knows what to do at the end; its memory
 * stays as it is until then.
 */
public abstract class BlockRequest {
  /** What is asked for. */
  public enum Op {
    READ,
    WRITE,
    WRITE_ZEROES,
    DISCARD,
    FLUSH;

    public boolean isWrite() {
      return this != READ;
    }
  }

  final Op op;
  final long offset;
  final long length;
  final IoVector data;
  final int flags;

  private BlockRequest(Op op, long offset, long length, IoVector data, int flags) {
    this.op = op;
    this.offset = offset;
    this.length = length;
    this.data = data;
    this.flags = flags;
  }

  /**
   * A read or a write.
   *
   * @param offset bytes
   * @param flags 0 or {@link BlockNode#FUA}
   */
  protected BlockRequest(Op op, long offset, IoVector data, int flags) {
    this(op, offset, data.bytes(), data, flags);
  }

  /**
   * A request without data.
   *
   * @param offset bytes
   * @param length bytes; 0 of a flush
   * @param flags of {@link BlockNode#FUA}, {@link BlockNode#MAY_UNMAP}
   */
  protected BlockRequest(Op op, long offset, long length, int flags) {
    this(op, offset, length, IoVector.EMPTY, flags);
  }

  public final Op op() {
    return op;
  }

  public final long offset() {
    return offset;
  }

  public final long length() {
    return length;
  }

  /**
   * The request is done; called exactly once for each time it was submitted, without any lock of
   * the block layer. Short: later requests wait for the thread. May submit requests; may not drain,
   * and may not wait for the machine lock, which somebody who drains may hold.
   *
   * @param errno 0, or the number of the error, for instance {@code Errno.ENOSPC}
   */
  protected abstract void completed(int errno);
}
