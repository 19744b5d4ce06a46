package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.VarHandle;

/**
 * One of the three areas of a ring in guest memory, wholly in one piece of RAM. Accesses are
 * little-endian; offsets are the caller's, within the area. The I/O thread's lock is held.
 */
final class RingArea {
  private final GuestMemory.Piece piece;
  private final long host;

  private RingArea(GuestMemory.Piece piece) {
    this.piece = piece;
    this.host = piece.host();
  }

  /**
   * Finds an area.
   *
   * @param what for the error
   * @throws VirtioError if it is not in RAM
   */
  static RingArea find(GuestMemory memory, String what, long address, long length)
      throws VirtioError {
    GuestMemory.Piece piece = memory.whole(address, length, true);
    if (piece == null) {
      throw new VirtioError(
          "%s at 0x%x, %d bytes, is not in one piece of RAM".formatted(what, address, length));
    }
    return new RingArea(piece);
  }

  int u16(long offset) {
    return RawMemory.getShort(host + offset) & 0xffff;
  }

  int u32(long offset) {
    return RawMemory.getInt(host + offset);
  }

  long u64(long offset) {
    return RawMemory.getLong(host + offset);
  }

  /** Tells the page's watchers of a write before and after it. */
  private void watched(long offset, int length, Runnable write) {
    piece.block().beforeWrite(piece.offset() + offset, length);
    write.run();
    VarHandle.fullFence();
    piece.block().beforeWrite(piece.offset() + offset, length);
  }

  void putU16(long offset, int value) {
    watched(offset, 2, () -> RawMemory.putShort(host + offset, (short) value));
  }

  void putU32(long offset, int value) {
    watched(offset, 4, () -> RawMemory.putInt(host + offset, value));
  }

  void putU64(long offset, long value) {
    watched(offset, 8, () -> RawMemory.putLong(host + offset, value));
  }
}
