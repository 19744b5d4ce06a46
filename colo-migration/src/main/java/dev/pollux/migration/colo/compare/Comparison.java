package dev.pollux.migration.colo.compare;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.net.Checkpoints;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import dev.pollux.backend.net.filter.FrameReceiver;
import dev.pollux.backend.net.filter.FrameSender;
import dev.pollux.core.machine.IoThread;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/**
 * {@code colo-compare}: a {@link PacketComparator} between character devices, on an I/O thread,
 * whose lock guards it. Without a pair it lets everything through.
 */
final class Comparison implements Checkpoints.Listener, PacketComparator.Output, AutoCloseable {
  private static final String CHECKPOINT = "DO_CHECKPOINT";
  private static final String PROXY_BEGINS = "COLO_USERSPACE_PROXY_INIT";
  private static final String PROXY_IS_THERE = "COLO_COMPARE_GET_XEN_INIT";
  private static final String PROXY_CHECKPOINT = "COLO_CHECKPOINT";

  /**
   * How it is wired.
   *
   * @param header frames go with virtio-net's header
   * @param orders whoever makes checkpoints instead of this machine's own pair
   */
  record Wiring(
      String id,
      CharBackend primaryIn,
      CharBackend secondaryIn,
      CharBackend out,
      Optional<CharBackend> orders,
      boolean header,
      IoThread thread,
      Checkpoints checkpoints) {}

  /**
   * Milliseconds.
   *
   * @param cycle between two looks for packets that wait too long
   * @param patience so long one of the primary's may wait
   * @param interval at least between two checkpoints that are called for
   */
  record Times(long cycle, long patience, long interval) {
    private static final long SHORTEST = 2;

    Times withCycle(long to) {
      return new Times(to, patience, interval);
    }

    /** How often to look. */
    long look() {
      return Math.clamp(patience / 4, SHORTEST, Math.max(SHORTEST, cycle));
    }
  }

  private final Wiring wiring;
  private final ScheduledExecutorService timers;
  private volatile Times times;
  private final IoThread thread;
  private final PacketComparator comparator;
  private final FrameSender out;
  private final FrameReceiver primaryIn;
  private final FrameReceiver secondaryIn;
  private final Optional<FrameReceiver> orders;
  private Future<?> scan;

  /** When the last checkpoint was taken, in nanoseconds, and whether another is wanted. */
  private long lastTaken;

  private boolean isWanted;

  @SuppressWarnings("this-escape") // its callbacks come on the thread, after a first step
  Comparison(
      Wiring wiring, ComparisonSettings settings, Times times, ScheduledExecutorService timers) {
    this.wiring = wiring;
    this.times = times;
    this.timers = timers;
    lastTaken = System.nanoTime();
    thread = wiring.thread();
    comparator = new PacketComparator(settings, this);
    out = new FrameSender(wiring.out(), wiring.header(), thread::post, settings.mostBytes());
    orders =
        wiring
            .orders()
            .map(
                backend ->
                    new FrameReceiver(
                        name(), backend, false, this::takeOrder, thread::post, thread::post));
    if (orders.isEmpty()) {
      comparator.goAlone();
      if (wiring.checkpoints().side() == Checkpoints.Side.PRIMARY) {
        comparator.begin();
      }
    }
    primaryIn = receiver(wiring.primaryIn(), new FromPrimary());
    secondaryIn = receiver(wiring.secondaryIn(), new FromSecondary());
    wiring.checkpoints().add(this);
    scan = scan();
  }

  private Future<?> scan() {
    long look = times.look();
    return timers.scheduleAtFixedRate(
        () -> thread.post(this::look), look, look, TimeUnit.MILLISECONDS);
  }

  /** How often it looks for packets that wait too long, from now on. Event loop. */
  void change(Times to) {
    times = to;
    scan.cancel(false);
    scan = scan();
  }

  Times times() {
    return times;
  }

  /** Changes how packets are compared from now on. */
  void change(UnaryOperator<ComparisonSettings> how) {
    thread.lock().lock();
    try {
      comparator.change(how.apply(comparator.settings()));
    } finally {
      thread.lock().unlock();
    }
  }

