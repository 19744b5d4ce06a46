package dev.pollux.core.jit.cache;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;
import java.io.IOException;

/**
 * Where generated code looks for a block by the host memory of its guest code, when the jump cache
 * does not know an address: sets of four entries that forget. Entries of dropped blocks may stay:
 * their code leads out. Used by the vCPU's thread only.
 */
public final class BlockIndex implements AutoCloseable {
  private static final long BYTES = 1L << JitLayout.BLOCK_SETS_BITS + JitLayout.BLOCK_SET_BITS;
  private static final int ENTRY = JitLayout.BLOCK_ENTRY;
  private static final int LAST = (1 << JitLayout.BLOCK_SET_BITS) - ENTRY;

  private final long base;

  public BlockIndex() throws IOException {
    base = Libc.mapHuge(BYTES, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  /** Host address of the table. */
  public long address() {
    return base;
  }

  /**
   * Enters a block as the first of its set, whose last may be forgotten.
   *
   * @param table the jump cache's
   * @param host address of the guest code
   * @param code address of the entry of the block's code
   */
  public void put(int table, long host, long code) {
    long set = base + JitLayout.blockSet(host);
    long tag = JitLayout.blockTag(host, table);
    int at = 0;
    while (at < LAST && RawMemory.getLong(set + at) != tag) {
      at += ENTRY;
    }
    for (; at > 0; at -= ENTRY) {
      RawMemory.copy16(set + at - ENTRY, set + at);
    }
    RawMemory.putLong(set, tag);
    RawMemory.putLong(set + 8, code);
  }

  /** Forgets everything: the code memory is emptied. */
  public void clear() {
    RawMemory.fill(base, BYTES, (byte) 0);
  }

  @Override
  public void close() {
    Libc.unmap(base, BYTES);
  }
}
