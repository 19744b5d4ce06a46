package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.LoggerContext;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.helpers.Reporter;

/** The shorter way to the log leads to the same log as the search for it. */
class LogProviderTest {
  @Test
  void logsAsWhatIsFoundDoes() {
    LoggerContext found = (LoggerContext) LoggerFactory.getILoggerFactory();
    LogProvider provider = new LogProvider();
    provider.initialize();
    LoggerContext context = (LoggerContext) provider.getLoggerFactory();
    for (String name : new String[] {Logger.ROOT_LOGGER_NAME, "org.apache.zookeeper", "any"}) {
      assertEquals(
          found.getLogger(name).getEffectiveLevel(), context.getLogger(name).getEffectiveLevel());
    }
    assertNotNull(context.getLogger(Logger.ROOT_LOGGER_NAME).getAppender("stderr"));
    assertTrue(context.isStarted());
    assertSame(provider.getMDCAdapter(), context.getMDCAdapter());
  }

  @Test
  void isWhatTheProcessIsToldToUse() throws ReflectiveOperationException {
    String provider = System.getProperty(LoggerFactory.PROVIDER_PROPERTY_KEY);
    String verbosity = System.getProperty(Reporter.SLF4J_INTERNAL_VERBOSITY_KEY);
    try {
      LogProvider.use();
      String name = System.getProperty(LoggerFactory.PROVIDER_PROPERTY_KEY);
      assertSame(LogProvider.class, Class.forName(name).getConstructor().newInstance().getClass());
    } finally {
      restore(LoggerFactory.PROVIDER_PROPERTY_KEY, provider);
      restore(Reporter.SLF4J_INTERNAL_VERBOSITY_KEY, verbosity);
    }
  }

  private static void restore(String key, String value) {
    if (value == null) {
      System.clearProperty(key);
    } else {
      System.setProperty(key, value);
    }
  }
}
