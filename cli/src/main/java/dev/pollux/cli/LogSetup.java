package dev.pollux.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.spi.ContextAwareBase;
import java.util.List;
import org.slf4j.Logger;

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

  @Override
  public ExecutionStatus configure(LoggerContext context) {
    PatternLayoutEncoder encoder = new PatternLayoutEncoder();
    encoder.setContext(context);
    encoder.setPattern("pollux: %msg%n");
    encoder.start();
    ConsoleAppender<ILoggingEvent> appender = new ConsoleAppender<>();
    appender.setContext(context);
    appender.setName("stderr");
    appender.setTarget("System.err");
    appender.setEncoder(encoder);
    appender.addFilter(
        new LogLimit(System::nanoTime, line -> System.err.println("pollux: " + line)));
    appender.start();
    ch.qos.logback.classic.Logger root = context.getLogger(Logger.ROOT_LOGGER_NAME);
    root.setLevel(Level.toLevel(System.getenv("POLLUX_LOG"), Level.WARN));
    root.addAppender(appender);
    Level libraries = root.getLevel().isGreaterOrEqual(Level.INFO) ? Level.OFF : root.getLevel();
    for (String library : LIBRARIES) {
      context.getLogger(library).setLevel(libraries);
    }
    return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
  }
}
