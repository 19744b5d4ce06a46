package dev.pollux.migration.ram;

import java.util.concurrent.atomic.LongAdder;

/** How many pages were sent. Any thread. */
public final class RamCounters {
  private final LongAdder zero = new LongAdder();
  private final LongAdder normal = new LongAdder();

  public void countZero(long pages) {
    zero.add(pages);
  }

  public void countNormal(long pages) {
    normal.add(pages);
  }

  /** Pages without contents. */
  public long zero() {
    return zero.sum();
  }

  /** Pages with contents. */
  public long normal() {
    return normal.sum();
  }
}
