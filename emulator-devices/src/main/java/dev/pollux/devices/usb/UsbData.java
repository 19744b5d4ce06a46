package dev.pollux.devices.usb;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.util.List;

/**
 * The guest's memory of one transfer: a device puts bytes there or takes them, one after the other.
 * Machine lock held.
 */
public final class UsbData {
  /** No memory. */
  public static final List<GuestMemory.Piece> NONE = List.of();

  private final List<GuestMemory.Piece> pieces;
  private final long length;
  private long moved;
  private int piece;
  private long within;

  public UsbData(List<GuestMemory.Piece> pieces) {
    this.pieces = pieces;
    this.length = pieces.stream().mapToLong(GuestMemory.Piece::length).sum();
  }

  /** Bytes in all. */
  public long length() {
    return length;
  }

  /** Bytes that have been moved. */
  public long moved() {
    return moved;
  }

  /** Bytes that there is room for, or that are left to take. */
  public long left() {
    return length - moved;
  }

  /** Something done with a stretch of the memory. */
  private interface Move {
    void apply(long host, long offset, long length);
  }

  private void move(long count, boolean toGuest, Move move) {
    long end = moved + Math.min(count, left());
    long start = moved;
    while (moved < end) {
      GuestMemory.Piece at = pieces.get(piece);
      long part = Math.min(end - moved, at.length() - within);
      if (toGuest) {
        at.touch();
      }
      move.apply(at.host() + within, moved - start, part);
      if (toGuest) {
        at.touch();
      }
      moved += part;
      within += part;
      if (within == at.length()) {
        piece++;
        within = 0;
      }
    }
  }

  /** Puts as much as there is room for. */
  public void put(byte[] bytes) {
    put(bytes, bytes.length);
  }

  /** Puts as many of the first bytes as there is room for. */
  public void put(byte[] bytes, int count) {
    move(
        Math.min(count, bytes.length),
        true,
        (host, offset, part) -> RawMemory.copyIn(bytes, (int) offset, host, (int) part));
  }

  /** Puts bytes of the host's memory, as many as there is room for. */
  public void put(long address, long count) {
    move(count, true, (host, offset, part) -> RawMemory.copy(address + offset, host, part));
  }

  /** Puts zeros, as many as there is room for. */
  public void putZeros(long count) {
    move(count, true, (host, _, part) -> RawMemory.fill(host, part, (byte) 0));
  }

  /** Takes the next bytes, at most as many. */
  public byte[] take(int most) {
    byte[] bytes = new byte[(int) Math.min(most, left())];
    move(
        bytes.length,
        false,
        (host, offset, part) -> RawMemory.copyOut(host, bytes, (int) offset, (int) part));
    return bytes;
  }

  /** Takes the next bytes to the host's memory, at most as many. */
  public void take(long address, long most) {
    move(most, false, (host, offset, part) -> RawMemory.copy(host, address + offset, part));
  }

  /** Passes over bytes. */
  public void skip(long count) {
    move(count, false, (_, _, _) -> {});
  }
}
