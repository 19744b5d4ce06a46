package dev.pollux.cli.pair.host;

import dev.pollux.cli.pair.decide.Event;
import dev.pollux.cli.pair.decide.Ledger;
import dev.pollux.cli.pair.ledger.LedgerStore;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Asks for the record and gives each question one answer in time, if only that there is none. */
final class Questions implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Questions.class);
  private static final int MOST_WAITING = 4;

  private final LedgerStore store;
  private final long patienceNanos;
  private final Consumer<Event> to;

  /** A store that hangs keeps few questions waiting; the timer answers the others. */
  private final ExecutorService asker =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(MOST_WAITING),
          Thread.ofPlatform().name("record").daemon(true).factory(),
          new ThreadPoolExecutor.DiscardPolicy());

  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("record timer").daemon(true).factory());
  private volatile String failure = "";

  /**
   * @param to hears the answers, on threads of this
   */
  Questions(LedgerStore store, long patienceNanos, Consumer<Event> to) {
    this.store = store;
    this.patienceNanos = patienceNanos;
    this.to = to;
  }

  /** What was wrong with the last question; empty for nothing. */
  String failure() {
    return failure;
  }

  /** Asks for the record, or to have it replaced. */
  void ask(Optional<Ledger> next) {
    AtomicBoolean answered = new AtomicBoolean();
    var _ =
        timer.schedule(
            () -> answer(answered, new Event.Unanswered(), "no answer in time"),
            patienceNanos,
            TimeUnit.NANOSECONDS);
    asker.execute(
        () -> {
          try {
            answer(answered, put(next), "");
          } catch (IOException e) {
            answer(answered, new Event.Unanswered(), e.getMessage());
          }
        });
  }

  private Event put(Optional<Ledger> next) throws IOException {
    if (next.isPresent() && store.replace(next.get())) {
      return new Event.Written();
    }
    return new Event.Found(store.look());
  }

  private void answer(AtomicBoolean answered, Event event, String problem) {
    if (answered.compareAndSet(false, true)) {
      if (!problem.isEmpty() && failure.isEmpty()) {
        log.warn("the pair's record cannot be reached: {}", problem);
      }
      failure = problem;
      to.accept(event);
    }
  }

  @Override
  public void close() {
    asker.shutdownNow();
    timer.shutdownNow();
    store.close();
  }
}