  ComparisonSettings settings() {
    thread.lock().lock();
    try {
      return comparator.settings();
    } finally {
      thread.lock().unlock();
    }
  }

  private String name() {
    return "colo-compare " + wiring.id();
  }

  /** What comes is compared on the thread that brings it, where that can be. */
  private FrameReceiver receiver(CharBackend from, FrameStream.Sink sink) {
    return new FrameReceiver(
        name(),
        from,
        wiring.header(),
        sink,
        task -> IoThread.afterStep(() -> thread.complete(task), _ -> thread.post(task)),
        thread::complete);
  }

  private final class FromPrimary implements FrameStream.Sink {
    @Override
    public void frame(Frame frame) {
      comparator.primary(frame, System.nanoTime());
    }

    @Override
    public void idle() {
      out.flush();
    }
  }

  private final class FromSecondary implements FrameStream.Sink {
    @Override
    public void frame(Frame frame) {
      comparator.secondary(frame, System.nanoTime());
    }

    @Override
    public void mark(long number) {
      comparator.mark(number);
      comparator.setCost(Duration.ofNanos(System.nanoTime() - lastTaken));
    }

    @Override
    public void idle() {
      out.flush();
    }
  }

  private void look() {
    comparator.expire(System.nanoTime());
    callIfTime();
  }

  // ---- what the comparator asks for ----

  @Override
  public void release(Frame frame) {
    out.send(frame);
  }

  @Override
  public void wantCheckpoint() {
    if (orders.isPresent()) {
      tell(CHECKPOINT);
    } else {
      isWanted = true;
      callIfTime();
    }
  }

  private void callIfTime() {
    long passed = System.nanoTime() - lastTaken;
    if (isWanted && passed >= TimeUnit.MILLISECONDS.toNanos(times.interval())) {
      isWanted = false;
      wiring.checkpoints().call();
    }
  }

  // ---- who makes checkpoints ----

  private void tell(String text) {
    ByteBuffer message = ByteBuffer.allocate(Integer.BYTES + text.length());
    message.putInt(text.length()).put(text.getBytes(StandardCharsets.US_ASCII));
    byte[] bytes = message.array();
    int _ = wiring.orders().orElseThrow().write(bytes, 0, bytes.length);
  }

  private void takeOrder(Frame frame) {
    byte[] bytes = new byte[frame.length()];
    frame.data().get(frame.data().position(), bytes);
    switch (new String(bytes, StandardCharsets.US_ASCII).replace("\0", "")) {
      case PROXY_BEGINS -> tell(PROXY_IS_THERE);
      case PROXY_CHECKPOINT -> {
        comparator.checkpoint();
        out.flush();
      }
      default -> {} // of another version
    }
  }

  private void withComparator(Runnable action) {
    if (orders.isPresent()) {
      return; // this machine's own pair is none of its business
    }
    thread.lock().lock();
    try {
      action.run();
      out.flush();
    } finally {
      thread.lock().unlock();
    }
  }

  @Override
  public void began(Checkpoints.Side side) {
    if (side == Checkpoints.Side.PRIMARY) {
      withComparator(comparator::begin);
    }
  }

  @Override
  public void taken(long number) {
    withComparator(
        () -> {
          lastTaken = System.nanoTime();
          isWanted = false;
          comparator.taken(number);
        });
  }

  @Override
  public void received(long number) {
    withComparator(() -> comparator.received(number));
  }

  @Override
  public void failedOver() {
    withComparator(comparator::goAlone);
  }

  PacketComparator.Statistics statistics() {
    thread.lock().lock();
    try {
      return comparator.statistics();
    } finally {
      thread.lock().unlock();
    }
  }

  /** What is held goes, so that nothing of the guest is lost. */
  @Override
  public void close() {
    scan.cancel(false);
    wiring.checkpoints().remove(this);
    thread.lock().lock();
    try {
      comparator.goAlone();
      out.flush();
    } finally {
      thread.lock().unlock();
    }
    primaryIn.close();
    secondaryIn.close();
    orders.ifPresent(FrameReceiver::close);
    out.close();
  }
}
