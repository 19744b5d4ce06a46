package dev.pollux.cli.pair.decide;

import dev.pollux.cli.pair.decide.Event.PeerSays;
import dev.pollux.cli.pair.decide.Event.Wish;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Decides for one side of a pair what its machine does. Everything it knows comes in as an event
 * with the time of a clock that never steps; everything it wants goes out as actions. Why there are
 * never two who run, and why no write is lost: see the page about pairs on two hosts.
 *
 * <p>One thread.
 */
public final class Decider {
  /** How the running side stands to a copy. */
  private enum Bond {
    ALONE,
    PAIRING,
    PAIRED,
    /** The pair is none any more; what it held back is still held. */
    BROKEN
  }

  private static final String NO_COPY = "%s would not go on: there is no copy";

  private final String me;
  private final String peer;
  private final Timing timing;
  private final boolean hasImages;
  private final Right right;

  private Doing doing = Doing.NOTHING;
  private Bond bond = Bond.ALONE;

  /** When the bond broke; only a replacement made since lets this side go on alone. */
  private long brokenSince;

  /** This side's disks may lack what the copy's have. */
  private boolean diskFails;

  /** On a copy: it has lost its primary. */
  private boolean orphaned;

  /** When this side became a copy. */
  private long copySince;

  private Optional<PeerSays> heard = Optional.empty();

  /** What the other side's machine had that was made a copy last, or was to be. */
  private String pairedGeneration = "";

  /** Of this side's disks. */
  private String generation;

  /** Since when this side has no copy that follows a primary; older looks are of no use. */
  private long uselessSince;

  private Optional<Long> fencedVersion = Optional.empty();
  private boolean fenceSucceeded;
  private long allowed;
  private boolean everAllowed;
  private boolean anyway;
  private boolean begun;
  private boolean seenAlive;
  private boolean ending;

  /** The pair is to end, and whoever holds the record has to know that. */
  private boolean stopping;

  private Optional<Long> askedToEnd = Optional.empty();

  /** What ends is this agent, not the pair. */
  private boolean leaving;

  private boolean done;
  private List<Action> actions = new ArrayList<>();

  /**
   * @param hasImages this side could begin from its disks
   * @param generation of these disks
   * @param life tells this run of the agent from earlier ones
   */
  public Decider(
      String me, String peer, Timing timing, boolean hasImages, String generation, String life) {
    this.me = me;
    this.peer = peer;
    this.timing = timing;
    this.hasImages = hasImages;
    this.generation = generation;
    this.right = new Right(me, life, timing);
  }

  public Doing doing() {
    return doing;
  }

  /** What the other side's agent is to hear. */
  public PeerSays says() {
    return new PeerSays(doing, generation, hasImages);
  }

  /** Until when this side's machine was last allowed to run. */
  public long allowedUntil() {
    return allowed;
  }

  /** The record as this side knows it. */
  public Optional<Ledger> known() {
    return right.known();
  }

  /** Whether this side runs, and the other would go on. */
  public boolean isProtected() {
    return doing == Doing.RUNNING
        && bond == Bond.PAIRED
        && right.isMine()
        && right.known().orElseThrow().lists(peer);
  }

  /** Why a wish would change nothing now, in a sentence; empty where something comes of it. */
  public String refusal(Wish wish) {
    boolean copy = doing == Doing.COPY && !orphaned;
    boolean other = heard.filter(says -> says.doing() == Doing.RUNNING).isPresent();
    return switch (wish) {
      case PROMOTE -> doing == Doing.RUNNING || copy && isListed() ? "" : NO_COPY.formatted(me);
      case PROMOTE_ANYWAY ->
          !other || copy && isListed()
              ? ""
              : "%s runs the guest, and %s is to become its copy".formatted(peer, me);
      case DEMOTE -> {
        if (doing == Doing.RUNNING) {
          yield isProtected() ? "" : NO_COPY.formatted(peer);
        }
        yield other ? "" : "%s does not run the guest".formatted(me);
      }
      case RESYNC -> doing == Doing.RUNNING && bond != Bond.PAIRED ? NO_COPY.formatted(peer) : "";
      case STOP, LEAVE -> "";
    };
  }

  private boolean isListed() {
    return right.known().filter(ledger -> ledger.isInSync(me, generation)).isPresent();
  }

