package dev.pollux.cli.pair.host;

import static java.util.stream.Collectors.toSet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.ControlSocket;
import dev.pollux.cli.pair.PairConsole;
import dev.pollux.cli.pair.PairOptions;
import dev.pollux.cli.pair.PairReport;
import dev.pollux.cli.pair.decide.Action;
import dev.pollux.cli.pair.decide.Decider;
import dev.pollux.cli.pair.decide.Doing;
import dev.pollux.cli.pair.decide.Event;
import dev.pollux.cli.pair.decide.Ledger;
import dev.pollux.cli.pair.watch.LiveTable;
import dev.pollux.cli.pair.watch.PairControls;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.process.Monitor;
import dev.pollux.core.host.HostClock;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/**
 * One side of a pair on two hosts: feeds the {@link Decider} with what happens, and does what it
 * says. Decides on the thread of {@link #run}; all others post to it.
 */
public final class HostAgent implements AutoCloseable {
  private static final long TICK_MILLIS = 50;
  private static final long SPEAK_NANOS = 150_000_000;
  private static final long FENCE_SECONDS = 60;
  private static final int SLOW_FACTOR = 10;
  private static final long LOOK_NANOS = 1_000_000_000;
  private static final long STRANGER_NANOS = 10_000_000_000L;
  private static final int LONGEST_NAME = 1000;
  private static final int MOST_UNHEARD = 64;

  /** What the user may want, by the words of the control socket. */
  private static final Map<String, Event.Wish> WISHES =
      Map.of(
          "promote", Event.Wish.PROMOTE,
          "promote-force", Event.Wish.PROMOTE_ANYWAY,
          "demote", Event.Wish.DEMOTE,
          "resync", Event.Wish.RESYNC,
          "stop", Event.Wish.STOP);

  private final HostOptions options;
  private final PairReport report;
  private final PairConsole console;
  private final Questions questions;
  private final PeerLink peer;
  private final LocalMachine machine;
  private final Decider decider;
  private final ControlSocket control;
  private final Map<Long, CompletableFuture<JsonNode>> asked = PeerMonitor.questions();
  private final BlockingQueue<Runnable> steps = new LinkedBlockingQueue<>();

  /** Messages of the other side that may be on their way here. */
  private final Semaphore unheard = new Semaphore(MOST_UNHEARD);

  private final CountDownLatch ended = new CountDownLatch(1);
  private volatile String generation = "";
  private Optional<Event.PeerSays> heard = Optional.empty();
  private long heardAt;
  private long spokeAt;
  private long lookedAt;
  private Optional<Long> strangerAt = Optional.empty();
  private boolean done;
  private boolean closed;

  /**
   * Opens everything; nothing is decided yet.
   *
   * @param terminal standard error is one
   */
  public HostAgent(HostOptions options, boolean terminal) throws IOException {
    this.options = options;
    report =
        PairReport.ofProcess(
            options.machine().json(),
            terminal && !(options.machine().console() instanceof PairOptions.Console.Stdio),
            options.machine().watchers());
    SideFiles files = new SideFiles(options.machine().folder());
    String life = UUID.randomUUID().toString().substring(0, 8);
    boolean hasImages =
        options.machine().disks().stream().allMatch(disk -> Files.exists(disk.file()));
    decider =
        new Decider(
            options.here().toString(),
            options.peerSide(),
            options.timing(),
            hasImages,
            files.generation("%s/%s/first".formatted(options.here(), life)),
            life);
    console =
        new PairConsole(
            options.machine().console(),
            key -> steps.add(() -> key(key)),
            options.machine().watchers());
    peer =
        new PeerLink(
            options.here(),
            options.peer(),
            PeerKey.of(options),
            this::hear,
            who -> post(() -> stranger(who)));
    questions =
        new Questions(
            options.lease().open(options.pair(), options.patience()),
            options.patience().toNanos(),
            event -> steps.add(() -> decide(event)));
    machine =
        new LocalMachine(
            options, files, console, (event, why) -> steps.add(() -> happen(event, why)));
    control =
        new ControlSocket(
            options.machine().folder(),
            Stream.concat(WISHES.keySet().stream(), Stream.of("status")).collect(toSet()),
            (word, _) -> control(word));
    options.machine().watchers().forEach(watcher -> watcher.controls(new Controls()));
  }

