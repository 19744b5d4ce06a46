package dev.pollux.devices.e1000;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.VarHandle;

/** Copies between guest and host memory. Addresses come from the guest. Any thread. */
final class Dma {
  private final GuestMemory memory;

  Dma(GuestMemory memory) {
    this.memory = memory;
  }

  /**
   * Copies guest memory to the host's.
   *
   * @return false where a part is not RAM
   */
  boolean read(long address, long host, int length) {
    for (int done = 0; done < length; ) {
      GuestMemory.Piece piece = find(address + done, length - done, false);
      if (piece == null) {
        return false;
      }
      RawMemory.copy(piece.host(), host + done, piece.length());
      done += (int) piece.length();
    }
    return true;
  }

  /** Copies host memory to the guest's; what is not RAM there is left out. */
  void write(long address, long host, int length) {
    for (int done = 0; done < length; ) {
      GuestMemory.Piece piece = find(address + done, length - done, true);
      if (piece == null) {
        return;
      }
      piece.touch();
      RawMemory.copy(host + done, piece.host(), piece.length());
      VarHandle.fullFence();
      piece.touch();
      done += (int) piece.length();
    }
  }

  private GuestMemory.Piece find(long address, int length, boolean write) {
    return address < 0 ? null : memory.find(address, length, write);
  }
}
