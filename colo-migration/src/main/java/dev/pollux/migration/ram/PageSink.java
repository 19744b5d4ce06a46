package dev.pollux.migration.ram;

import dev.pollux.core.memory.RamBlock;

/** Where pages go that a migration brings. Several threads, for different pages. */
public interface PageSink {
  /**
   * A page came.
   *
   * @param offset of the page in its block, checked
   * @param contents host address of the page's bytes, valid during the call
   */
  void page(RamBlock block, long offset, long contents);

  /** A page came that holds nothing but zeros. */
  void zeroPage(RamBlock block, long offset);
}
