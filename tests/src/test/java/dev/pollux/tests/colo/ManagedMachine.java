package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.Monitors;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A machine as a cluster manager has it: two monitors, one for everything, one for {@code yank}
 * alone; and someone who asks for its health all the time. No answer may take longer than {@code
 * -Dpollux.manager.answer=} ms, nor the start longer than {@code -Dpollux.manager.start=}: a
 * manager gives up after some hundred ms, and a loaded host takes its time.
 */
final class ManagedMachine implements AutoCloseable {
  private static final long MOST_ANSWER = Long.getLong("pollux.manager.answer", 8000);
  private static final long MOST_START = Long.getLong("pollux.manager.start", 30_000);
  private static final long HEALTH_MILLIS = 100;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final String name;
  private final ColoMachine machine;
  private final QmpClient second;
  private final Thread health = Thread.ofPlatform().daemon(true).unstarted(this::watch);
  private volatile boolean ended;

  /** Answers to what was asked before say nothing about the machine: it was frozen. */
  private volatile long thawed = System.nanoTime();

  private volatile String slowest = "";
  private volatile long longest;

  ManagedMachine(String name, Path folder, List<String> options)
      throws IOException, InterruptedException {
    this.name = name;
    List<String> all = new ArrayList<>(options);
    Path socket = folder.resolve(name + ".yank");
    all.addAll(List.of("-qmp", "unix:%s,server=on,wait=off".formatted(socket)));
    List<String> _ = JavaCommand.pollux(); // the program is trained before the first one starts
    long start = System.nanoTime();
    machine = new ColoMachine(name, folder, all.toArray(String[]::new));
    try {
      second = Monitors.connect(socket, _ -> {});
    } catch (IOException | InterruptedException e) {
      machine.close();
      throw e;
    }
    long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    if (took > MOST_START) {
      close();
      fail("%s: both monitors after %d ms".formatted(name, took));
    }
    health.start();
  }

  String name() {
    return name;
  }

  ColoMachine machine() {
    return machine;
  }

  String console() {
    return machine.console();
  }

  /** The command that was answered most slowly, for the reader. */
  String slowest() {
    return slowest;
  }

  private void took(String command, long start) {
    long millis = Duration.ofNanos(System.nanoTime() - start).toMillis();
    if (millis > longest && start - thawed >= 0) {
      longest = millis;
      slowest = "%s: %s after %d ms".formatted(name, command, millis);
    }
  }

  /** All answers so far came in time. */
  void assertInTime() {
    assertTrue(longest <= MOST_ANSWER, slowest);
  }

  private void watch() {
    ObjectNode none = JsonNodeFactory.instance.objectNode();
    try {
      while (!ended) {
        for (String command : List.of("query-status", "query-colo-status")) {
          long start = System.nanoTime();
          JsonNode _ = second.execute(command, none);
          took(command, start);
        }
        Thread.sleep(HEALTH_MILLIS);
      }
    } catch (IOException | CommandFailed e) {
      // It has ended, or stands still, and then it is killed.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** A command that must succeed. */
  JsonNode run(String command, String arguments) throws IOException {
    long start = System.nanoTime();
    try {
      return machine.run(command, arguments);
    } catch (CommandFailed e) {
      throw new AssertionError("%s: %s %s".formatted(name, command, arguments), e);
    } finally {
      took(command, start);
    }
  }

  JsonNode run(String command) throws IOException {
    return run(command, "{}");
  }

  /** A question of a condition. */
  JsonNode ask(String command, String arguments) {
    try {
      return run(command, arguments);
    } catch (IOException e) {
      throw new AssertionError(command, e);
    }
  }

  JsonNode ask(String command) {
    return ask(command, "{}");
  }

  /** A command whose error does not matter; whether there was none. */
  boolean attempt(String command, String arguments) throws IOException {
    long start = System.nanoTime();
    try {
      JsonNode _ = machine.run(command, arguments);
      return true;
    } catch (CommandFailed e) {
      return false;
    } finally {
      took(command, start);
    }
  }

  /** Waits until the machine has said something lately, whatever it says of it. */
  static void awaitReport(ManagedMachine side, String event) {
    int mark = Math.max(0, side.machine.mark() - 5);
    side.machine.awaitThat(
        event,
        () -> side.machine.eventsSince(mark).stream().anyMatch(each -> each.startsWith(event)));
  }

  /** What can be cut, as the second monitor tells it out of band. */
  JsonNode instances() throws IOException {
    try {
      return second.executeOutOfBand("query-yank", JsonNodeFactory.instance.objectNode());
    } catch (CommandFailed e) {
      throw new AssertionError(e);
    }
  }

  /** Cuts something; it may have gone meanwhile. */
  void yank(JsonNode instance) throws IOException {
    ObjectNode arguments = JSON.createObjectNode();
    arguments.putArray("instances").add(instance);
    long start = System.nanoTime();
    try {
      JsonNode _ = second.executeOutOfBand("yank", arguments);
    } catch (CommandFailed e) {
      assertTrue(e.errorClass().equals("DeviceNotFound"), e::toString);
    }
    took("yank", start);
  }

  /** Stops its process for a while. */
  void slow(long millis) throws IOException {
    machine.signal("STOP");
    ColoMachine.pause(millis);
    machine.signal("CONT");
    thawed = System.nanoTime();
  }

  /** Stops its process until it is killed. */
  void freeze() throws IOException {
    ended = true;
    machine.signal("STOP");
  }

  void kill() {
    ended = true;
    machine.kill();
    close();
  }

  @Override
  public void close() {
    ended = true;
    second.close();
    machine.close();
  }
}
