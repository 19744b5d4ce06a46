package dev.pollux.core.memory;

/**
 * Who wants to know of the next write to a page of guest RAM. Each watcher has one bit per page;
 * while any bit of a page is set, every write to that page takes the slow path, which tells the
 * watcher and then clears its bit.
 */
public interface WriteWatcher {
  /**
   * Called before the first write to a watched page, with the page's old contents still in place.
   * The page's bit is cleared when this returns, under the same lock that serialises all watchers
   * of the block, so a page is reported once and no other writer gets past before.
   *
   * @param page index of the page in the block
   */
  void beforeWrite(RamBlock block, long page);
}
