package dev.pollux.junit;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.pair.ControlSocket;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A guest in a pair of machines. What is done to the pair has happened when the call returns; what
 * follows from it is waited for with {@link #awaitProtected} and {@link #awaitEvent}.
 */
public final class PolluxPair extends PolluxGuest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** Events about whether there is a copy. */
  private static final Set<String> PAIRING = Set.of("protected", "unprotected", "failover");

  private final Process process;
  private final Path folder;
  private final GuestConsole console;

  // Guarded by this.
  private final List<JsonNode> events = new ArrayList<>();
  private boolean ended;

  /** Events before this one were there when something was done to the pair last. */
  private int before;

  private PolluxPair(GuestOptions options, Process process, Path folder) throws IOException {
    super(options, process);
    this.process = process;
    this.folder = folder;
    BufferedReader said = process.inputReader(StandardCharsets.UTF_8);
    var _ = Thread.ofPlatform().name("pair's events").daemon(true).start(() -> read(said));
    // The console is there by then.
    var _ = awaitEvent("starting");
    SocketChannel channel =
        SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("terminal")));
    console = new GuestConsole(Channels.newInputStream(channel), Channels.newOutputStream(channel));
  }

  /**
   * Starts it.
   *
   * @param more options of {@code pollux pair}
   * @param folder for its sockets and logs
   */
  static PolluxPair start(GuestOptions options, List<String> more, Path folder) throws IOException {
    List<String> words = new ArrayList<>(List.of("pair", "--json", "--log-consoles"));
    words.addAll(List.of("--folder", folder.toString()));
    words.addAll(List.of("--console", "unix:" + folder.resolve("terminal")));
    words.addAll(more);
    words.addAll(options.words());
    Process process = PolluxCommand.start(options.starter(), folder.resolve("pair.log"), words);
    try {
      return new PolluxPair(options, process, folder);
    } catch (IOException | RuntimeException | AssertionError e) {
      PolluxCommand.kill(process);
      throw e;
    }
  }

  private void read(BufferedReader said) {
    try (said) {
      for (String line = said.readLine(); line != null; line = said.readLine()) {
        JsonNode event = JSON.readTree(line);
        Files.writeString(
            folder.resolve("events.log"),
            line + "\n",
            StandardOpenOption.CREATE,
            StandardOpenOption.APPEND);
        add(event);
      }
    } catch (IOException e) {
      // The end, too.
    }
    synchronized (this) {
      ended = true;
      notifyAll();
    }
  }

  private synchronized void add(JsonNode event) {
    if (!event.path("event").asText().equals("status")) {
      events.add(event);
      notifyAll();
    }
  }

  @Override
  public GuestConsole console() {
    return console;
  }

  @Override
  public JsonNode qmp(String command, Object... arguments) throws IOException {
    var question = JSON.createObjectNode().put("execute", command);
    question.set("arguments", arguments(arguments));
    return ask("qmp " + question).path("return");
  }

  // ---- what happens ----

  /** What the pair has told so far, as {@code --json} does, without the events {@code status}. */
  public synchronized List<JsonNode> events() {
    return List.copyOf(events);
  }

  /**
   * Waits until there is a copy that would go on: one that was made after what was done to the pair
   * last.
   */
  public void awaitProtected() {
    var _ = await("protected", PolluxPair::newestPairing);
  }

  /** The last event about whether there is a copy, if it says that there is one. */
  private static Optional<JsonNode> newestPairing(List<JsonNode> since) {
    return since.stream()
        .filter(event -> PAIRING.contains(event.path("event").asText()))
        .reduce((_, last) -> last)
        .filter(last -> last.path("event").asText().equals("protected"));
  }

  /**
   * Waits for an event of {@code --json}: one that has come after what was done to the pair last.
   *
   * @throws AssertionError if it does not come within two minutes, or the pair has ended without it
   */
  public JsonNode awaitEvent(String name) {
    return await(
        name,
        since ->
            since.stream().filter(event -> event.path("event").asText().equals(name)).findFirst());
  }

  /**
   * @param find finds what is waited for in the events since something was done to the pair last
   */
  private synchronized JsonNode await(
      String what, Function<List<JsonNode>, Optional<JsonNode>> find) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      Optional<JsonNode> found = find.apply(events.subList(before, events.size()));
      if (found.isPresent()) {
        return found.get();
      }
      long left = deadline - System.nanoTime();
      if (ended || left <= 0) {
        String why = ended ? "the pair has ended" : "nothing for " + PATIENCE;
        throw new AssertionError("no event \"%s\": %s\n%s".formatted(what, why, log()));
      }
      try {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted", e);
      }
    }
  }

  private String log() {
    try {
      return Files.readString(folder.resolve("pair.log"));
    } catch (IOException e) {
      return "no log: " + e.getMessage();
    }
  }

  /** How the pair is: {@code state}, the sides, statistics, networks and disks. */
  public JsonNode status() throws IOException {
    return ask("status");
  }

  // ---- what is done to it ----

  /** Kills the machine that runs the guest, with {@code kill -9}. */
  public void killPrimary() throws IOException {
    harm("fault kill-primary");
  }

  /** Kills the copy. */
  public void killSecondary() throws IOException {
    harm("fault kill-secondary");
  }

  /** Has the machine that runs the guest stand still, with {@code kill -STOP}. */
  public void freezePrimary() throws IOException {
    harm("fault freeze-primary");
  }

  /** Has the copy stand still. */
  public void freezeSecondary() throws IOException {
    harm("fault freeze-secondary");
  }

  /** Cuts the connection between the machines; both live. */
  public void cutLink() throws IOException {
    harm("fault cut-link");
  }

  /** Has the copy run the guest, as if the primary had died. */
  public void failover() throws IOException {
    harm("demote");
  }

  /** Has another copy made, in full. */
  public void resync() throws IOException {
    harm("resync");
  }

  private void harm(String command) throws IOException {
    int now;
    synchronized (this) {
      now = events.size();
    }
    var _ = ask(command);
    synchronized (this) {
      before = now;
    }
  }

  private JsonNode ask(String command) throws IOException {
    JsonNode answer = JSON.readTree(ControlSocket.ask(folder, command));
    if (answer.has("error")) {
      throw new IOException("%s: %s".formatted(command, answer.path("error").asText()));
    }
    return answer;
  }

  /** Ends the pair, as a user does: afterwards {@link #disk} has everything. */
  public void stop() throws IOException {
    var _ = ask("stop");
    process.onExit().orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS).join();
  }

  @Override
  public void close() {
    PolluxCommand.kill(process);
  }
}
