package dev.pollux.qmp.server;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Events;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** All QMP monitors of an emulator. */
public final class QmpServer implements AutoCloseable {
  private final CommandRegistry commands;
  private final List<QmpMonitor> monitors = new CopyOnWriteArrayList<>();
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("QMP").daemon(true).factory());
  private final QmpEvents events;

  public QmpServer(CommandRegistry commands) {
    this.commands = commands;
    this.events =
        new QmpEvents(
            commands,
            event -> monitors.forEach(monitor -> monitor.event(event)),
            (task, nanos) -> {
              try {
                var _ = thread.schedule(task, nanos, TimeUnit.NANOSECONDS);
              } catch (RejectedExecutionException e) {
                // The server is closed; nobody is left to hear of it.
              }
            });
  }

  /**
   * Serves the clients of a character device from now on.
   *
   * @param pretty replies are indented for people
   */
  public void add(CharBackend backend, boolean pretty) {
    QmpMonitor monitor = new QmpMonitor(commands, backend, pretty, this::execute);
    monitors.add(monitor);
    monitor.attach();
  }

  /** Runs a task on the monitor's thread; forgets it when the server is closed. */
  private void execute(Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      // A back end that still delivers while the emulator ends.
    }
  }

  /** Sends an event to all clients. Any thread. */
  public void emit(Events event) {
    events.emit(event);
  }

  /** Gives what was written a moment to reach the clients, and lets go of them. */
  @Override
  public void close() {
    monitors.forEach(QmpMonitor::close);
    thread.shutdownNow();
  }
}
