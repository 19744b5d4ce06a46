package dev.pollux.junit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.MediaType;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Gives test methods a {@link PolluxMachine} or a {@link PolluxPair} that runs what their {@link
 * Guest} says. Behind the test it is killed and its files are removed; of a test that has failed
 * the logs and the consoles are published first.
 */
public final class PolluxExtension implements ParameterResolver, AfterEachCallback {
  private static final int MOST_SHOWN = 4000;
  private static final Namespace NAMESPACE = Namespace.create(PolluxExtension.class);

  /** Of one test; JUnit closes it when that is over. */
  private record Running(Workplace workplace, PolluxGuest guest) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      guest.close();
      workplace.close();
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return type == PolluxMachine.class || type == PolluxPair.class;
  }

  @Override
  public PolluxGuest resolveParameter(ParameterContext parameter, ExtensionContext context) {
    ExtensionContext.Store store = context.getStore(NAMESPACE);
    if (context.getTestMethod().isEmpty() || store.get(Running.class) != null) {
      throw new ParameterResolutionException("a test method has one machine or one pair");
    }
    Guest guest =
        AnnotationSupport.findAnnotation(context.getTestMethod(), Guest.class)
            .or(() -> AnnotationSupport.findAnnotation(context.getTestClass(), Guest.class))
            .orElseThrow(() -> new ParameterResolutionException("@Guest is missing"));
    try {
      Running running = start(guest, parameter.getParameter().getType() == PolluxPair.class);
      store.put(Running.class, running);
      return running.guest();
    } catch (RuntimeException e) {
      throw e; // a test that is skipped, too
    } catch (Exception e) {
      throw new ParameterResolutionException("the guest does not start: " + e.getMessage(), e);
    }
  }

  private static Running start(Guest guest, boolean pair) throws Exception {
    Workplace workplace = Workplace.open();
    try {
      Path logs = Files.createDirectory(workplace.folder().resolve("logs"));
      GuestOptions options = GuestOptions.make(guest, workplace.folder());
      return new Running(
          workplace,
          pair
              ? PolluxPair.start(options, List.of(guest.pair()), logs)
              : PolluxMachine.start(options, logs));
    } catch (Exception | AssertionError e) {
      workplace.close();
      throw e;
    }
  }

  @Override
  public void afterEach(ExtensionContext context) throws IOException {
    Running running = context.getStore(NAMESPACE).get(Running.class, Running.class);
    Optional<Throwable> failure = context.getExecutionException();
    if (running == null || failure.isEmpty()) {
      return;
    }
    running.guest().close(); // so that the logs are whole
    String console = running.guest().console().text();
    if (!console.isBlank()) { // an entry must not be
      context.publishReportEntry("console", console.substring(from(console)));
    }
    context.publishFile(
        "console.txt", MediaType.TEXT_PLAIN_UTF_8, to -> Files.writeString(to, console));
    try (Stream<Path> files = Files.list(running.workplace().folder().resolve("logs"))) {
      for (Path log : files.filter(Files::isRegularFile).toList()) {
        context.publishFile(
            log.getFileName().toString(), MediaType.TEXT_PLAIN_UTF_8, to -> Files.copy(log, to));
      }
    }
  }

  /** Where the end of a text begins that is shown. */
  private static int from(String text) {
    return Math.max(0, text.length() - MOST_SHOWN);
  }
}
