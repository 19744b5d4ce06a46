package dev.pollux.core.clock;

import java.time.Instant;
import java.util.EnumMap;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * The clocks of one machine and the timers on them. Reading a clock needs no lock; timers are
 * touched with the machine lock held and run on the machine's event loop.
 */
public final class MachineClocks {
  /**
   * Guest time is {@code offset} while stopped and {@code offset + System.nanoTime()} while
   * running.
   */
  private record VirtualTime(long offset, boolean running) {
    long now() {
      return running ? offset + System.nanoTime() : offset;
    }
  }

  private final Map<ClockType, PriorityQueue<GuestTimer>> queues = new EnumMap<>(ClockType.class);
  private final Runnable onEarlierDeadline;
  private volatile VirtualTime virtual = new VirtualTime(0, false);
  private volatile long hostOffset;

  /**
   * Deadline of the first timer on guest time, {@code Long.MAX_VALUE} without one. Written with the
   * machine lock held.
   */
  private volatile long virtualDeadline = Long.MAX_VALUE;

  /**
   * @param onEarlierDeadline wakes the event loop when a timer became the first of its queue
   */
  public MachineClocks(Runnable onEarlierDeadline) {
    this.onEarlierDeadline = onEarlierDeadline;
    for (ClockType type : ClockType.values()) {
      queues.put(type, new PriorityQueue<>((a, b) -> Long.compare(a.deadline(), b.deadline())));
    }
  }

  /** Nanoseconds on a clock. Any thread. */
  public long now(ClockType type) {
    return switch (type) {
      case REALTIME -> System.nanoTime();
      case VIRTUAL -> virtual.now();
      case HOST -> hostNow();
    };
  }

  private long hostNow() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000L + now.getNano() + hostOffset;
  }

  /** Guest time in nanoseconds. Any thread. */
  public long virtualNow() {
    return virtual.now();
  }

  /** Shifts the wall clock that the guest sees against the host's, in nanoseconds. */
  public void setHostOffset(long nanos) {
    hostOffset = nanos;
  }

  /** Lets guest time run or stand still. Machine lock held. */
  public void setRunning(boolean running) {
    VirtualTime was = virtual;
    if (was.running() != running) {
      long now = was.now();
      virtual = new VirtualTime(running ? now - System.nanoTime() : now, running);
      onEarlierDeadline.run();
    }
  }

  public boolean running() {
    return virtual.running();
  }

  /** Sets guest time, as a loaded machine does. Machine lock held. */
  public void setVirtualNow(long nanos) {
    boolean running = virtual.running();
    virtual = new VirtualTime(running ? nanos - System.nanoTime() : nanos, running);
    onEarlierDeadline.run();
  }

  /**
   * Makes a timer, not yet armed.
   *
   * @param name for diagnostics
   * @param callback runs with the machine lock held, on the event loop or (guest time only) on a
   *     vCPU's thread
   */
  public GuestTimer timer(ClockType type, String name, Runnable callback) {
    return new GuestTimer(this, type, name, callback);
  }

  void arm(GuestTimer timer) {
    PriorityQueue<GuestTimer> queue = queues.get(timer.type());
    queue.add(timer);
    noteVirtualDeadline();
    if (queue.peek() == timer) {
      onEarlierDeadline.run();
    }
  }

  void disarm(GuestTimer timer) {
    queues.get(timer.type()).remove(timer);
    noteVirtualDeadline();
  }

  private void noteVirtualDeadline() {
    GuestTimer first = queues.get(ClockType.VIRTUAL).peek();
    virtualDeadline = first == null ? Long.MAX_VALUE : first.deadline();
  }

  /**
   * Whether a timer should have fired by a moment of guest time. Any thread; without the machine
   * lock a hint.
   *
   * @param virtualNow nanoseconds
   */
  public boolean isTimerDue(long virtualNow) {
    return virtualNow >= virtualDeadline;
  }

  /** Guest time at which the first timer on it is due. As {@link #isTimerDue} a hint. */
  public long virtualDeadline() {
    return virtualDeadline;
  }

  /** Runs every timer on guest time that is due. Machine lock held. */
  public void runDueVirtual() {
    if (virtual.running()) {
      runDue(ClockType.VIRTUAL);
    }
  }

  /** Runs every timer that is due. Event loop, machine lock held. */
  public void runDue() {
    runDueVirtual();
    runDue(ClockType.REALTIME);
    runDue(ClockType.HOST);
  }

  private void runDue(ClockType type) {
    long now = now(type);
    PriorityQueue<GuestTimer> queue = queues.get(type);
    GuestTimer first;
    while ((first = queue.peek()) != null && first.deadline() <= now) {
      queue.poll();
      noteVirtualDeadline();
      first.fire();
    }
  }

  /**
   * Lets guest time that stands pass by {@code nanos}; timers that come due run on the way, each
   * exactly at its deadline. Machine lock held.
   */
  public void step(long nanos) {
    if (virtual.running()) {
      throw new IllegalStateException("guest time runs by itself");
    }
    long end = virtual.now() + nanos;
    PriorityQueue<GuestTimer> queue = queues.get(ClockType.VIRTUAL);
    GuestTimer first;
    while ((first = queue.peek()) != null && first.deadline() <= end) {
      virtual = new VirtualTime(Math.max(first.deadline(), virtual.now()), false);
      queue.poll();
      noteVirtualDeadline();
      first.fire();
    }
    virtual = new VirtualTime(end, false);
  }

  /**
   * Nanoseconds until the next timer is due (0 if one is), or {@code Long.MAX_VALUE}. Machine lock
   * held.
   */
  public long nanosToNextDeadline() {
    long nearest = Long.MAX_VALUE;
    for (Map.Entry<ClockType, PriorityQueue<GuestTimer>> entry : queues.entrySet()) {
      GuestTimer first = entry.getValue().peek();
      if (first != null && (entry.getKey() != ClockType.VIRTUAL || virtual.running())) {
        nearest = Math.min(nearest, Math.max(0, first.deadline() - now(entry.getKey())));
      }
    }
    return nearest;
  }
}