  /** Takes an event in; what is to be done, in this order. */
  public List<Action> on(Event event, long now) {
    actions = new ArrayList<>();
    if (!begun) {
      begun = true;
      uselessSince = now;
    }
    boolean protectedBefore = isProtected();
    hear(event, now);
    if (!done) {
      decide(now);
      keepAsking(now);
    }
    if (isProtected() && !protectedBefore) {
      tell("protected", "%s runs the guest, %s would go on".formatted(me, peer));
    }
    return actions;
  }

  private void tell(String event, String sentence) {
    actions.add(new Action.Tell(event, sentence));
  }

  // ---- events ----

  private void hear(Event event, long now) {
    switch (event) {
      case Event.Tick _ -> {}
      case Event.Found(Optional<Ledger> ledger) -> right.found(ledger, now);
      case Event.Written _ -> right.written(now);
      case Event.Unanswered _ -> right.unanswered();
      case Event.Runs _ -> become(Doing.STARTING, Doing.RUNNING);
      case Event.Waits _ -> become(Doing.PREPARING, Doing.READY);
      case Event.Paired(String copy) -> paired(copy, now);
      case Event.Broken _ -> broken(now);
      case Event.Gone _ -> gone(now);
      case Event.DiskFails _ -> diskFails |= doing == Doing.RUNNING && bond != Bond.ALONE;
      case Event.GuestEnded _ -> ending |= doing == Doing.RUNNING || doing == Doing.COPY;
      case PeerSays says -> peerSays(says);
      case Event.PeerSilent _ -> heard = Optional.empty();
      case Event.FenceEnded(boolean success) -> fenceSucceeded = success;
      case Event.Wanted(Wish wish) -> want(wish);
    }
    right.known().ifPresent(ledger -> seenAlive |= !ledger.ended());
    if (seenAlive && right.known().filter(Ledger::ended).isPresent()) {
      ending = true;
    }
  }

  private void become(Doing from, Doing to) {
    if (doing == from) {
      doing = to;
    }
  }

  private void peerSays(PeerSays says) {
    heard = Optional.of(says);
    if (doing == Doing.RUNNING
        && bond == Bond.ALONE
        && says.doing() == Doing.READY
        && says.generation().equals(pairedGeneration)) {
      actions.add(new Action.Forward(Wish.RESYNC)); // it waits for what has failed
    }
  }

  private void paired(String copy, long now) {
    if (doing == Doing.READY && copy.equals(generation)) {
      doing = Doing.COPY;
      copySince = now;
    }
    if (doing == Doing.RUNNING && bond == Bond.PAIRING && copy.equals(pairedGeneration)) {
      bond = Bond.PAIRED;
    }
  }

  private void broken(long now) {
    if (doing == Doing.RUNNING && (bond == Bond.PAIRING || bond == Bond.PAIRED)) {
      bond = Bond.BROKEN;
      brokenSince = now;
      tell("unprotected", "%s has lost its copy".formatted(me));
    } else if (doing == Doing.COPY) {
      orphaned = true;
      uselessSince = now;
    } else if (doing == Doing.READY) {
      kill();
    }
  }

  private void gone(long now) {
    if (doing == Doing.RUNNING) {
      tell("died", "the machine of %s has ended".formatted(me));
    }
    doing = Doing.NOTHING;
    bond = Bond.ALONE;
    diskFails = false;
    orphaned = false;
    uselessSince = now;
  }

  private void want(Wish wish) {
    switch (wish) {
      case PROMOTE -> {
        if (doing != Doing.RUNNING) {
          actions.add(new Action.Forward(Wish.DEMOTE));
        }
      }
      case PROMOTE_ANYWAY -> {
        if (doing == Doing.COPY && !orphaned) {
          want(Wish.PROMOTE); // it has everything: nothing need be lost
        } else {
          anyway = doing != Doing.RUNNING;
        }
      }
      case DEMOTE -> {
        if (isProtected()) {
          kill();
        } else if (doing == Doing.RUNNING) {
          tell("refused", NO_COPY.formatted(peer));
        }
      }
      case RESYNC -> {
        if (doing == Doing.RUNNING && bond == Bond.PAIRED) {
          actions.add(new Action.Unpair());
        } else if (doing == Doing.READY) {
          kill(); // another process takes its place
        } else if (doing != Doing.RUNNING) {
          actions.add(new Action.Forward(Wish.RESYNC));
        }
      }
      case STOP -> stopping = true;
      case LEAVE -> {
        leaving = true;
        ending = true;
      }
    }
  }

