package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * One of the two processes, with its console connected. Closing kills it.
 *
 * @param name {@code a}, {@code b}, and so on: which of the two is the primary changes
 * @param listener ends when all that the side has printed was passed on
 */
public record Side(
    String name, MachineProcess process, Pulse pulse, SocketChannel console, Thread listener)
    implements AutoCloseable {
  static final long ANSWER_MILLIS = 500;
  private static final long LAST_WORDS_MILLIS = 1000;

  /**
   * Starts a side and waits until it can be talked to.
   *
   * @param more options of its own
   * @param consoles hear what it prints
   * @param onEvent hears its monitor's events, on a thread of the connection's
   */
  public static Side start(
      String name,
      PairOptions options,
      List<String> more,
      PairConsole consoles,
      Consumer<JsonNode> onEvent)
      throws IOException {
    Path socket = options.folder().resolve(name + ".console");
    Files.deleteIfExists(socket);
    List<String> words = new ArrayList<>(options.machine());
    words.addAll(List.of("-display", "none", "-monitor", "none"));
    String log =
        options.logConsoles() ? ",logfile=" + options.folder().resolve(name + ".console.log") : "";
    words.addAll(
        List.of("-chardev", "socket,id=pair-console,server=on,wait=off,path=" + socket + log));
    words.addAll(List.of("-serial", "chardev:pair-console"));
    words.addAll(more);
    MachineProcess process = MachineProcess.start(name, options.folder(), words, onEvent);
    try {
      SocketChannel console = SocketChannel.open(UnixDomainSocketAddress.of(socket));
      return new Side(name, process, new Pulse(process), console, consoles.listenTo(console));
    } catch (IOException e) {
      process.close();
      throw new IOException("%s: no console: %s".formatted(name, e.getMessage()), e);
    }
  }

  /** Sends a command whose answer nobody waits for. */
  public void tell(String command, ObjectNode arguments) {
    try {
      var _ = process.send(command, arguments);
    } catch (IOException e) {
      // It is ending by itself.
    }
  }

  /** What it answers within half a second; an object without members otherwise. Any thread. */
  JsonNode ask(String command) {
    return ask(command, JsonNodeFactory.instance.objectNode());
  }

  /** As above, with arguments. */
  JsonNode ask(String command, ObjectNode arguments) {
    return ask(command, arguments, ANSWER_MILLIS);
  }

  /** As above, within another time. */
  JsonNode ask(String command, ObjectNode arguments, long millis) {
    JsonNode nothing = JsonNodeFactory.instance.objectNode();
    try {
      return process.send(command, arguments).get(millis, TimeUnit.MILLISECONDS).path("return");
    } catch (IOException | ExecutionException | TimeoutException e) {
      return nothing;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return nothing;
    }
  }

  @Override
  public void close() {
    process.close();
    try {
      listener.join(LAST_WORDS_MILLIS);
      console.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      // It ended with the process.
    }
  }
}
