package dev.pollux.devices.usb.xhci;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.util.List;

/** Guest memory as the controller reads and writes it; addresses come from the guest. */
final class XhciMemory {
  private final GuestMemory memory;

  XhciMemory(GuestMemory memory) {
    this.memory = memory;
  }

  private GuestMemory.Piece whole(long address, int bytes, boolean write) throws HostError {
    GuestMemory.Piece piece = memory.whole(address, bytes, write);
    if (piece == null) {
      throw new HostError("there is no RAM at 0x%x".formatted(address));
    }
    return piece;
  }

  Trb trb(long address) throws HostError {
    long host = whole(address, Trb.BYTES, false).host();
    // The cycle bit says that the rest is complete: it is read first.
    int control = RawMemory.getIntVolatile(host + 12);
    return new Trb(address, RawMemory.getLong(host), RawMemory.getInt(host + 8), control);
  }

  int word(long address) throws HostError {
    return RawMemory.getInt(whole(address, 4, false).host());
  }

  long quad(long address) throws HostError {
    return RawMemory.getLong(whole(address, 8, false).host());
  }

  int[] words(long address, int count) throws HostError {
    long host = whole(address, count * 4, false).host();
    int[] words = new int[count];
    for (int i = 0; i < count; i++) {
      words[i] = RawMemory.getInt(host + i * 4L);
    }
    return words;
  }

  void putWords(long address, int... words) throws HostError {
    GuestMemory.Piece piece = whole(address, words.length * 4, true);
    piece.touch();
    // The last word of an event has its cycle bit: it is written last.
    for (int i = 0; i < words.length; i++) {
      RawMemory.putIntVolatile(piece.host() + i * 4L, words[i]);
    }
    piece.touch();
  }

  /** Adds the RAM of a transfer's data. */
  void addPieces(List<GuestMemory.Piece> to, long address, long length, boolean write)
      throws HostError {
    for (long done = 0; done < length; ) {
      long at = address + done;
      GuestMemory.Piece piece = at < 0 ? null : memory.find(at, length - done, write);
      if (piece == null) {
        throw new HostError("there is no RAM at 0x%x for the data of a transfer".formatted(at));
      }
      to.add(piece);
      done += piece.length();
    }
  }
}