  // ---- decisions ----

  private void kill() {
    if (doing != Doing.NOTHING && doing != Doing.STOPPING) {
      doing = Doing.STOPPING;
      actions.add(new Action.Kill());
    }
  }

  private void write(Ledger ledger, long now) {
    if (right.mayAsk(now)) {
      actions.add(right.write(ledger, now));
    }
  }

  private void decide(long now) {
    if (!right.hasLooked()) {
      return;
    }
    if (stopping && !ending) {
      askToEnd(now);
    }
    if (ending) {
      end(now);
    } else if (right.known().isEmpty()) {
      begin(now);
    } else if (right.isMine()) {
      anyway = false;
      hold(right.known().get(), now);
    } else {
      await(right.known().get(), now);
    }
  }

  /** The record says when it has ended; until then it is asked for again and again. */
  private void askToEnd(long now) {
    if (right.isMine() || right.known().isEmpty()) {
      ending = true;
    } else if (!right.known().get().isHeld()) {
      write(right.known().get().released(true, right.stamp()), now);
    }
    if (!right.isMine() && askedToEnd.map(at -> now - at >= timing.renewal()).orElse(true)) {
      if (askedToEnd.isEmpty()) {
        tell("stopping", "%s has %s end the pair".formatted(me, peer));
      }
      askedToEnd = Optional.of(now);
      actions.add(new Action.Forward(Wish.STOP));
    }
  }

  /** Asks when it is time: the holder renews, the other looks. */
  private void keepAsking(long now) {
    if (!right.isDue(now)) {
      return;
    }
    if (right.isMine()) {
      write(right.known().orElseThrow().renewed(right.stamp()), now);
    } else {
      actions.add(right.look(now));
    }
  }

  /** There has never been a pair of this name: one who has a disk begins. */
  private void begin(long now) {
    if (!hasImages) {
      return;
    }
    boolean first =
        heard.map(says -> !says.hasImages() || me.compareTo(peer) < 0).orElse(false)
            || right.isUnchangedFor(timing.grace(), now);
    if (first) {
      write(Ledger.first(me, generation, right.stamp()), now);
    }
  }

  /** The record names this side. */
  private void hold(Ledger ledger, long now) {
    switch (doing) {
      case NOTHING -> startOrRelease(ledger, now);
      case COPY -> {
        if (right.isValid(now)) {
          allow();
          actions.add(new Action.TakeOver());
          doing = Doing.RUNNING;
          bond = Bond.ALONE;
          orphaned = false;
          tell("failover", me + " has taken over");
        }
      }
      case PREPARING, READY -> kill();
      case RUNNING -> {
        allow();
        bond(ledger, now);
      }
      case STARTING, STOPPING -> {}
    }
  }

  private void startOrRelease(Ledger ledger, long now) {
    if (ledger.lists(peer) || !ledger.isInSync(me, generation)) {
      write(ledger.released(false, right.stamp()), now); // the other's copy goes on
    } else if (!right.hasWrittenSince(uselessSince)) {
      write(ledger.renewed(right.stamp()), now); // another may be on its way, and may list the copy
    } else if (right.isValid(now)) {
      doing = Doing.STARTING;
      note();
      actions.add(new Action.StartPrimary(right.until()));
      tell("starting", me + " starts the guest");
    }
  }

  private void allow() {
    if (!everAllowed || allowed != right.until()) {
      note();
      actions.add(new Action.Allow(right.until()));
    }
  }

  private void note() {
    allowed = right.until();
    everAllowed = true;
  }

  private void bond(Ledger ledger, long now) {
    switch (bond) {
      case BROKEN -> {
        if (diskFails && isCopyThere(ledger)) {
          giveWay();
        } else if (ledger.lists(peer) || !right.hasWrittenSince(brokenSince)) {
          write(ledger.heldAlone(me, generation, right.stamp()), now);
        } else if (right.isValid(now)) {
          actions.add(new Action.GoOnAlone());
          bond = Bond.ALONE;
          diskFails = false;
          tell("alone", me + " goes on alone");
        }
      }
      case PAIRED -> {
        if (!ledger.lists(peer)) {
          write(ledger.joinedBy(peer, pairedGeneration, right.stamp()), now);
        } else if (diskFails && isCopyThere(ledger)) {
          giveWay();
        }
      }
      case ALONE -> {
        heard
            .filter(says -> says.doing() == Doing.READY)
            .filter(says -> !says.generation().equals(pairedGeneration))
            .ifPresent(says -> pair(says.generation()));
      }
      case PAIRING -> {}
    }
  }

