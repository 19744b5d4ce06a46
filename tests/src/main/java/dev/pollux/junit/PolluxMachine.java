package dev.pollux.junit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A guest in a machine of its own. */
public final class PolluxMachine extends PolluxGuest {
  private static final Duration START = Duration.ofMinutes(1);

  private final Process process;
  private final GuestConsole console;
  private final QmpClient monitor;

  private PolluxMachine(GuestOptions options, Process process, QmpClient monitor) {
    super(options, process);
    this.process = process;
    this.monitor = monitor;
    console = new GuestConsole(process.getInputStream(), process.getOutputStream());
  }

  /**
   * Starts it.
   *
   * @param folder for its socket and its log
   * @throws IOException with what it has said, if it does not start
   */
  static PolluxMachine start(GuestOptions options, Path folder) throws IOException {
    Path log = folder.resolve("machine.log");
    Path socket = folder.resolve("qmp");
    List<String> words = new ArrayList<>(List.of("run", "-serial", "stdio", "-monitor", "none"));
    words.addAll(List.of("-qmp", "unix:%s,server=on,wait=off".formatted(socket)));
    words.addAll(options.words());
    Process process = PolluxCommand.start(options.starter(), log, words);
    long end = System.nanoTime() + START.toNanos();
    while (true) {
      try {
        return new PolluxMachine(options, process, QmpClient.connect("unix:" + socket, _ -> {}));
      } catch (IOException e) {
        if (!process.isAlive() || System.nanoTime() > end) {
          PolluxCommand.kill(process);
          throw new IOException("the machine does not start: " + Files.readString(log), e);
        }
      }
      pause();
    }
  }

  private static void pause() throws IOException {
    try {
      TimeUnit.MILLISECONDS.sleep(20);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  @Override
  public GuestConsole console() {
    return console;
  }

  @Override
  public JsonNode qmp(String command, Object... arguments) throws IOException {
    try {
      return monitor.execute(command, (ObjectNode) arguments(arguments));
    } catch (QmpClient.CommandFailed e) {
      throw new IOException(command + ": " + e.getMessage(), e);
    }
  }

  /**
   * Waits until the guest has ended.
   *
   * @return the exit status
   * @throws AssertionError if it still runs after that time
   */
  public int await(Duration patience) throws InterruptedException {
    if (!process.waitFor(patience)) {
      throw new AssertionError("the guest still runs after " + patience);
    }
    return process.exitValue();
  }

  /** {@code kill -9}; returns when the machine is gone. */
  public void kill() {
    PolluxCommand.kill(process);
  }

  @Override
  public void close() {
    kill();
    monitor.close();
  }
}
