package dev.pollux.migration.colo;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.util.concurrent.atomic.LongAdder;
import java.util.zip.CRC32C;

/**
 * A number that depends on all pages that went in, each with its place and contents, not on their
 * order: both sides keep one, and a connection that changes what it carries is found out before a
 * checkpoint is used. No protection against malice. Any thread.
 */
final class PageDigest {
  private static final long PRIME = 0x9e37_79b9_7f4a_7c15L;
  private static final long ZERO_PAGE = zeroPage();

  private final LongAdder sum = new LongAdder();

  /** Takes a page with its contents at a host address. */
  void add(RamBlock block, long offset, long contents) {
    sum.add(mix(contents(contents), block, offset));
  }

  /** Takes a page of zeros. */
  void addZero(RamBlock block, long offset) {
    sum.add(mix(ZERO_PAGE, block, offset));
  }

  /** Takes device states. */
  void add(byte[] states) {
    CRC32C crc = new CRC32C();
    crc.update(states);
    sum.add((crc.getValue() + 1) * PRIME);
  }

  /** The number so far; begins anew. While nobody adds. */
  long take() {
    return sum.sumThenReset();
  }

  private static long mix(long contents, RamBlock block, long offset) {
    long x = (contents ^ offset + block.name().hashCode()) * PRIME;
    return (x ^ x >>> 32) * PRIME;
  }

  /** Four chains, so that the processor need not wait for each product. */
  private static long contents(long page) {
    long a = 1;
    long b = 2;
    long c = 3;
    long d = 4;
    for (long at = page; at < page + RamBlock.PAGE_SIZE; at += 32) {
      a = step(a, RawMemory.getLong(at));
      b = step(b, RawMemory.getLong(at + 8));
      c = step(c, RawMemory.getLong(at + 16));
      d = step(d, RawMemory.getLong(at + 24));
    }
    return join(a, b, c, d);
  }

  private static long zeroPage() {
    long[] chains = {1, 2, 3, 4};
    for (int i = 0; i < RamBlock.PAGE_SIZE / 8; i++) {
      chains[i & 3] = step(chains[i & 3], 0);
    }
    return join(chains[0], chains[1], chains[2], chains[3]);
  }

  private static long join(long a, long b, long c, long d) {
    return a ^ Long.rotateLeft(b, 17) ^ Long.rotateLeft(c, 31) ^ Long.rotateLeft(d, 47);
  }

  private static long step(long chain, long word) {
    return Long.rotateLeft((chain ^ word) * PRIME, 29);
  }
}
