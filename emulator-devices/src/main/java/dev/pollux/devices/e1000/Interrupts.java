package dev.pollux.devices.e1000;

import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Causes, mask and wire (manual, 3.2.7), with the shortest time from one interrupt to the next
 * (manual, 13.4.18). Machine lock held.
 */
final class Interrupts {
  static final StateDescriptor<Interrupts> STATE =
      StateDescriptor.of(Interrupts.class, "e1000-interrupts", 1)
          .u32("causes", i -> i.causes, (i, v) -> i.causes = v)
          .u32("mask", i -> i.mask, (i, v) -> i.mask = v)
          .u16("interval", i -> i.interval, (i, v) -> i.interval = v)
          .bool("raised", i -> i.raised, (i, v) -> i.raised = v)
          .u64("quiet-until", t -> t >= 0, i -> i.quietUntil, (i, v) -> i.quietUntil = v)
          .timer("timer", i -> i.timer);

  static final int SENT = 1;
  static final int SEND_QUEUE_EMPTY = 1 << 1;
  static final int LINK_CHANGED = 1 << 2;
  static final int RECEIVE_LOW = 1 << 4;
  static final int RECEIVED = 1 << 7;
  static final int PHY_TRANSACTION = 1 << 9;

  private static final int ALL = 0x1_ffff;
  private static final int INTERVAL_NANOS = 256;

  @HostOnly("wiring")
  private final Consumer<Boolean> wire;

  @HostOnly("wiring")
  private final LongSupplier now;

  private final GuestTimer timer;

  @HostOnly("a property")
  private final boolean mitigates;

  private int causes;
  private int mask;
  private int interval;
  private boolean raised;
  private long quietUntil;

  /** A way to make a timer that calls back. */
  interface Timers {
    GuestTimer make(Runnable callback);
  }

  /**
   * @param wire drives the interrupt's line
   * @param now nanoseconds on the timer's clock
   * @param mitigates whether interrupts keep their distance
   */
  Interrupts(Consumer<Boolean> wire, Timers timers, LongSupplier now, boolean mitigates) {
    this.wire = wire;
    this.timer = timers.make(this::update);
    this.now = now;
    this.mitigates = mitigates;
  }

  void reset() {
    causes = 0;
    mask = 0;
    interval = 0;
    quietUntil = 0;
    update();
  }

  /** Something has happened. */
  void raise(int bits) {
    causes |= bits & ALL;
    update();
  }

  /** Reading tells the causes and forgets them. */
  int take() {
    int all = causes;
    causes = 0;
    update();
    return all;
  }

  void clear(int bits) {
    causes &= ~bits;
    update();
  }

  int mask() {
    return mask;
  }

  void allow(int bits) {
    mask |= bits & ALL;
    update();
  }

  void forbid(int bits) {
    mask &= ~bits;
    update();
  }

  /** In units of 256 ns. */
  void setInterval(int units) {
    interval = units & 0xffff;
  }

  private void update() {
    boolean wanted = (causes & mask) != 0;
    if (wanted && !raised && mitigates) {
      long time = now.getAsLong();
      if (time < quietUntil) {
        if (!timer.isArmed()) {
          timer.set(quietUntil);
        }
        return;
      }
      quietUntil = interval == 0 ? 0 : time + (long) interval * INTERVAL_NANOS;
    }
    timer.cancel();
    if (raised != wanted) {
      raised = wanted;
      wire.accept(wanted);
    }
  }
}
