package dev.pollux.backend.block;

import dev.pollux.core.host.RawMemory;

/** Finds bytes that are all zero, at the speed of memory. */
public final class ZeroBytes {
  private static final int BLOCK = 64;

  private ZeroBytes() {}

  /** Whether all bytes of a piece of memory are zero. */
  public static boolean isZero(long address, long length) {
    long at = address;
    long end = address + length;
    if (length >= BLOCK) {
      // Data hardly ever begins with zeros and ends with them, too.
      if ((RawMemory.getLong(at) | RawMemory.getLong(end - 8)) != 0) {
        return false;
      }
      for (; at + BLOCK <= end; at += BLOCK) {
        if (anyBit(at) != 0) {
          return false;
        }
      }
    }
    for (; at < end; at++) {
      if (RawMemory.getByte(at) != 0) {
        return false;
      }
    }
    return true;
  }

  private static long anyBit(long at) {
    return RawMemory.getLong(at)
        | RawMemory.getLong(at + 8)
        | RawMemory.getLong(at + 16)
        | RawMemory.getLong(at + 24)
        | RawMemory.getLong(at + 32)
        | RawMemory.getLong(at + 40)
        | RawMemory.getLong(at + 48)
        | RawMemory.getLong(at + 56);
  }
}
