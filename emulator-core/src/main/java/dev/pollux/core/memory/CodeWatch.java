package dev.pollux.core.memory;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Tells engines when code that they have decoded is written: the machine's watcher of {@link
 * WriteClient#CODE}. Pages are armed with {@code Vcpu.watchCode} before their bytes are decoded;
 * the next write to such code, by whom ever, drops what was made from the page.
 */
public final class CodeWatch implements WriteWatcher {
  /** An engine that keeps decoded or translated code. */
  @FunctionalInterface
  public interface Listener {
    /** Drop what was made from the page: it is about to be written. Any thread. */
    void codeWritten(RamBlock block, long page);
  }

  private final List<Listener> listeners = new CopyOnWriteArrayList<>();

  public void add(Listener listener) {
    listeners.add(listener);
  }

  public void remove(Listener listener) {
    listeners.remove(listener);
  }

  @Override
  public void beforeWrite(RamBlock block, long page) {
    listeners.forEach(l -> l.codeWritten(block, page));
  }
}
