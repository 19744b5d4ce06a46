package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.LiveTable;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * Keeps a guest on two processes of this machine: starts both, makes them a pair, notices when one
 * is gone, lets the other go on, and starts another one for it.
 *
 * <p>There is one who decides, so there are never two primaries: before the secondary goes on
 * alone, the primary's process is killed and has ended. What is decided is decided on the thread of
 * {@link #run}; all others post to it.
 */
public final class Supervisor implements AutoCloseable {
  /** Where the pair is. */
  private enum State {
    STARTING,
    /** The secondary gets a copy of the disks. */
    SYNCING,
    PAIRING,
    PROTECTED,
    /** The guest runs, and nobody would take over. */
    ALONE,
    /** The guest has ended, or is to end. */
    ENDING
  }

  private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long PAIRING_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long FAREWELL_SECONDS = 5;
  private static final long FIRST_RETRY_MILLIS = 500;
  private static final long LAST_RETRY_MILLIS = 30_000;
  private static final int FAILURE = 1;

  /** Added to the number of the signal that ended a process. */
  private static final int SIGNALLED = 128;

  private final PairOptions options;
  private final PairReport report;
  private final PairConsole console;
  private final List<PairNetwork> networks = new ArrayList<>();
  private final List<PairDisk> disks = new ArrayList<>();

  private final SideStarter starter;
  private final Pairing pairing;
  private final PairRequests requests;
  private final BlockingQueue<Step> steps = new LinkedBlockingQueue<>();
  private final List<PlannedFault> faults;

  /** A fault was caused, and the pair has not been made again since. */
  private boolean hurt;

  /** Sees how it is. */
  private Optional<Thread> looking = Optional.empty();

  private final long began = System.nanoTime();

  private State state = State.STARTING;
  private boolean closed;
  private final CountDownLatch ended = new CountDownLatch(1);
  private Optional<Side> primary = Optional.empty();
  private Optional<Side> secondary = Optional.empty();
  private Optional<Integer> exitStatus = Optional.empty();
  private long retryMillis = FIRST_RETRY_MILLIS;
  private long pairingSince;
  private Optional<Long> protectedFirst = Optional.empty();

  /** Since when the guest stands still because its primary is gone; empty while it runs. */
  private Optional<Long> takingOverSince = Optional.empty();

  /** Something to do on the deciding thread. */
  private interface Step {
    void run() throws IOException;
  }

  /**
   * @param terminal standard error is one
   */
  public Supervisor(PairOptions options, boolean terminal) throws IOException {
    this.options = options;
    boolean free = !(options.console() instanceof PairOptions.Console.Stdio);
    report = PairReport.ofProcess(options.json(), terminal && free, options.watchers());
    faults = new ArrayList<>(options.faults());
    faults.sort(Comparator.comparingDouble(PlannedFault::seconds));
    options.networks().forEach(net -> networks.add(new PairNetwork(net, options.folder())));
    for (PairDisk.Spec disk : options.disks()) {
      disks.add(new PairDisk(disk, options.folder(), false));
    }
    console =
        new PairConsole(
            options.console(), key -> steps.add(() -> command(key)), options.watchers());
    starter = new SideStarter(options, console, disks, networks, new Heard());
    pairing = new Pairing(options, disks, networks);
    requests = new PairRequests(options, console, new Kept(), request -> steps.add(request::run));
  }

  /** Has the pair end, as if the user had typed so, and waits for that. Any other thread. */
  public void end() {
    steps.add(this::finish);
    try {
      var _ = ended.await(2 * FAREWELL_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Keeps the pair until the guest ends.
   *
   * @return the exit status of the process that ran it, 1 if it was lost
   * @throws IOException if the first process does not start
   */
  public int run() throws IOException {
    report.event("starting", "sockets and logs are in " + options.folder(), PairReport.details());
    requests.start();
    String name = starter.nextName();
    if (disks.isEmpty()) {
      starter.secondary(0, Optional.empty()); // beside the first
    }
    settleDisks();
    for (PairDisk disk : disks) {
      String found = disk.recover();
      if (!found.isEmpty()) {
        report.event("recovered", found, PairReport.details());
      }
      disk.reserveNote();
    }
    Side first = starter.first(name);
    primary = Optional.of(first);
    starter.follow(first);
    if (!disks.isEmpty()) {
      starter.secondary(0, primary);
    }
    state = State.ALONE;
    long nextLook = System.nanoTime();
    beginPairing();
    while (exitStatus.isEmpty()) {
      Step step = next(Math.min(nextLook, faultDue()));
      if (step != null) {
        step.run();
      }
      cause();
      if (System.nanoTime() >= nextLook) {
        look();
        nextLook = System.nanoTime() + LOOK_NANOS;
      }
    }
    return exitStatus.get();
  }

  private void settleDisks() throws IOException {
    boolean merge = true;
    for (PairDisk disk : disks) {
      merge &= disk.hasTakenOver();
    }
    for (PairDisk disk : disks) {
      disk.settle(merge);
    }
  }

  private Step next(long until) throws IOException {
    try {
      return steps.poll(Math.max(0, until - System.nanoTime()), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  // ---- starting and pairing ----

  /** Has what a process tells decided upon. */
  private final class Heard implements SideStarter.Listener {
    @Override
    public void happened(Side side, JsonNode event) {
      steps.add(() -> event(side, event));
    }

    @Override
    public void ended(Side side, int status) {
      steps.add(() -> gone(side, status));
    }

    @Override
    public void arrived(Side side) {
      steps.add(() -> Supervisor.this.arrived(side));
    }

    @Override
    public void doesNotStart(String name, IOException why) {
      steps.add(
          () -> {
            starter.forget(name);
            retry("the secondary does not start: " + why.getMessage());
          });
    }
  }

  private void arrived(Side side) throws IOException {
    if (state == State.ENDING) {
      side.close();
      return;
    }
    secondary = Optional.of(side);
    beginPairing();
  }

  private void beginPairing() throws IOException {
    if (state != State.ALONE || primary.isEmpty() || secondary.isEmpty()) {
      return;
    }
    pairingSince = System.nanoTime();
    if (disks.isEmpty()) {
      pair();
      return;
    }
    state = State.SYNCING;
    var _ =
        attempt(
            "the disks cannot be copied",
            () -> pairing.beginCopy(primary.get().process(), secondary.get().process()));
  }

  /** Does a step of making a pair; there is none where that fails. */
  private boolean attempt(String problem, Step step) throws IOException {
    try {
      step.run();
      return true;
    } catch (IOException e) {
      loseSecondary("%s: %s".formatted(problem, e.getMessage()));
      return false;
    }
  }

  /** A copy follows its original, or has failed. */
  private void copied(String job, String error) throws IOException {
    if (state != State.SYNCING) {
      return;
    }
    boolean[] all = new boolean[1];
    boolean done =
        attempt(
            "the disks cannot be copied",
            () -> {
              if (!error.isEmpty()) {
                throw new IOException(error);
              }
              all[0] = pairing.copied(job, primary.orElseThrow().process());
            });
    if (done && all[0]) {
      pair();
    }
  }

  private void pair() throws IOException {
    state = State.PAIRING;
    pairingSince = System.nanoTime();
    var _ =
        attempt(
            "the pair was not made",
            () ->
                pairing.connect(
                    primary.orElseThrow().process(), secondary.orElseThrow().process()));
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private void becomeProtected() {
    state = State.PROTECTED;
    hurt = false;
    retryMillis = FIRST_RETRY_MILLIS;
    if (protectedFirst.isEmpty()) {
      protectedFirst = Optional.of(System.nanoTime());
    }
    String p = primary.orElseThrow().name();
    String s = secondary.orElseThrow().name();
    report.event(
        "protected",
        "protected: %s runs the guest, %s would go on (%.1f s after the start)"
            .formatted(p, s, millisSince(began) / 1000.0),
        PairReport.details().put("primary", p).put("secondary", s));
  }

  // ---- what the sides say ----

  private void event(Side side, JsonNode event) throws IOException {
    boolean ofPrimary = primary.filter(side::equals).isPresent();
    boolean ofSecondary = secondary.filter(side::equals).isPresent();
    JsonNode data = event.path("data");
    switch (event.path("event").asText()) {
      case "MIGRATION" -> {
        String status = data.path("status").asText();
        if (state == State.PAIRING && ofPrimary && status.equals("pre-switchover")) {
          var _ =
              attempt(
                  "the pair was not made", () -> pairing.compare(primary.orElseThrow().process()));
        } else if (state == State.PAIRING && ofPrimary && status.equals("colo")) {
          becomeProtected();
        } else if (state == State.PAIRING && ofPrimary && status.equals("failed")) {
          loseSecondary("the pair was not made");
        }
      }
      case "BLOCK_JOB_READY" -> {
        if (ofPrimary) {
          copied(data.path("device").asText(), "");
        }
      }
      case "BLOCK_JOB_COMPLETED" -> {
        if (ofPrimary && data.has("error")) {
          copied(data.path("device").asText(), data.path("error").asText());
        }
      }
      case "QUORUM_REPORT_BAD" -> {
        if (ofPrimary && !data.path("type").asText().equals("read")) {
          missedWrite(data.path("node-name").asText(), data.path("error").asText());
        }
      }
      case "COLO_EXIT" -> {
        if (state == State.PROTECTED && data.path("reason").asText().equals("error")) {
          brokenPair(ofPrimary, ofSecondary);
        }
      }
      case "RESUME" -> {
        if (ofPrimary && takingOverSince.isPresent()) {
          long millis = millisSince(takingOverSince.get());
          takingOverSince = Optional.empty();
          report.event(
              "resumed",
              "%s went on alone %d ms after that was seen".formatted(side.name(), millis),
              PairReport.details().put("primary", side.name()).put("milliseconds", millis));
        }
      }
      case "SHUTDOWN" -> {
        if (ofPrimary && state != State.ENDING) {
          String reason = data.path("reason").asText();
          if (!options.machine().contains("-no-shutdown")) {
            state = State.ENDING;
          }
          report.event(
              "shutdown",
              "the guest has ended: " + reason,
              PairReport.details().put("reason", reason));
        }
      }
      case "RESET" -> {
        if (ofPrimary) {
          report.event("reset", "the guest was reset", PairReport.details());
        }
      }
      case "GUEST_PANICKED" -> {
        if (ofPrimary) {
          report.event("panicked", "the guest has panicked", PairReport.details());
        }
      }
      default -> {}
    }
  }

  /** The guest was told that it is written, because one of the two sides has done that. */
  private void missedWrite(String node, String error) throws IOException {
    if (state != State.PAIRING && state != State.PROTECTED) {
      return;
    }
    if (disks.stream().anyMatch(disk -> disk.hasTarget(node))) {
      loseSecondary("the secondary's disk does not take writes: " + error);
    } else if (state == State.PROTECTED && disks.stream().anyMatch(disk -> disk.isOwn(node))) {
      takeOver("the primary's disk does not take writes: " + error);
    }
  }

  /** One side says that the other is gone; it may be the connection only. */
  private void brokenPair(boolean primarySays, boolean secondarySays) throws IOException {
    if (primarySays) {
      loseSecondary("the primary has lost its secondary");
    } else if (secondarySays) {
      if (answers(primary.orElseThrow())) {
        loseSecondary("the connection between the sides is gone");
      } else {
        takeOver("the primary does not answer");
      }
    }
  }

  /** Whether a side's monitor answers; it may have been silent for some time already. */
  private static boolean answers(Side side) {
    long left = Side.ANSWER_MILLIS - side.pulse().silentMillis();
    return left > 0 && !side.ask("query-status", object(), left).isEmpty();
  }

  private void gone(Side side, int status) throws IOException {
    if (primary.filter(side::equals).isPresent()) {
      switch (state) {
        case PROTECTED -> takeOver("the primary's process has ended");
        case ENDING -> finish(status);
        default -> {
          if (secondary.filter(Supervisor::holdsCopy).isPresent()) {
            takeOver("the primary's process has ended");
          } else {
            lose("its process has ended, and there is no copy: " + howEnded(side, status));
          }
        }
      }
    } else if (secondary.filter(side::equals).isPresent() && state != State.ENDING) {
      loseSecondary("the secondary's process has ended: " + howEnded(side, status));
    }
  }

  private static String howEnded(Side side, int status) throws IOException {
    return status > SIGNALLED
        ? "signal " + (status - SIGNALLED)
        : "exit status %d, %s".formatted(status, side.process().lastWords());
  }

  // ---- failover ----

  private void takeOver(String why) throws IOException {
    Side dead = primary.orElseThrow();
    Side survivor = secondary.orElseThrow();
    takingOverSince = Optional.of(System.nanoTime());
    dead.close();
    secondary = Optional.empty();
    primary = Optional.of(survivor);
    for (PairDisk disk : disks) {
      disk.newest(survivor.name()); // before it writes
    }
    try {
      MachineProcess.attempt(() -> survivor.process().run("nbd-server-stop"));
      var _ = survivor.process().run("x-colo-lost-heartbeat");
    } catch (IOException e) {
      lose(e.getMessage());
      return;
    }
    starter.forget(dead.name());
    starter.follow(survivor);
    pairing.endOnSecondary(survivor.process());
    state = State.ALONE;
    report.event(
        "failover",
        "%s (%s): %s takes over".formatted(why, dead.name(), survivor.name()),
        PairReport.details().put("reason", why).put("primary", survivor.name()));
    starter.secondary(0, primary);
  }

  private void lose(String why) {
    report.event("lost", "the guest is lost: " + why, PairReport.details().put("reason", why));
    finish(FAILURE);
  }

  /** Whether the other side could go on, though the primary has not told so yet. */
  private static boolean holdsCopy(Side side) {
    return side.ask("query-colo-status").path("mode").asText().equals("secondary");
  }

  private void loseSecondary(String why) throws IOException {
    if (secondary.isPresent()) {
      secondary.get().close();
      starter.forget(secondary.get().name());
      secondary = Optional.empty();
    }
    boolean paired = state == State.PROTECTED;
    state = State.ALONE;
    MachineProcess survivor = primary.orElseThrow().process();
    if (paired) {
      try {
        var _ = survivor.run("x-colo-lost-heartbeat");
      } catch (IOException e) {
        // COLO has ended by itself in between, and the guest runs; or the process is ending, which
        // is told next.
      }
    }
    pairing.endOnPrimary(survivor);
    retry(why);
  }

  private void retry(String why) {
    if (state == State.ENDING) {
      return;
    }
    report.event(
        "unprotected",
        "%s; another secondary is started".formatted(why),
        PairReport.details().put("reason", why));
    starter.secondary(retryMillis, primary);
    retryMillis = Math.min(LAST_RETRY_MILLIS, retryMillis * 2);
  }

  // ---- faults that the user wants ----

  private long faultDue() {
    return faults.isEmpty() || hurt || state != State.PROTECTED
        ? Long.MAX_VALUE
        : protectedFirst.orElseThrow() + (long) (faults.getFirst().seconds() * 1e9);
  }

  /** Causes the next fault once it is due and there is a pair to survive it. */
  private void cause() throws IOException {
    if (System.nanoTime() < faultDue()) {
      return;
    }
    inflict(faults.removeFirst().kind());
  }

  private void inflict(PlannedFault.Kind kind) throws IOException {
    hurt = true;
    report.event(
        "fault", "on purpose: " + kind.word(), PairReport.details().put("fault", kind.word()));
    Side p = primary.orElseThrow();
    Side s = secondary.orElseThrow();
    switch (kind) {
      case KILL_PRIMARY -> p.process().kill();
      case KILL_SECONDARY -> s.process().kill();
      case FREEZE_PRIMARY -> p.process().freeze();
      case FREEZE_SECONDARY -> s.process().freeze();
      case CUT_LINK -> {
        ObjectNode migration = object();
        migration.putArray("instances").addObject().put("type", "migration");
        var _ = s.process().run("yank", migration);
      }
    }
  }

  // ---- looking and ending ----

  private void look() throws IOException {
    if (state == State.PAIRING && System.nanoTime() - pairingSince > PAIRING_NANOS) {
      loseSecondary("the pair was not made within a minute");
    }
    if (looking.filter(Thread::isAlive).isEmpty()) {
      looking =
          Optional.of(
              view(
                  view -> {
                    report.progress(view);
                    console.title(LiveTable.title(view));
                  }));
    }
  }

  private Thread view(Consumer<PairView> then) {
    boolean paired = state == State.PROTECTED;
    boolean copying = state == State.SYNCING;
    Set<PairDisk> behind = Set.copyOf(copying ? pairing.copying() : paired ? Set.of() : disks);
    String word = state.name().toLowerCase(Locale.ROOT);
    return new Lookout(word, primary, secondary, paired, copying, networks, disks, behind)
        .look(then);
  }

  /** A key after Ctrl-A. */
  private void command(int key) {
    switch (key) {
      case 'x' -> finish();
      case 's' -> {
        var _ =
            view(
                view ->
                    report.event("status", String.join("\n", LiveTable.lines(view)), view.json()));
      }
      default ->
          report.event(
              "help",
              "Ctrl-A x ends the pair, Ctrl-A s tells how it is, Ctrl-A Ctrl-A sends Ctrl-A",
              PairReport.details());
    }
  }

  /** What others may ask of it. */
  private final class Kept implements PairRequests.Keeper {
    @Override
    public boolean isProtected() {
      return state == State.PROTECTED;
    }

    @Override
    public Optional<Side> primary() {
      return primary;
    }

    @Override
    public void view(Consumer<PairView> then) {
      var _ = Supervisor.this.view(then);
    }

    @Override
    public void inflict(PlannedFault.Kind fault) throws IOException {
      Supervisor.this.inflict(fault);
    }

    @Override
    public void takeOver(String why) {
      whileProtected(() -> Supervisor.this.takeOver(why));
    }

    @Override
    public void loseSecondary(String why) {
      whileProtected(() -> Supervisor.this.loseSecondary(why));
    }

    /** A step of its own: what fails in it ends the pair, as it does without being asked for. */
    private void whileProtected(Step step) {
      steps.add(
          () -> {
            if (isProtected()) {
              step.run();
            }
          });
    }

    @Override
    public void finish() {
      Supervisor.this.finish();
    }
  }

  private void finish() {
    state = State.ENDING;
    primary.ifPresent(Supervisor::quit);
    finish(primary.map(Supervisor::statusAtEnd).orElse(FAILURE));
  }

  private static void quit(Side side) {
    side.tell("quit", object());
  }

  private static int statusAtEnd(Side side) {
    try {
      return side.process().onExit().get(FAREWELL_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      return FAILURE;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return FAILURE;
    }
  }

  private void finish(int status) {
    state = State.ENDING;
    if (exitStatus.isEmpty()) {
      exitStatus = Optional.of(status);
      report.event("ended", "the pair has ended", PairReport.details().put("status", status));
    }
  }

  private static long millisSince(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
  }

  /** Kills what still runs; again without effect. */
  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    requests.close();
    console.close();
    primary.ifPresent(Side::close);
    secondary.ifPresent(Side::close);
    networks.forEach(PairNetwork::close);
    if (primary.isPresent() && exitStatus.isPresent()) {
      settleDisks();
      for (PairDisk disk : disks) {
        disk.finish();
      }
    }
    report.close();
    ended.countDown();
  }
}
