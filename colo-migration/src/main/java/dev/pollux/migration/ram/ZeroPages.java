package dev.pollux.migration.ram;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Finds pages without contents. */
public final class ZeroPages {
  /** A page of zeros to compare with; the host compares many bytes at a time. */
  private static final long ZEROS = map();

  private ZeroPages() {}

  private static long map() {
    try {
      return Libc.mapAnonymous(RamBlock.PAGE_SIZE, Libc.PROT_READ);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether all bytes of the page at a host address are zero. */
  public static boolean isZero(long host) {
    // Most pages that hold something do so in one of these places.
    return RawMemory.getLong(host) == 0
        && RawMemory.getLong(host + RamBlock.PAGE_SIZE / 2) == 0
        && RawMemory.getLong(host + RamBlock.PAGE_SIZE - 8) == 0
        && RawMemory.equal(host, ZEROS, RamBlock.PAGE_SIZE);
  }
}
