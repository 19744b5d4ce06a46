package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * A command in guest memory (AHCI 1.3.1, 4.2.2 and 4.2.3): its header in the list, and its table.
 * Read when it is needed; the guest may change it at any time.
 *
 * <pre>
 *   header   0 flags: 4:0 length of the frame, 5 packet, 6 write; 31:16 regions
 *            4 bytes moved   8 address of the table
 *   table    0 frame   0x40 packet   0x80 regions of 16 bytes: 0 address, 12 length - 1
 * </pre>
 *
 * @param header guest address
 * @param table guest address
 * @param regions of guest memory that its data go to or come from
 * @param isPacket whether there is a packet for a disc drive
 * @param fis the frame that goes to the drive
 */
record AhciCommand(
    GuestMemory memory, long header, long table, int regions, boolean isPacket, byte[] fis) {
  private static final int HEADER = 32;
  private static final int PACKET_AT = 0x40;
  private static final int PACKET = 16;
  private static final int REGIONS_AT = 0x80;
  private static final int REGION = 16;
  private static final int MOST_LENGTH = 1 << 22;

  /** Even physical addresses. */
  private static final long ADDRESS = (1L << 52) - 2;

  /** A stretch of guest memory; bytes. */
  record Region(long address, int length) {}

  /** The command of a slot, or null if there is no RAM where it should be. */
  static AhciCommand read(GuestMemory memory, long list, int slot) {
    long header = list + (long) slot * HEADER;
    GuestMemory.Piece piece = memory.whole(header, HEADER, false);
    if (piece == null) {
      return null;
    }
    int flags = RawMemory.getInt(piece.host());
    long table = RawMemory.getLong(piece.host() + 8) & -128L;
    byte[] fis = bytes(memory, table, Fis.BYTES);
    return fis == null
        ? null
        : new AhciCommand(memory, header, table, flags >>> 16, (flags & 1 << 5) != 0, fis);
  }

  private static byte[] bytes(GuestMemory memory, long address, int length) {
    GuestMemory.Piece piece = memory.whole(address, length, false);
    if (piece == null) {
      return null;
    }
    byte[] bytes = new byte[length];
    RawMemory.copyOut(piece.host(), bytes, 0, length);
    return bytes;
  }

  /** A byte of the frame, 0 to 255. */
  int fis(int index) {
    return fis[index] & 0xff;
  }

  /** The packet; zeros if it cannot be read. */
  byte[] packet() {
    byte[] packet = bytes(memory, table + PACKET_AT, PACKET);
    return packet == null ? new byte[PACKET] : packet;
  }

  /** A region of the list, or null behind the last or where the list cannot be read. */
  Region region(int index) {
    GuestMemory.Piece piece =
        index < regions
            ? memory.whole(table + REGIONS_AT + (long) index * REGION, REGION, false)
            : null;
    if (piece == null) {
      return null;
    }
    int length = (RawMemory.getInt(piece.host() + 12) | 1) & MOST_LENGTH - 1;
    return new Region(RawMemory.getLong(piece.host()) & ADDRESS, length + 1);
  }

  /**
   * The RAM for a number of bytes, in the list's order.
   *
   * @return null if the list has less, in more pieces than {@code most}, or something else than RAM
   */
  List<GuestMemory.Piece> pieces(long bytes, boolean toMemory, int most) {
    List<GuestMemory.Piece> pieces = new ArrayList<>();
    long left = bytes;
    for (int index = 0; left > 0; index++) {
      Region region = region(index);
      if (region == null) {
        return null;
      }
      long end = region.address + Math.min(left, region.length);
      for (long at = region.address; at < end; ) {
        GuestMemory.Piece piece = pieces.size() < most ? memory.find(at, end - at, toMemory) : null;
        if (piece == null) {
          return null;
        }
        pieces.add(piece);
        at += piece.length();
      }
      left -= end - region.address;
    }
    return pieces;
  }

  /** Tells in the header how many bytes have been moved. */
  void tellMoved(long bytes) {
    GuestMemory.Piece piece = memory.whole(header + 4, 4, true);
    if (piece != null) {
      piece.touch();
      RawMemory.putInt(piece.host(), (int) bytes);
      piece.touch();
    }
  }
}
