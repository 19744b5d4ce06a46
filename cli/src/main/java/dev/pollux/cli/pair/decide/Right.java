package dev.pollux.cli.pair.decide;

import java.util.Optional;

/**
 * What one side knows of the record, and until when that lets it run. At most one question to the
 * coordination service is open at a time.
 */
final class Right {
  private final String me;
  private final String life;
  private final Timing timing;
  private long writes;

  private Optional<Ledger> known = Optional.empty();

  /** A look has been answered, if only with "no record". */
  private boolean looked;

  /** When the known version was seen first, in a row of looks that were all answered. */
  private long since;

  /** When that was asked for which was answered last. */
  private long answered;

  private boolean interrupted;

  /** What is asked for just now: a look where it is empty. */
  private Optional<Ledger> writing = Optional.empty();

  private boolean open;
  private long asked;
  private boolean everAsked;

  /** When the first of those replacements was sent of which it is not known what they did. */
  private Optional<Long> unsureSince = Optional.empty();

  /** The version that they would make. */
  private long unsureVersion;

  /** When that replacement was sent which was confirmed last. */
  private long confirmed;

  private long until;
  private boolean everHeld;

  /**
   * @param life tells one life of this side's agent from others
   */
  Right(String me, String life, Timing timing) {
    this.me = me;
    this.life = life;
    this.timing = timing;
  }

  // ---- questions ----

  /** Whether something may be asked: nothing is open, and no failure has just been. */
  boolean mayAsk(long now) {
    return !open && (!interrupted || now - asked >= timing.renewal() / 2);
  }

  /** Whether it is time to ask again. */
  boolean isDue(long now) {
    return mayAsk(now) && (!everAsked || interrupted || now - asked >= timing.renewal());
  }

  Action look(long now) {
    ask(now);
    writing = Optional.empty();
    return new Action.Look();
  }

  Action write(Ledger ledger, long now) {
    ask(now);
    writing = Optional.of(ledger);
    return new Action.Write(ledger);
  }

  private void ask(long now) {
    open = true;
    asked = now;
    everAsked = true;
  }

  /** A name for the next replacement that no other has. */
  String stamp() {
    return "%s/%s/%d".formatted(me, life, writes++);
  }

  // ---- answers ----

  void written(long now) {
    open = false;
    Ledger ledger = writing.orElseThrow();
    unsureSince = Optional.empty();
    learn(Optional.of(ledger), now);
    confirm(asked);
  }

  void found(Optional<Ledger> ledger, long now) {
    open = false;
    learn(ledger, now);
    if (unsureSince.isPresent() && version() >= unsureVersion) {
      if (known.orElseThrow().stamp().startsWith(me + "/" + life + "/")) {
        confirm(unsureSince.get());
      }
      unsureSince = Optional.empty(); // the others come too late
    }
  }

  void unanswered() {
    open = false;
    interrupted = true;
    if (writing.isPresent()) {
      unsureSince = unsureSince.or(() -> Optional.of(asked));
      unsureVersion = writing.get().version();
    }
  }

  private void learn(Optional<Ledger> ledger, long now) {
    if (interrupted || !looked || !ledger.equals(known)) {
      since = now;
    }
    interrupted = false;
    looked = true;
    answered = asked;
    known = ledger;
  }

  private void confirm(long sent) {
    confirmed = sent;
    if (isMine()) {
      long end = sent + timing.lease() - timing.margin();
      until = everHeld ? Math.max(until, end) : end;
      everHeld = true;
    }
  }

  // ---- what follows ----

  boolean hasLooked() {
    return looked;
  }

  /** What is known was asked for then or later. */
  boolean hasLookedSince(long time) {
    return looked && answered - time >= 0;
  }

  Optional<Ledger> known() {
    return known;
  }

  long version() {
    return known.map(Ledger::version).orElse(0L);
  }

  /** The record names this side; whether it may run is another question. */
  boolean isMine() {
    return known.filter(ledger -> ledger.isHolder(me)).isPresent();
  }

  /**
   * This side has made a replacement that it asked for then or later: what is known is what is, and
   * no earlier replacement can come late.
   */
  boolean hasWrittenSince(long time) {
    return everHeld && isMine() && unsureSince.isEmpty() && confirmed - time >= 0;
  }

  /** Until when this side may run. */
  long until() {
    return until;
  }

  boolean isValid(long now) {
    return everHeld && isMine() && now - until < 0;
  }

  /** The known version has been the newest for so long. */
  boolean isUnchangedFor(long nanos, long now) {
    return !interrupted && now - since >= nanos;
  }
}
