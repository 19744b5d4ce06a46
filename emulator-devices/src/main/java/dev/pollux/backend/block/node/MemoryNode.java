package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;

/** A disk in memory that is gone when it is closed; for tests. */
public final class MemoryNode extends BlockNode {
  private final long memory;
  private final long length;

  /**
   * @param length bytes
   */
  public MemoryNode(NodeOptions options, long length) throws IOException {
    super(options);
    this.length = length;
    this.memory = Libc.mapAnonymous(Math.max(length, 1), Libc.PROT_READ | Libc.PROT_WRITE);
  }

  @Override
  public String driver() {
    return "memory";
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  protected void doRead(long offset, IoVector to) {
    to.copyFrom(memory + offset);
  }

  @Override
  protected void doWrite(long offset, IoVector from) {
    from.copyTo(memory + offset);
  }

  @Override
  protected void doWriteZeroes(long offset, long bytes, boolean mayUnmap) {
    RawMemory.fill(memory + offset, bytes, (byte) 0);
  }

  @Override
  public void close() {
    Libc.unmap(memory, Math.max(length, 1));
  }
}
