package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import java.util.Arrays;

/**
 * Collects the descriptors of a chain, within bounds: everything here comes from the guest. Used
 * for one chain after another by the thread that works on the queue.
 */
final class ChainBuilder {
  static final int NEXT = 1;
  static final int WRITE = 2;
  static final int INDIRECT = 4;

  /** Bytes of a descriptor, in either kind of ring. */
  static final int DESCRIPTOR = 16;

  /** Descriptors of one request at most, those in an indirect table included. */
  private static final int MOST = 1024;

  /** Bytes of one request at most: less than 2^32 (2.7.4). */
  private static final long MOST_BYTES = 0xffff_ffffL;

  private final GuestMemory memory;
  private GuestMemory.Piece[] pieces = new GuestMemory.Piece[16];
  private int count;
  private int descriptors;
  private int readableCount;
  private long readableBytes;
  private long writableBytes;

  ChainBuilder(GuestMemory memory) {
    this.memory = memory;
  }

  void begin() {
    count = 0;
    descriptors = 0;
    readableCount = 0;
    readableBytes = 0;
    writableBytes = 0;
  }

  /**
   * Adds a buffer.
   *
   * @param length bytes, unsigned
   * @param flags of the descriptor
   * @throws VirtioError if it cannot be
   */
  void add(long address, int length, int flags) throws VirtioError {
    boolean write = (flags & WRITE) != 0;
    long bytes = length & 0xffff_ffffL;
    if (++descriptors > MOST) {
      throw new VirtioError("a chain has more than %d descriptors, or a loop".formatted(MOST));
    }
    if (!write && count > readableCount) {
      throw new VirtioError("a readable descriptor follows a writable one");
    }
    if (readableBytes + writableBytes + bytes > MOST_BYTES) {
      throw new VirtioError("a chain has more than 4 GiB");
    }
    for (long done = 0; done < bytes; ) {
      GuestMemory.Piece piece =
          address < 0 ? null : memory.find(address + done, bytes - done, write);
      if (piece == null || piece.length() > Integer.MAX_VALUE && bytes > Integer.MAX_VALUE) {
        throw new VirtioError(
            "a descriptor's %d bytes at 0x%x are not in RAM".formatted(bytes, address));
      }
      if (count == pieces.length) {
        pieces = Arrays.copyOf(pieces, 2 * count);
      }
      pieces[count++] = piece;
      done += piece.length();
    }
    if (write) {
      writableBytes += bytes;
    } else {
      readableCount = count;
      readableBytes += bytes;
    }
  }

  /**
   * The table of an indirect descriptor.
   *
   * @param length bytes
   * @throws VirtioError if it is none
   */
  RingArea indirect(long address, int length, int flags) throws VirtioError {
    if (length <= 0 || length % DESCRIPTOR != 0) {
      throw new VirtioError("an indirect table has %d bytes".formatted(length & 0xffff_ffffL));
    }
    if ((flags & NEXT) != 0) {
      throw new VirtioError("an indirect descriptor has a next one");
    }
    return RingArea.find(memory, "an indirect table", address, length);
  }

  DescriptorChain finish(int id, int position, int slots) {
    return new DescriptorChain(
        id, position, slots, pieces, count, readableCount, readableBytes, writableBytes);
  }
}