  /** Keeps this side until the pair ends. */
  public int run() throws IOException {
    report.event(
        "starting",
        "%s of pair %s; sockets and logs are in %s"
            .formatted(options.here(), options.pair(), options.machine().folder()),
        PairReport.details().put("side", options.here().toString()));
    peer.start();
    control.start();
    while (!done) {
      try {
        Runnable step = steps.poll(TICK_MILLIS, TimeUnit.MILLISECONDS);
        if (step != null) {
          step.run();
        }
        tick();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
    report.event("ended", "the pair has ended", PairReport.details().put("status", 0));
    return 0;
  }

  private void tick() {
    decide(new Event.Tick());
    long now = HostClock.bootNanos();
    long pause = now - spokeAt;
    if (pause >= SPEAK_NANOS) {
      spokeAt = now;
      Event.PeerSays says = decider.says();
      peer.send(
          message()
              .put("says", says.doing().name())
              .put("generation", says.generation())
              .put("images", says.hasImages()));
      // Where this process stood still itself, the answers may wait to be read.
      if (pause < 2 * SPEAK_NANOS && machine.silentMillis() > patienceWithMachine()) {
        machine.kill("the machine's monitor does not answer");
      }
    }
    if (now - lookedAt >= LOOK_NANOS) {
      lookedAt = now;
      look();
    }
    if (heard.isPresent()
        && now - heardAt > TimeUnit.MILLISECONDS.toNanos(options.machine().silenceMillis())) {
      heard = Optional.empty();
      decide(new Event.PeerSilent());
    }
  }

  /** Has it be seen how the pair fares; the machine is asked meanwhile. */
  private void look() {
    ObjectNode none = PairReport.details();
    String doing = word(decider.doing());
    boolean running = decider.isProtected();
    boolean copy = decider.doing() == Doing.COPY;
    Thread.startVirtualThread(
        () -> {
          JsonNode statistics = running || copy ? machine.statistics() : none;
          PairView view = PairView.of(doing, running ? statistics : none, copy ? statistics : none);
          report.progress(view);
          console.title(LiveTable.title(view));
        });
  }

  /** Where nobody would go on, a machine that is only slow is better than none. */
  private long patienceWithMachine() {
    boolean alone = decider.doing() == Doing.RUNNING && !decider.isProtected();
    return (alone ? SLOW_FACTOR : 1L) * options.machine().silenceMillis();
  }

  private ObjectNode message() {
    return JsonNodeFactory.instance
        .objectNode()
        .put("pair", options.pair())
        .put("side", options.here().toString());
  }

  // ---- events ----

  private void happen(Event event, String why) {
    if (!why.isEmpty()) {
      report.event("machine", why, PairReport.details().put("reason", why));
    }
    decide(event);
  }

  private void decide(Event event) {
    List<Action> actions = decider.on(event, HostClock.bootNanos());
    generation = decider.says().generation();
    actions.forEach(this::perform);
  }

  /** On a thread of the connection's. */
  private void hear(JsonNode message) {
    if (!message.path("pair").asText().equals(options.pair())
        || !message.path("side").asText().equals(options.peerSide())) {
      post(() -> stranger(message));
    } else if (message.has("ask")) {
      unheard.acquireUninterruptibly();
      Thread.ofVirtual().start(() -> answer(message));
    } else if (message.has("reply")) {
      PeerMonitor.answer(message, asked);
    } else {
      post(() -> heard(message));
    }
  }

  /** Who is at the other end waits where this side does not keep up. */
  private void post(Runnable step) {
    unheard.acquireUninterruptibly();
    steps.add(
        () -> {
          unheard.release();
          step.run();
        });
  }

  private void stranger(JsonNode message) {
    stranger(
        "%s of pair %s speaks here, where %s of pair \"%s\" is expected"
            .formatted(
                message.path("side"), message.path("pair"), options.peerSide(), options.pair()));
  }

  /** Told now and then: it may come again and again. */
  private void stranger(String sentence) {
    long now = HostClock.bootNanos();
    if (strangerAt.isEmpty() || now - strangerAt.get() > STRANGER_NANOS) {
      strangerAt = Optional.of(now);
      report.event("stranger", sentence, PairReport.details().put("who", sentence));
    }
  }

  private void heard(JsonNode message) {
    try {
      if (message.has("wish")) {
        decide(new Event.Wanted(Event.Wish.valueOf(message.path("wish").asText())));
        return;
      }
      String of = message.path("generation").asText();
      if (of.length() > LONGEST_NAME) {
        throw new IllegalArgumentException("no generation"); // it goes into the record
      }
      Event.PeerSays says =
          new Event.PeerSays(
              Doing.valueOf(message.path("says").asText()), of, message.path("images").asBoolean());
      heard = Optional.of(says);
      heardAt = HostClock.bootNanos();
      decide(says);
    } catch (IllegalArgumentException e) {
      stranger(message);
    }
  }

  /** The other side's agent works on this side's machine. */
  private void answer(JsonNode question) {
    Optional<Monitor> monitor =
        machine
            .side()
            .filter(_ -> generation.equals(question.path("generation").asText()))
            .map(side -> side.process());
    Monitor none =
        (command, arguments) -> {
          throw new IOException("that machine is gone");
        };
    try {
      peer.send(message().setAll(PeerMonitor.serve(question, monitor.orElse(none))));
    } finally {
      unheard.release();
    }
  }

  private Monitor monitorOfPeer(String generation) {
    return new PeerMonitor(generation, ask -> peer.send(message().setAll(ask)), asked);
  }

  // ---- actions ----

  private void perform(Action action) {
    switch (action) {
      case Action.Look _ -> questions.ask(Optional.empty());
      case Action.Write(Ledger ledger) -> questions.ask(Optional.of(ledger));
      case Action.Allow(long until) -> machine.allow(until);
      case Action.StartPrimary(long until) -> machine.startPrimary(until);
      case Action.StartCopy(String generation) ->
          machine.startCopy(
              generation, monitorOfPeer(heard.map(Event.PeerSays::generation).orElse("")));
      case Action.Pair(String generation) -> machine.pair(generation, monitorOfPeer(generation));
      case Action.Unpair _ -> machine.unpair();
      case Action.GoOnAlone _ -> machine.goOnAlone();
      case Action.TakeOver _ -> machine.takeOver(decider.allowedUntil());
      case Action.Kill _ -> machine.kill("");
      case Action.Fence _ -> options.fence().ifPresent(this::fence);
      case Action.Forward(Event.Wish wish) -> peer.send(message().put("wish", wish.name()));
      case Action.Tell(String event, String sentence) ->
          report.event(event, sentence, PairReport.details().put("sentence", sentence));
      case Action.Exit _ -> done = true;
    }
  }

  /** Runs the user's command; what it says is not to be among the events on standard output. */
  private void fence(String command) {
    report.event(
        "fencing",
        "%s is to be switched off: %s".formatted(options.peer(), command),
        PairReport.details());
    Thread.ofVirtual()
        .start(
            () -> {
              boolean off = false;
              try {
                ProcessBuilder builder =
                    new ProcessBuilder(List.of("sh", "-c", "exec >&2\n" + command))
                        .redirectInput(new File("/dev/null"))
                        .inheritIO();
                builder.environment().put("POLLUX_PEER", options.peer().host());
                Process process = builder.start();
                off = process.waitFor(FENCE_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
                process.destroyForcibly();
              } catch (IOException e) {
                // Not off, then.
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              boolean result = off;
              steps.add(() -> fenced(result));
            });
  }

  private void fenced(boolean off) {
    report.event(
        "fenced",
        off
            ? options.peer() + " is off"
            : "the fencing command has failed; the lease is waited for",
        PairReport.details().put("off", off));
    decide(new Event.FenceEnded(off));
  }

  // ---- the user ----

  private void key(int key) {
    if (key == 'x') {
      decide(new Event.Wanted(Event.Wish.STOP));
    } else {
      report.event("status", status().toString(), status());
    }
  }

  /** What the control socket is asked; on a thread of that. */
  private JsonNode control(String command) {
    CompletableFuture<JsonNode> reply = new CompletableFuture<>();
    steps.add(
        () -> {
          Event.Wish wish = WISHES.get(command);
          String refusal = wish == null ? "" : decider.refusal(wish);
          if (!refusal.isEmpty()) {
            reply.complete(PairReport.details().put("error", refusal));
            return;
          }
          if (wish != null) {
            decide(new Event.Wanted(wish));
          }
          reply.complete(status());
        });
    try {
      return reply.get(5, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      return PairReport.details().put("error", "no answer within 5 s");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return PairReport.details().put("error", "this side is ending");
    }
  }

  /** What a page may ask. */
  private final class Controls implements PairControls {
    @Override
    public String type(byte[] keys) {
      return console.offer(keys) ? "" : "the guest does not read";
    }

    @Override
    public CompletableFuture<String> failover() {
      return want(Event.Wish.DEMOTE);
    }

    @Override
    public CompletableFuture<String> resync() {
      return want(Event.Wish.RESYNC);
    }

    private CompletableFuture<String> want(Event.Wish wish) {
      CompletableFuture<String> answer = new CompletableFuture<>();
      steps.add(
          () -> {
            String why = decider.refusal(wish);
            if (why.isEmpty()) {
              decide(new Event.Wanted(wish));
            }
            answer.complete(why);
          });
      return answer;
    }
  }

  private ObjectNode status() {
    ObjectNode status = PairReport.details();
    status.put("pair", options.pair()).put("side", options.here().toString());
    status.put("doing", word(decider.doing())).put("protected", decider.isProtected());
    status.put("peer", heard.map(says -> word(says.doing())).orElse("silent"));
    Optional<Ledger> known = decider.known();
    status.put("holder", known.map(Ledger::holder).orElse(""));
    known.ifPresent(ledger -> ledger.inSync().keySet().forEach(status.withArray("in-sync")::add));
    status.put("version", known.map(Ledger::version).orElse(0L));
    status.put("record", questions.failure().isEmpty() ? "reachable" : questions.failure());
    return status;
  }

  private static String word(Doing doing) {
    return doing.name().toLowerCase(java.util.Locale.ROOT);
  }

  /** Has this side end, and waits for that; the other goes on. Any other thread. */
  public void end() {
    steps.add(() -> decide(new Event.Wanted(Event.Wish.LEAVE)));
    try {
      var _ = ended.await(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    machine.close();
    control.close();
    peer.close();
    questions.close();
    console.close();
    report.close();
    ended.countDown();
  }
}