  /** It takes over as soon as this side is gone. */
  private boolean isCopyThere(Ledger ledger) {
    return ledger.lists(peer)
        && heard
            .filter(says -> says.doing() == Doing.COPY)
            .filter(says -> ledger.isInSync(peer, says.generation()))
            .isPresent();
  }

  /** The copy has everything. */
  private void giveWay() {
    tell("disk", "the disks of %s do not take writes: it gives way".formatted(me));
    kill();
  }

  private void pair(String with) {
    pairedGeneration = with;
    bond = Bond.PAIRING;
    actions.add(new Action.Pair(with));
    tell("pairing", "%s becomes a copy of %s".formatted(peer, me));
  }

  /** The record names the other side, or nobody. */
  private void await(Ledger ledger, long now) {
    if (doing == Doing.RUNNING || doing == Doing.STARTING) {
      kill(); // its time had run out before
      tell("lost", "%s has lost the right to run the guest".formatted(me));
      return;
    }
    boolean inSync = ledger.isInSync(me, generation);
    if (inSync ? mayTake(ledger, now) : anyway && isFree(ledger, now)) {
      if (doing == Doing.COPY || doing == Doing.NOTHING) {
        write(ledger.heldAlone(me, generation, right.stamp()), now);
      } else {
        kill();
      }
    } else if (inSync) {
      fence(ledger, now);
    } else if (right.hasLookedSince(uselessSince)) {
      becomeCopy(ledger, now);
    }
  }

  /** This side's disks are out of date, and the primary may still live. */
  private void becomeCopy(Ledger ledger, long now) {
    if (doing == Doing.COPY && (orphaned || isForgotten(now))) {
      kill(); // the primary has gone on without
    } else if (doing == Doing.NOTHING
        && ledger.isHeld()
        && heard.filter(says -> says.doing() == Doing.RUNNING).isPresent()) {
      anyway = false; // what was meant is overwritten now
      doing = Doing.PREPARING;
      generation = right.stamp();
      actions.add(new Action.StartCopy(generation));
    }
  }

  /** A copy that follows is listed soon; this one's primary knows of none, or cannot list it. */
  private boolean isForgotten(long now) {
    long soon = copySince + timing.lease() + timing.grace();
    return now - soon > 0 && right.hasLookedSince(soon);
  }

  /** Nobody else can be running. */
  private boolean isFree(Ledger ledger, long now) {
    return !ledger.isHeld()
        || right.isUnchangedFor(timing.lease(), now)
        || fenceSucceeded && fencedVersion.filter(v -> v == ledger.version()).isPresent();
  }

  private boolean mayTake(Ledger ledger, long now) {
    if (doing == Doing.COPY) {
      return isFree(ledger, now);
    }
    if (ledger.isHeld()) { // by one who may just be coming back, and whose memory is newer
      return right.isUnchangedFor(timing.lease() + timing.grace(), now);
    }
    boolean peerHasNone =
        !ledger.lists(peer)
            || heard
                .filter(says -> says.doing() != Doing.COPY && says.doing() != Doing.RUNNING)
                .isPresent();
    boolean first =
        ledger.last().equals(me)
            || heard.filter(says -> !ledger.isInSync(peer, says.generation())).isPresent()
            || !ledger.lists(peer);
    return peerHasNone && first || right.isUnchangedFor(timing.grace(), now);
  }

  /** Not at once: a primary that lives goes on alone, and shall not be switched off for that. */
  private void fence(Ledger ledger, long now) {
    if (doing == Doing.COPY
        && orphaned
        && ledger.isHeld()
        && right.isUnchangedFor(2 * timing.renewal(), now)
        && fencedVersion.filter(v -> v == ledger.version()).isEmpty()) {
      fencedVersion = Optional.of(ledger.version());
      fenceSucceeded = false;
      actions.add(new Action.Fence());
    }
  }

  /** The guest has ended, or is to: first the process, then the record, then this agent. */
  private void end(long now) {
    if (doing != Doing.NOTHING) {
      kill();
    } else if (right.isMine()) {
      write(right.known().orElseThrow().released(!leaving, right.stamp()), now);
    } else {
      done = true;
      actions.add(new Action.Exit());
    }
  }
}
