package dev.pollux.core.jit.cache;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;

/**
 * Memory outside the heap for the records of one vCPU's translations, filled from start to end and
 * emptied as a whole: there are millions, which the collector would copy and follow. It costs host
 * memory only where records are, in huge pages where the host gives them: a vCPU that takes over
 * blocks by the ten thousand would be held up by page faults. Used by the vCPU's thread only.
 */
final class RecordMemory implements AutoCloseable {
  private static final int ALIGNMENT = 8;

  private final long base;
  private final long length;
  private long used;

  /**
   * @param length bytes of room, at most 8 GiB
   */
  RecordMemory(long length) throws IOException {
    this.length = length;
    this.base = Libc.mapHuge(length, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  /**
   * Room for a record, all zero.
   *
   * @return its address, a multiple of 8
   * @throws IllegalStateException if there is none
   */
  long allocate(int bytes) {
    long rounded = bytes + ALIGNMENT - 1 & -ALIGNMENT;
    if (bytes < 0 || rounded > length - used) {
      throw new IllegalStateException(used + " bytes of records, no room for " + bytes);
    }
    long address = base + used;
    used += rounded;
    return address;
  }

  /** A record's number; that of the first one is 0. */
  int number(long address) {
    return (int) (address - base >>> 3);
  }

  /** The address of a record that has a number. */
  long address(int number) {
    return base + ((number & 0xffff_ffffL) << 3);
  }

  /** Bytes of room. */
  long length() {
    return length;
  }

  /** Bytes of all records. */
  long used() {
    return used;
  }

  /** Forgets all records; what is left of them reads as zero. */
  void clear() {
    RawMemory.fill(base, used, (byte) 0);
    used = 0;
  }

  @Override
  public void close() {
    Libc.unmap(base, length);
  }
}
