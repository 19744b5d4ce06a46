package dev.pollux.backend.net;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.machine.Machine;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Tells networks where a guest is, now that it has come from elsewhere: a RARP request in its name
 * for each card, by which switches learn its port, and what the guest itself says when its card
 * asks it to. Machine lock held.
 */
public final class Announcer {
  private static final int FRAME = 60;
  private static final int TYPE_RARP = 0x8035;

  /** Ethernet, IPv4, the lengths of their addresses, "request reverse" (RFC 903). */
  private static final long REQUEST = 0x0001_0800_0604_0003L;

  private final Machine machine;
  private final Networks networks;
  private final Map<String, Series> running = new HashMap<>();

  Announcer(Machine machine, Networks networks) {
    this.machine = machine;
    this.networks = networks;
  }

  /**
   * Begins a series, in place of the one with the same name.
   *
   * @param name of the series; empty for the one after a migration
   * @param cards the cards that take part
   */
  public void begin(String name, Announcement timing, Predicate<NetworkClaim> cards) {
    Series old = running.remove(name);
    if (old != null) {
      old.timer.cancel();
    }
    if (timing.rounds() > 0) {
      Series series = new Series(name, timing, cards);
      running.put(name, series);
      series.round();
    }
  }

  private final class Series {
    private final String name;
    private final Announcement timing;
    private final Predicate<NetworkClaim> cards;
    private final GuestTimer timer =
        machine.clocks().timer(ClockType.REALTIME, "announcement", this::round);
    private long done;

    Series(String name, Announcement timing, Predicate<NetworkClaim> cards) {
      this.name = name;
      this.timing = timing;
      this.cards = cards;
    }

    private void round() {
      networks.cards().stream().filter(cards).forEach(Announcer::announce);
      if (++done < timing.rounds()) {
        long now = machine.clocks().now(ClockType.REALTIME);
        timer.set(now + timing.distance(done) * 1_000_000);
      } else {
        running.remove(name, this);
      }
    }
  }

  private static void announce(NetworkClaim claim) {
    NetCard card = claim.card();
    if (card == null || !claim.link().isUp()) {
      return;
    }
    claim.link().fromCard(new Frame[] {new Frame(request(card.currentAddress()))}, 1);
    card.announce();
  }

  static ByteBuffer request(byte[] address) {
    ByteBuffer frame = ByteBuffer.allocateDirect(FRAME);
    frame.putShort((short) -1).putInt(-1).put(address).putShort((short) TYPE_RARP);
    frame.putLong(REQUEST).put(address).putInt(0).put(address).putInt(0);
    return frame.clear();
  }
}
