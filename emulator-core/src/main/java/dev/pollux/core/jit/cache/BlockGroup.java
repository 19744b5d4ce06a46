package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import java.nio.ByteBuffer;

/**
 * Translations of one page of guest code, which are kept together for later runs: {@link
 * PortableBlock}s one behind the other. The page may have had other code in between, or in another
 * run, so some may be of the same place. Used by one thread at a time.
 */
public final class BlockGroup implements AutoCloseable {
  /** Bytes that a group has at most. */
  public static final int MOST_BYTES = 512 << 10;

  private static final int PAGE = 4096;

  private final long memory = RawMemory.allocate(MOST_BYTES);
  private final byte[] page = new byte[PAGE];
  private int used;

  /** Its first bytes, to be filled from a file; all that follows is gone. */
  public ByteBuffer room(int bytes) {
    used = bytes;
    return buffer();
  }

  /** All its bytes. */
  public ByteBuffer buffer() {
    return RawMemory.segment(memory, used).asByteBuffer();
  }

  /** Bytes of all. */
  public int bytes() {
    return used;
  }

  /** Forgets all. */
  public void clear() {
    used = 0;
  }

  /** True if all blocks are whole, and what they say is in them. */
  public boolean isSound() {
    int offset = 0;
    while (offset < used) {
      PortableBlock block = at(offset);
      if (!block.isSound(used - offset)) {
        return false;
      }
      offset += block.bytes();
    }
    return true;
  }

  PortableBlock at(int offset) {
    return new PortableBlock(memory + offset);
  }

  /** Bytes of the block at an offset, from which to where the next one is. */
  int bytesAt(int offset) {
    return PortableBlock.bytesAt(memory + offset);
  }

  /** What the blocks are found by, one after the other. */
  public int[] hashes() {
    int count = 0;
    for (int offset = 0; offset < used; offset += bytesAt(offset)) {
      count++;
    }
    int[] hashes = new int[count];
    int i = 0;
    for (int offset = 0; offset < used; offset += bytesAt(offset)) {
      hashes[i++] = at(offset).block().hash();
    }
    return hashes;
  }

  /** True if there is a block of the code at {@code host}, whose page has these bytes. */
  public boolean has(int hash, int key, long host, byte[] bytes) {
    for (int offset = 0; offset < used; offset += bytesAt(offset)) {
      JitBlock block = at(offset).block();
      if (block.hash() == hash
          && block.key() == key
          && block.pageOffset() == ((int) host & PAGE - 1)
          && block.isOfMoved(bytes)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Adds a block of a vCPU; quick code takes the place of the short one of the same instructions.
   *
   * @param table the first of its key's jump tables
   * @return false if there is no room
   */
  boolean add(JitBlock block, int table, CodeCache cache, ExitTable exits) {
    if (!makeWay(block)) {
      return true;
    }
    int bytes = PortableBlock.bytes(block);
    if (bytes > MOST_BYTES - used) {
      return false;
    }
    PortableBlock added = at(used);
    added.write(block, table, cache, exits);
    added.block().becomeKept();
    used += bytes;
    return true;
  }

  /**
   * Adds the blocks of another group that have room.
   *
   * @return false if there is not room for all
   */
  public boolean addAll(BlockGroup others) {
    boolean all = true;
    for (int offset = 0; offset < others.used; offset += others.bytesAt(offset)) {
      PortableBlock from = others.at(offset);
      if (makeWay(from.block())) {
        boolean fits = from.bytes() <= MOST_BYTES - used;
        if (fits) {
          RawMemory.copy(from.address(), memory + used, from.bytes());
          used += from.bytes();
        }
        all &= fits;
      }
    }
    return all;
  }

  /** Removes what a block is to take the place of; false if it is not needed. */
  private boolean makeWay(JitBlock block) {
    RawMemory.copyOut(block.lookedAddress(), page, block.firstLooked(), block.lookedLength());
    int offset = 0;
    while (offset < used) {
      PortableBlock there = at(offset);
      if (isOfSame(there.block(), block)) {
        if (there.block().quick() || !block.quick()) {
          return false;
        }
        int next = offset + there.bytes();
        RawMemory.copy(memory + next, memory + offset, used - next);
        used -= next - offset;
      } else {
        offset += there.bytes();
      }
    }
    return true;
  }

  /** True for a translation of the same code, of which {@link #page} has what the new one's is. */
  private boolean isOfSame(JitBlock there, JitBlock added) {
    return there.pageOffset() == added.pageOffset()
        && there.key() == added.key()
        && there.firstLooked() >= added.firstLooked()
        && there.firstLooked() + there.lookedLength() <= added.firstLooked() + added.lookedLength()
        && there.isOfMoved(page);
  }

  @Override
  public void close() {
    RawMemory.free(memory);
  }
}
