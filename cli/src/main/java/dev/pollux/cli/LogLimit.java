package dev.pollux.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.filter.Filter;
import ch.qos.logback.core.spi.FilterReply;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Keeps a guest, a peer or a client from filling the log: each source of messages, that is each
 * class, has {@link #BURST} lines at once and one more every ten seconds. Before others are left
 * out one line says so. Debugging levels, which somebody has asked for, have no limit. Any thread.
 */
final class LogLimit extends Filter<ILoggingEvent> {
  static final int BURST = 100;
  private static final long NANOS_PER_LINE = TimeUnit.SECONDS.toNanos(10);

  private final LongSupplier clock;
  private final Consumer<String> notice;
  private final Map<String, Source> sources = new HashMap<>();

  /**
   * @param clock nanoseconds from anywhere
   * @param notice takes the line that says that others are left out
   */
  LogLimit(LongSupplier clock, Consumer<String> notice) {
    this.clock = clock;
    this.notice = notice;
  }

  private static final class Source {
    private long lines = BURST;
    private long filledAt;
    private boolean told;

    private Source(long now) {
      filledAt = now;
    }

    private boolean take(long now) {
      long more = (now - filledAt) / NANOS_PER_LINE;
      filledAt += more * NANOS_PER_LINE;
      lines = Math.min(BURST, lines + more);
      if (lines == 0) {
        return false;
      }
      lines--;
      return true;
    }
  }

  @Override
  public synchronized FilterReply decide(ILoggingEvent event) {
    if (!event.getLevel().isGreaterOrEqual(Level.WARN)) {
      return FilterReply.NEUTRAL;
    }
    long now = clock.getAsLong();
    Source source = sources.computeIfAbsent(event.getLoggerName(), _ -> new Source(now));
    if (source.take(now)) {
      source.told &= source.lines < BURST / 2;
      return FilterReply.NEUTRAL;
    }
    if (!source.told) {
      source.told = true;
      notice.accept("too many messages like the last: of those that follow, one in ten seconds");
    }
    return FilterReply.DENY;
  }
}
