package dev.pollux.qmp.server;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.protocol.ClientMemory;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** All QMP monitors of an emulator. */
public final class QmpServer implements AutoCloseable {
  private static final int MOST_OUTPUT = 64 << 20;

  private final CommandRegistry commands;
  private final int mostOutput;
  private final ClientMemory memory = ClientMemory.ofHeap();
  private final List<QmpMonitor> monitors = new CopyOnWriteArrayList<>();
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("QMP").daemon(true).factory());
  private final QmpEvents events;

  public QmpServer(CommandRegistry commands) {
    this(commands, (int) Math.min(MOST_OUTPUT, Runtime.getRuntime().maxMemory() / 16));
  }

  /**
   * @param mostOutput bytes that are kept for each client that does not read
   */
  QmpServer(CommandRegistry commands, int mostOutput) {
    this.commands = commands;
    this.mostOutput = mostOutput;
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
    QmpMonitor monitor =
        new QmpMonitor(commands, memory, backend, pretty, mostOutput, this::execute);
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
