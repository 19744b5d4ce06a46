package dev.pollux.core.jit.store;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.util.Arrays;

/** Finds translations in a {@link TranslationStore}. Used by one vCPU's thread. */
public final class StoreReader {
  /** Finds nothing. */
  public static final StoreReader NONE = new StoreReader(null);

  /** Blocks of one hash that are looked at. */
  private static final int MOST_PROBES = 24;

  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private final StoreFile file;
  private final StoredBlock block = new StoredBlock();

  /**
   * @param file null if there is none
   */
  StoreReader(StoreFile file) {
    this.file = file;
  }

  /**
   * What a block is looked for by; never 0.
   *
   * @param host address of its guest code
   */
  public static int hash(int key, long host) {
    int start = (int) host & RamBlock.PAGE_SIZE - 1;
    long first = 0;
    long second = 0;
    if (start <= RamBlock.PAGE_SIZE - 16) {
      first = RawMemory.getLong(host);
      second = RawMemory.getLong(host + 8);
    } else {
      for (long at = host; (at & RamBlock.PAGE_SIZE - 1) != 0; at++) {
        first = (first ^ RawMemory.getByte(at) & 0xff) * 0x100_0000_01b3L;
      }
    }
    long mixed = (first ^ (long) key << 32 ^ start) * MULTIPLIER;
    mixed = ((mixed ^ mixed >>> 29) + second) * MULTIPLIER;
    return (int) (mixed >>> 32) | 1;
  }

  /**
   * The translation of the code at an offset of a page, or null. What is returned is valid until
   * the next call.
   *
   * @param table first of the jump tables of {@code key}
   * @param page the bytes of the guest's page
   */
  public StoredBlock find(int hash, int key, int table, int start, byte[] page) {
    if (file == null) {
      return null;
    }
    for (int i = 0; i < MOST_PROBES; i++) {
      long slot = file.slot(hash + i);
      if (slot == 0) {
        return null;
      }
      if ((int) (slot >>> 32) == hash && isOf(file.offset(slot), key, table, start, page)) {
        file.use(hash + i);
        return block;
      }
    }
    return null;
  }

  private boolean isOf(int offset, int key, int table, int start, byte[] page) {
    if (offset < 0) {
      return false;
    }
    block.moveTo(file.base() + offset);
    int length = file.length(offset);
    if (length == 0 || !block.isOf(key, table, start) || !block.isWhole()) {
      return false;
    }
    byte[] looked = block.looked();
    int first = block.firstLooked();
    return first + looked.length <= RamBlock.PAGE_SIZE
        && Arrays.equals(looked, 0, looked.length, page, first, first + looked.length)
        && RawMemory.getInt(file.base() + offset + StoredBlock.CHECKSUM)
            == StoreFile.checksum(file.base() + offset + StoredBlock.KEY, length - StoredBlock.KEY);
  }
}
