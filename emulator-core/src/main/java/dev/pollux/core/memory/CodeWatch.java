package dev.pollux.core.memory;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Which pages of RAM hold code that engines have decoded: the machine's watcher of {@link
 * WriteClient#CODE}. A page is armed before its bytes are decoded; the next write to it, by whom
 * ever, drops what was made from it.
 */
public final class CodeWatch implements WriteWatcher {
  /** An engine that keeps decoded or translated code. */
  public interface Listener {
    /** Drop what was made from the page: it is about to be written. Any thread. */
    void codeWritten(RamBlock block, long page);

    /**
     * True if code was made from the bytes {@code [offset, offset + length)} of the block, which
     * lie in one page.
     */
    boolean holdsCode(RamBlock block, long offset, int length);

    /** A page became watched: write-enabled translations to it must go. Any thread. */
    void codePageArmed(RamBlock block, long page);
  }

  private final List<Listener> listeners = new CopyOnWriteArrayList<>();

  public void add(Listener listener) {
    listeners.add(listener);
  }

  public void remove(Listener listener) {
    listeners.remove(listener);
  }

  /** Watches a page from which {@code armer}, or any other engine, is going to decode. */
  public void arm(RamBlock block, long page) {
    if (!block.isWatched(WriteClient.CODE, page)) {
      block.setWatcher(WriteClient.CODE, this);
      block.watch(WriteClient.CODE, page);
      listeners.forEach(l -> l.codePageArmed(block, page));
    }
  }

  /** True if some engine made code from these bytes of one page. */
  public boolean holdsCode(RamBlock block, long offset, int length) {
    for (Listener listener : listeners) {
      if (listener.holdsCode(block, offset, length)) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void beforeWrite(RamBlock block, long page) {
    listeners.forEach(l -> l.codeWritten(block, page));
  }
}
