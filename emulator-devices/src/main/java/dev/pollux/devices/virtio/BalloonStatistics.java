package dev.pollux.devices.virtio;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.LiveProperty;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * What a guest with a balloon tells of its memory (5.5.6.3): it leaves a buffer with figures with
 * the device, which gives it back when it wants new ones. The lock of the I/O thread guards
 * everything; the timer and users hold the machine lock too.
 */
final class BalloonStatistics {
  /** By tag. */
  private static final List<String> NAMES =
      List.of(
          "stat-swap-in",
          "stat-swap-out",
          "stat-major-faults",
          "stat-minor-faults",
          "stat-free-memory",
          "stat-total-memory",
          "stat-available-memory",
          "stat-disk-caches",
          "stat-htlb-pgalloc",
          "stat-htlb-pgfail");

  private static final int ENTRY = 10;
  private static final int MOST_ENTRIES = 64;
  private static final long UNKNOWN = -1;

  static final StateDescriptor<BalloonStatistics> STATE =
      StateDescriptor.of(BalloonStatistics.class, "balloon-statistics", 1)
          .u64Array("values", NAMES.size(), s -> s.values)
          .u64("updated", s -> s.updated, (s, v) -> s.updated = v)
          .u32("interval", Integer.MAX_VALUE, s -> s.interval, (s, v) -> s.interval = v)
          .bool("keeps", s -> s.keeps, (s, v) -> s.keeps = v)
          .u16("kept", s -> s.kept, (s, v) -> s.kept = v)
          .timer("timer", s -> s.timer);

  private final MachineClocks clocks;
  private final Consumer<Runnable> locked;

  @HostOnly("wiring")
  private final Virtqueue queue;

  private final GuestTimer timer;

  private final long[] values = new long[NAMES.size()];

  /** When the guest told something last, in seconds of the wall clock; 0 for never. */
  private long updated;

  /** Seconds between two questions; 0 for no questions. */
  private int interval;

  /** Whether the device has the guest's buffer, and where it is. */
  private boolean keeps;

  private int kept;

  /**
   * @param locked runs something with the lock of the I/O thread
   */
  BalloonStatistics(MachineClocks clocks, Consumer<Runnable> locked, Virtqueue queue) {
    this.clocks = clocks;
    this.locked = locked;
    this.queue = queue;
    this.timer =
        clocks.timer(ClockType.VIRTUAL, "balloon statistics", () -> locked.accept(this::ask));
    Arrays.fill(values, UNKNOWN);
  }

  /** The properties by which users see the figures. */
  List<LiveProperty> properties() {
    return List.of(
        new LiveProperty("guest-stats", "guest statistics", "", this::shown, null),
        new LiveProperty(
            "guest-stats-polling-interval",
            "int",
            "seconds between two questions to the guest",
            () -> (long) interval,
            this::setInterval));
  }

  private Object shown() {
    Map<String, Object> all = new LinkedHashMap<>();
    Map<String, Object> figures = new LinkedHashMap<>();
    locked.accept(
        () -> {
          for (int i = 0; i < values.length; i++) {
            figures.put(NAMES.get(i), unsigned(values[i]));
          }
          all.put("stats", figures);
          all.put("last-update", updated);
        });
    return all;
  }

  private static Object unsigned(long value) {
    return value >= 0 ? (Object) value : new BigInteger(Long.toUnsignedString(value));
  }

  private void setInterval(Object value) {
    if (!(value instanceof Long seconds) || seconds < 0) {
      throw new ConfigException("timer value must be greater than zero");
    }
    if (seconds > Integer.MAX_VALUE) {
      throw new ConfigException("timer value is too big");
    }
    locked.accept(
        () -> {
          interval = (int) (long) seconds;
          if (interval == 0) {
            timer.cancel();
          } else {
            ask();
          }
        });
  }

  /** The guest's figures; the buffer stays here. */
  void take(DescriptorChain chain) {
    if (keeps) {
      queue.push(chain, 0); // one is enough
      queue.signal();
      return;
    }
    byte[] bytes = new byte[(int) Math.min(chain.readableBytes(), ENTRY * MOST_ENTRIES)];
    ByteBuffer in =
        ByteBuffer.wrap(bytes, 0, chain.read(bytes, 0, bytes.length))
            .order(ByteOrder.LITTLE_ENDIAN);
    while (in.remaining() >= ENTRY) {
      int tag = in.getShort() & 0xffff;
      long value = in.getLong();
      if (tag < values.length) {
        values[tag] = value;
      }
    }
    updated = TimeUnit.NANOSECONDS.toSeconds(clocks.now(ClockType.HOST));
    keeps = true;
    kept = chain.position();
    queue.keep(chain);
  }

  /** Gives the guest its buffer, for new figures, and will do so again. */
  private void ask() {
    if (interval > 0) {
      timer.set(clocks.virtualNow() + TimeUnit.SECONDS.toNanos(interval));
    }
    if (keeps && queue.isEnabled()) {
      keeps = false;
      queue.giveBack(kept);
    }
  }

  void reset() {
    keeps = false;
    kept = 0;
    updated = 0;
    Arrays.fill(values, UNKNOWN);
  }
}
