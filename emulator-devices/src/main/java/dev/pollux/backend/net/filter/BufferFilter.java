package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** {@code filter-buffer}: keeps frames, and lets all go again and again. */
public final class BufferFilter extends LinkFilter {
  /** Frames that it keeps at the most; more are dropped, as networks do. */
  static final int MOST = 4096;

  private record Kept(Frame frame, Direction way) {}

  private final Future<?> timer;

  /** Guarded by this. */
  private List<Kept> kept = new ArrayList<>();

  /**
   * @param micros between two releases
   */
  @SuppressWarnings("this-escape") // the first release comes later
  public BufferFilter(
      String id,
      NetLink link,
      Direction direction,
      boolean on,
      long micros,
      ScheduledExecutorService timers) {
    super(id, link, direction, on);
    timer = timers.scheduleAtFixedRate(this::release, micros, micros, TimeUnit.MICROSECONDS);
  }

  @Override
  public boolean takesUnfinished() {
    return true;
  }

  @Override
  public synchronized boolean pass(Frame frame, Direction way) {
    if (kept.size() < MOST) {
      kept.add(new Kept(frame.copy(), way));
    }
    return false;
  }

  @Override
  public void setOn(boolean switchedOn) {
    super.setOn(switchedOn);
    if (!switchedOn) {
      release();
    }
  }

  private void release() {
    List<Kept> all;
    synchronized (this) {
      all = kept;
      kept = new ArrayList<>();
    }
    all.forEach(each -> passOn(each.frame(), each.way()));
  }

  @Override
  public void close() {
    timer.cancel(false);
    super.setOn(false);
    release();
    super.close();
  }
}
