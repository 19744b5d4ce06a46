package dev.pollux.backend.block;

import dev.pollux.core.host.RawMemory;

/**
 * Memory outside the heap for requests of the block layer's own, aligned as disks of the host want
 * it. Not cleared. One thread at a time.
 */
public final class HostBuffer implements AutoCloseable {
  /** What O_DIRECT asks for at most. */
  public static final int ALIGNMENT = 4096;

  private final long allocated;
  private final long address;
  private final long bytes;

  public HostBuffer(long bytes) {
    this.bytes = bytes;
    this.allocated = RawMemory.allocate(bytes + ALIGNMENT);
    this.address = allocated + ALIGNMENT - 1 & -ALIGNMENT;
  }

  public long address() {
    return address;
  }

  public long bytes() {
    return bytes;
  }

  /** All of it. */
  public IoVector vector() {
    return IoVector.of(address, bytes);
  }

  /** The first bytes of it. */
  public IoVector vector(long length) {
    return IoVector.of(address, length);
  }

  public HostBuffer clear() {
    RawMemory.fill(address, bytes, (byte) 0);
    return this;
  }

  public byte[] toBytes(int offset, int length) {
    byte[] copy = new byte[length];
    RawMemory.copyOut(address + offset, copy, 0, length);
    return copy;
  }

  @Override
  public void close() {
    RawMemory.free(allocated);
  }
}
