package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The guest's memory behind a resource, in pieces.
 *
 * @param addresses guest-physical
 * @param starts of the pieces, in bytes from the first one's, and the end of the last
 */
record GpuBacking(long[] addresses, long[] starts) {
  static final int ENTRY_BYTES = 16;

  /** Reads entries of an address, a length and a word without meaning (5.7.6.8). */
  static GpuBacking read(ByteBuffer from, int count) {
    long[] addresses = new long[count];
    long[] starts = new long[count + 1];
    for (int i = 0; i < count; i++) {
      addresses[i] = from.getLong();
      starts[i + 1] = starts[i] + (from.getInt() & 0xffff_ffffL);
      from.getInt();
    }
    return new GpuBacking(addresses, starts);
  }

  void write(ByteBuffer to) {
    for (int i = 0; i < addresses.length; i++) {
      to.putLong(addresses[i]).putInt((int) (starts[i + 1] - starts[i])).putInt(0);
    }
  }

  int count() {
    return addresses.length;
  }

  /** Copies bytes to the host; what is no RAM, or beyond the end, leaves what is there. */
  void copy(GuestMemory memory, long offset, long to, long length) {
    if (offset < 0 || offset >= starts[count()]) {
      return;
    }
    int found = Arrays.binarySearch(starts, offset);
    int piece = found >= 0 ? found : -found - 2;
    long done = 0;
    for (; done < length && piece < count(); piece++) {
      long skipped = offset + done - starts[piece];
      long end = Math.min(length, done + starts[piece + 1] - starts[piece] - skipped);
      while (done < end) {
        GuestMemory.Piece ram = memory.find(addresses[piece] + skipped, end - done, false);
        if (ram == null) {
          done = end;
          break;
        }
        RawMemory.copy(ram.host(), to + done, ram.length());
        done += ram.length();
        skipped += ram.length();
      }
    }
  }
}
