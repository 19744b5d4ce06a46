package dev.pollux.devices.e1000;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.VarHandle;

/**
 * A ring of descriptors of 16 bytes in guest memory, as its registers say (manual, 3.2.6 and 3.4).
 * Every number in it comes from the guest. I/O thread's lock held.
 */
final class Ring {
  static final int DESCRIPTOR = 16;

  private final Registers registers;
  private final GuestMemory memory;
  private final int base;
  private GuestMemory.Piece piece;
  private int size;

  /**
   * @param base the offset of its first register
   */
  Ring(Registers registers, GuestMemory memory, int base) {
    this.registers = registers;
    this.memory = memory;
    this.base = base;
  }

  /**
   * Finds the ring for the accesses that follow.
   *
   * @return false where there is none that can be used: not in one piece of RAM, or an index beyond
   *     its end
   */
  boolean open() {
    int bytes = registers.get(base + Registers.RING_LENGTH);
    size = bytes / DESCRIPTOR;
    if (size == 0 || head() >= size || tail() >= size) {
      return false;
    }
    long address =
        Integer.toUnsignedLong(registers.get(base + Registers.RING_LOW))
            | (long) registers.get(base + Registers.RING_HIGH) << 32;
    piece = memory.whole(address, bytes, true);
    return piece != null;
  }

  int size() {
    return size;
  }

  int head() {
    return registers.get(base + Registers.RING_HEAD);
  }

  private int tail() {
    return registers.get(base + Registers.RING_TAIL);
  }

  void setHead(int index) {
    registers.set(base + Registers.RING_HEAD, index);
  }

  int next(int index) {
    return index + 1 == size ? 0 : index + 1;
  }

  /** Descriptors from one on that belong to the card. */
  int from(int index) {
    int count = tail() - index;
    VarHandle.acquireFence();
    return count < 0 ? count + size : count;
  }

  /** The first or second half of a descriptor. */
  long read(int index, int half) {
    return RawMemory.getLong(piece.host() + (long) index * DESCRIPTOR + 8L * half);
  }

  /** Writes the second half of a descriptor, in one go. */
  void write(int index, long value) {
    long at = (long) index * DESCRIPTOR + 8;
    piece.block().beforeWrite(piece.offset() + at, 8);
    VarHandle.releaseFence();
    RawMemory.putLong(piece.host() + at, value);
    VarHandle.fullFence();
    piece.block().beforeWrite(piece.offset() + at, 8);
  }
}
