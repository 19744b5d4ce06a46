package dev.pollux.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.spi.ContextAwareBase;
import java.util.List;
import org.slf4j.LoggerFactory;

/**
 * Sends what the emulator has to say to standard error, one line per message, in the form of the
 * command's own errors. The environment variable {@code POLLUX_LOG} sets the level (error, warn,
 * info, debug, trace); default is warn. What comes in floods is {@linkplain LogLimit limited}.
 * Found by logback as a service: faster than a file to parse.
 */
public final class LogSetup extends ContextAwareBase implements Configurator {
  /** They report what their callers tell as well, with stack traces. */
  private static final List<String> LIBRARIES =
      List.of("org.apache.zookeeper", "org.apache.curator");

  private static final String PATTERN = "pollux: %msg%n";

  /** The time as libvirt reads it. */
  private static final String TIME = "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z', UTC} ";

  private static final String APPENDER = "stderr";

  /**
   * Begins all messages from now on with the time and a name.
   *
   * @param machine no name if it is empty
   */
  static void begin(boolean time, String machine) {
    LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
    Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    if (root.getAppender(APPENDER) instanceof ConsoleAppender<ILoggingEvent> appender
        && appender.getEncoder() instanceof PatternLayoutEncoder encoder) {
      encoder.stop();
      String name = machine.isEmpty() ? "" : machine.replaceAll("([%()\\\\])", "\\\\$1") + " ";
      encoder.setPattern((time ? TIME : "") + name + PATTERN);
      encoder.start();
    }
  }

  @Override
  public ExecutionStatus configure(LoggerContext context) {
    PatternLayoutEncoder encoder = new PatternLayoutEncoder();
    encoder.setContext(context);
    encoder.setPattern(PATTERN);
    encoder.start();
    ConsoleAppender<ILoggingEvent> appender = new ConsoleAppender<>();
    appender.setContext(context);
    appender.setName(APPENDER);
    appender.setTarget("System.err");
    appender.setEncoder(encoder);
    appender.addFilter(
        new LogLimit(System::nanoTime, line -> System.err.println("pollux: " + line)));
    appender.start();
    Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    root.setLevel(Level.toLevel(System.getenv("POLLUX_LOG"), Level.WARN));
    root.addAppender(appender);
    Level libraries = root.getLevel().isGreaterOrEqual(Level.INFO) ? Level.OFF : root.getLevel();
    for (String library : LIBRARIES) {
      context.getLogger(library).setLevel(libraries);
    }
    return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
  }
}
