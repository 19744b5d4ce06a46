package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.spi.FilterReply;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LogLimitTest {
  private final List<String> notices = new ArrayList<>();
  private long now;
  private final LogLimit limit = new LogLimit(() -> now, notices::add);

  private boolean passes(String source, Level level) {
    LoggingEvent event = new LoggingEvent();
    event.setLoggerName(source);
    event.setLevel(level);
    return limit.decide(event) != FilterReply.DENY;
  }

  private int passed(String source, int messages) {
    int passed = 0;
    for (int i = 0; i < messages; i++) {
      passed += passes(source, Level.WARN) ? 1 : 0;
    }
    return passed;
  }

  @Test
  void floodIsCutOffAndThatIsSaidOnce() {
    assertEquals(LogLimit.BURST, passed("flood", LogLimit.BURST));
    assertEquals(0, notices.size());
    assertEquals(0, passed("flood", 10_000));
    assertEquals(1, notices.size());
    for (int i = 0; i < 20; i++) {
      now += TimeUnit.SECONDS.toNanos(10);
      assertEquals(1, passed("flood", 1000));
    }
    assertEquals(1, notices.size());
  }

  @Test
  void othersAreHeardMeanwhile() {
    int _ = passed("flood", 10_000);
    assertEquals(1, passed("migration", 1));
    assertEquals(true, passes("flood", Level.DEBUG), "what somebody has asked for");
  }

  @Test
  void afterSilenceAllIsHeardAgain() {
    int _ = passed("flood", 10_000);
    now += TimeUnit.HOURS.toNanos(1);
    assertEquals(LogLimit.BURST, passed("flood", 10_000));
    assertEquals(2, notices.size());
  }
}
