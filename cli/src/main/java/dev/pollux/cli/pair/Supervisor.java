package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.LiveTable;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
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
  private static final long FIRST_RETRY_MILLIS = 500;
  private static final long LAST_RETRY_MILLIS = 30_000;
  private static final int FAILURE = 1;

  private final PairOptions options;
  private final PairReport report;
  private final PairConsole console;
  private final List<PairNetwork> networks = new ArrayList<>();
  private final PairDisks disks;

  private final SideStarter starter;
  private final Pairing pairing;
  private final PairRequests requests;
  private final BlockingQueue<Step> steps = new LinkedBlockingQueue<>();
  private final FaultPlan faults;
  private final SideEvents events = new SideEvents(new Told());

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

  /** The secondary's disks have what the primary's have not. */
  private boolean diskFails;

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
    faults = new FaultPlan(options.faults());
    options.networks().forEach(net -> networks.add(new PairNetwork(net, options.folder())));
    disks =
        new PairDisks(
            options.disks().stream()
                .map(disk -> new PairDisk(disk, options.folder(), false))
                .toList());
    console =
        new PairConsole(
            options.console(), key -> steps.add(() -> command(key)), options.watchers());
    starter = new SideStarter(options, console, disks.all(), networks, new Heard());
    pairing = new Pairing(options, disks.all(), networks);
    requests = new PairRequests(options, console, new Kept(), request -> steps.add(request::run));
  }

  /** Has the pair end, as if the user had typed so, and waits for that. Any other thread. */
  public void end() {
    steps.add(this::finish);
    try {
      var _ = ended.await(2 * Farewell.SECONDS, TimeUnit.SECONDS);
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
    disks.begin(found -> report.event("recovered", found, PairReport.details()));
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

  private void becomeProtected() throws IOException {
    state = State.PROTECTED;
    faults.whole();
    retryMillis = FIRST_RETRY_MILLIS;
    String p = primary.orElseThrow().name();
    String s = secondary.orElseThrow().name();
    report.event(
        "protected",
        "protected: %s runs the guest, %s would go on (%.1f s after the start)"
            .formatted(p, s, millisSince(began) / 1000.0),
        PairReport.details().put("primary", p).put("secondary", s));
    if (diskFails) {
      takeOver("the primary's disk does not take writes");
    }
  }

  // ---- what the sides say ----

  private void event(Side side, JsonNode event) throws IOException {
    if (isPrimary(side)) {
      events.ofPrimary(side, event);
    } else {
      events.ofEither(side, event);
    }
  }

  private boolean isPrimary(Side side) {
    return primary.filter(side::equals).isPresent();
  }

  private boolean isSecondary(Side side) {
    return secondary.filter(side::equals).isPresent();
  }

  /** What events of the sides mean. */
  private final class Told implements SideEvents.Listener {
    @Override
    public void migrates(String status) throws IOException {
      if (state != State.PAIRING) {
        return;
      }
      switch (status) {
        case "pre-switchover" -> {
          MachineProcess from = primary.orElseThrow().process();
          var _ = attempt("the pair was not made", () -> pairing.compare(from));
        }
        case "colo" -> becomeProtected();
        case "failed" -> loseSecondary("the pair was not made");
        default -> {}
      }
    }

    @Override
    public void copied(String job, String error) throws IOException {
      Supervisor.this.copied(job, error);
    }

    @Override
    public void missedWrite(String node, String error) throws IOException {
      if (state != State.PAIRING && state != State.PROTECTED) {
        return;
      }
      if (disks.hasTarget(node)) {
        loseSecondary("the secondary's disk does not take writes: " + error);
      } else if (disks.isOwn(node)) {
        if (state == State.PROTECTED) {
          takeOver("the primary's disk does not take writes: " + error);
        } else {
          diskFails = true;
        }
      }
    }

    /** It may be the connection only. */
    @Override
    public void broken(Side of) throws IOException {
      if (state != State.PROTECTED) {
        return;
      }
      if (isPrimary(of)) {
        loseSecondary("the primary has lost its secondary");
      } else if (isSecondary(of)) {
        if (answers(primary.orElseThrow())) {
          loseSecondary("the connection between the sides is gone");
        } else {
          takeOver("the primary does not answer");
        }
      }
    }

    @Override
    public void runs(Side side) {
      if (takingOverSince.isPresent()) {
        long millis = millisSince(takingOverSince.get());
        takingOverSince = Optional.empty();
        report.event(
            "resumed",
            "%s went on alone %d ms after that was seen".formatted(side.name(), millis),
            PairReport.details().put("primary", side.name()).put("milliseconds", millis));
      }
    }

    @Override
    public void guestEnds(String reason) {
      if (state == State.ENDING) {
        return;
      }
      if (!options.machine().contains("-no-shutdown")) {
        state = State.ENDING;
      }
      report.event(
          "shutdown", "the guest has ended: " + reason, PairReport.details().put("reason", reason));
    }

    @Override
    public void guest(String event, String sentence) {
      report.event(event, sentence, PairReport.details());
    }
  }

  /** Whether a side's monitor answers; it may have been silent for some time already. */
  private static boolean answers(Side side) {
    long left = Side.ANSWER_MILLIS - side.pulse().silentMillis();
    return left > 0 && !side.ask("query-status", object(), left).isEmpty();
  }

  private void gone(Side side, int status) throws IOException {
    if (isPrimary(side)) {
      switch (state) {
        case PROTECTED -> takeOver("the primary's process has ended");
        case ENDING -> finish(status);
        default -> {
          if (secondary.filter(Supervisor::holdsCopy).isPresent()) {
            takeOver("the primary's process has ended");
          } else {
            lose("its process has ended, and there is no copy: " + Farewell.words(side, status));
          }
        }
      }
    } else if (isSecondary(side) && state != State.ENDING) {
      loseSecondary("the secondary's process has ended: " + Farewell.words(side, status));
    }
  }

  // ---- failover ----

  private void takeOver(String why) throws IOException {
    Side dead = primary.orElseThrow();
    Side survivor = secondary.orElseThrow();
    takingOverSince = Optional.of(System.nanoTime());
    dead.close();
    secondary = Optional.empty();
    primary = Optional.of(survivor);
    diskFails = false;
    disks.newest(survivor.name()); // before it writes
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
    diskFails = false;
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
    return state == State.PROTECTED ? faults.due() : Long.MAX_VALUE;
  }

  /** Causes the next fault once it is due and there is a pair to survive it. */
  private void cause() throws IOException {
    if (System.nanoTime() >= faultDue()) {
      inflict(faults.next());
    }
  }

  private void inflict(PlannedFault.Kind kind) throws IOException {
    report.event(
        "fault", "on purpose: " + kind.word(), PairReport.details().put("fault", kind.word()));
    faults.cause(kind, primary.orElseThrow(), secondary.orElseThrow());
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
    Set<PairDisk> behind =
        Set.copyOf(copying ? pairing.copying() : paired ? Set.of() : disks.all());
    String word = state.name().toLowerCase(Locale.ROOT);
    return new Lookout(word, primary, secondary, paired, copying, networks, disks.all(), behind)
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
    finish(primary.map(side -> Farewell.quit(side, FAILURE)).orElse(FAILURE));
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
      disks.end();
    }
    report.close();
    ended.countDown();
  }
}
