package dev.pollux.core.cpu;

import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * Pages with code that were written while a vCPU was not looking: what it made of them is dropped
 * on its thread before its next instruction ({@link Vcpu#defer}). A vCPU that sleeps may not look
 * for a long time; each page is noted once, and beyond {@link #MOST_PAGES} everything is dropped
 * instead.
 */
public final class CodeWrites {
  /** Pages that are noted one by one. */
  static final int MOST_PAGES = 1024;

  private final Vcpu vcpu;
  private final Consumer<Runnable> defer;
  private final LongConsumer drop;
  private final Runnable dropAll;

  /** Guarded by itself; while anything is noted, a task of the vCPU's is waiting. */
  private final Set<Long> written = new HashSet<>();

  private boolean waiting;
  private boolean all;

  /**
   * @param drop drops what was made of the page at a host address; vCPU thread
   * @param dropAll drops all; vCPU thread
   */
  public CodeWrites(Vcpu vcpu, LongConsumer drop, Runnable dropAll) {
    this(vcpu, vcpu::defer, drop, dropAll);
  }

  CodeWrites(Vcpu vcpu, Consumer<Runnable> defer, LongConsumer drop, Runnable dropAll) {
    this.vcpu = vcpu;
    this.defer = defer;
    this.drop = drop;
    this.dropAll = dropAll;
  }

  /** Notes that a page is about to be written; a vCPU's own write acts at once. Any thread. */
  public void add(long hostPage) {
    if (Vcpu.current() == vcpu) {
      drop.accept(hostPage);
      return;
    }
    synchronized (written) {
      if (!all) {
        written.add(hostPage);
        if (written.size() > MOST_PAGES) {
          written.clear();
          all = true;
        }
      }
      if (waiting) {
        return;
      }
      waiting = true;
    }
    defer.accept(this::dropNoted);
  }

  private void dropNoted() {
    boolean everything;
    long[] pages;
    synchronized (written) {
      everything = all;
      pages = written.stream().mapToLong(Long::longValue).toArray();
      written.clear();
      all = false;
      waiting = false;
    }
    if (everything) {
      dropAll.run();
    }
    for (long page : pages) {
      drop.accept(page);
    }
  }
}
