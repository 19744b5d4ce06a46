package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A disk that forgets what is written ({@code null-co}, {@code null-aio}): for measurements. */
public final class NullNode extends BlockNode {
  private final String driver;
  private volatile long length;
  private final long latencyNanos;
  private final boolean readsZeroes;

  /**
   * @param length bytes
   * @param latencyNanos how long each request takes
   * @param readsZeroes reads clear the memory, instead of leaving it as it is
   */
  public NullNode(
      NodeOptions options, String driver, long length, long latencyNanos, boolean readsZeroes) {
    super(options);
    this.driver = driver;
    this.length = length;
    this.latencyNanos = latencyNanos;
    this.readsZeroes = readsZeroes;
  }

  @Override
  public String driver() {
    return driver;
  }

  @Override
  public boolean waits() {
    return latencyNanos > 0;
  }

  @Override
  public String fileName() {
    return driver + "://";
  }

  @Override
  public long allocatedBytes() {
    return 0;
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  protected void doRead(long offset, IoVector to) {
    pause();
    if (readsZeroes) {
      to.clear();
    }
  }

  @Override
  protected void doWrite(long offset, IoVector from) {
    pause();
  }

  @Override
  protected void doWriteZeroes(long offset, long bytes, boolean mayUnmap) {
    pause();
  }

  @Override
  protected void doFlush() {
    pause();
  }

  @Override
  protected BlockStatus doStatus(long offset, long bytes) {
    return readsZeroes ? BlockStatus.zero(bytes) : BlockStatus.data(bytes, offset);
  }

  @Override
  protected void doResize(long bytes) {
    length = bytes;
  }

  private void pause() {
    long end = System.nanoTime() + latencyNanos;
    for (long left = latencyNanos; left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(Math.min(left, TimeUnit.SECONDS.toNanos(1)));
    }
  }
}
