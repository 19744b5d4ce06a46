package dev.pollux.devices.timer;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceType;
import java.time.DateTimeException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/**
 * The MC146818 real-time clock with 128 bytes of CMOS memory (Motorola MC146818A data sheet).
 *
 * <p>While it runs, the time is {@code clock + offset}; the time bytes of the memory are brought up
 * to date when somebody reads them. While it is set or its divider is held, the time stands in
 * those bytes. Everything with the machine lock held.
 */
public final class CmosRtc implements Device, BusDevice {
  private static final int SECONDS = 0;
  private static final int SECONDS_ALARM = 1;
  private static final int MINUTES = 2;
  private static final int MINUTES_ALARM = 3;
  private static final int HOURS = 4;
  private static final int HOURS_ALARM = 5;
  private static final int DAY_OF_WEEK = 6;
  private static final int DAY = 7;
  private static final int MONTH = 8;
  private static final int YEAR = 9;
  private static final int A = 10;
  private static final int B = 11;
  private static final int C = 12;
  private static final int D = 13;
  private static final int CENTURY = 0x32;

  private static final int A_UIP = 0x80;
  private static final int B_SET = 0x80;
  private static final int B_BINARY = 0x04;
  private static final int B_24H = 0x02;
  private static final int IRQF = 0x80;

  /** Bits of registers B (enables) and C (flags). */
  private static final int PERIODIC = 0x40;

  private static final int ALARM = 0x20;
  private static final int UPDATE = 0x10;

  private static final long SECOND = 1_000_000_000L;
  private static final int DAY_SECONDS = 86_400;

  /** Nanoseconds in 64 bits end in 2262; times shown stay clear of that. */
  private static final long LATEST = 9_000_000_000L * SECOND;

  /** Update-in-progress shows 244 us before the update. */
  private static final long UIP_NS = 244_141;

  /** From the release of the divider to the first update. */
  private static final long DIVIDER_RELEASE_NS = SECOND / 2;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "mc146818rtc");

  private static final StateDescriptor<CmosRtc> STATE =
      StateDescriptor.of(CmosRtc.class, "mc146818rtc", 1)
          .bytes("memory", 128, r -> r.memory)
          .u8("index", 127, r -> r.index, (r, v) -> r.index = v)
          .bool("running", r -> r.running, (r, v) -> r.running = v)
          .u64("anchor", CmosRtc::anchor, CmosRtc::setAnchor)
          .u64("seen", r -> r.seen, (r, v) -> r.seen = v)
          .timer("timer", r -> r.timer)
          .afterLoad(CmosRtc::update);

  private final MachineClocks clocks;
  private final RtcBase base;
  private final IrqLine irq;
  private final GuestTimer timer;

  @HostOnly("wiring")
  private Runnable onAlarm = () -> {};

  private final byte[] memory = new byte[128];
  private int index;

  /** The time advances: not being set, divider chain on. */
  private boolean running;

  /** Time shown minus the clock, ns; while running. */
  private long anchor;

  /** Time shown up to which flags have been set, ns. */
  private long seen;

  /**
   * @param irq IRQ 8
   */
  public CmosRtc(MachineClocks clocks, RtcBase base, IrqLine irq) {
    this.clocks = clocks;
    this.base = base;
    this.irq = irq;
    this.timer = clocks.timer(base.clock(), "rtc", this::update);
    memory[A] = 0x26;
    memory[B] = B_24H;
    memory[D] = (byte) 0x80;
    running = true;
    anchor = base.startSeconds() * SECOND - clocks.now(base.clock());
    seen = now();
    storeTime();
  }

  /** Has {@code action} run at each alarm whose interrupt is enabled. */
  public void onAlarm(Runnable action) {
    onAlarm = action;
  }

  /** Ports 0x70 and 0x71. */
  public Region ports() {
    return new Region.DeviceRegion("mc146818rtc", 2, 1, this);
  }

  /** Sets a byte of the CMOS memory, as the board does before the guest starts. */
  public void setCmos(int index, int value) {
    memory[index] = (byte) value;
  }

  public int cmos(int index) {
    return memory[index] & 0xff;
  }

  @Override
  public String id() {
    return "mc146818rtc";
  }

  /** The battery keeps memory and time; a reset only disables interrupts (data sheet, "RESET"). */
  @Override
  public void reset() {
    memory[B] &= ~(PERIODIC | ALARM | UPDATE | 0x08);
    memory[C] = 0;
    index = 0;
    irq.lower();
    update();
  }

  // ---- time ----

  /**
   * A real-time clock's value means nothing on another host: there the state holds the time itself.
   */
  private long anchor() {
    return base.clock() == ClockType.REALTIME ? now() : anchor;
  }

  private void setAnchor(long value) {
    long clock = clocks.now(base.clock());
    long loaded = base.clock() == ClockType.REALTIME ? value - clock : value;
    anchor = Math.clamp(loaded, -LATEST, LATEST - clock);
  }

  /** The time shown, ns since 1970. */
  private long now() {
    return clocks.now(base.clock()) + anchor;
  }

  private int encode(int value) {
    return (memory[B] & B_BINARY) != 0 ? value : value / 10 << 4 | value % 10;
  }

  private int decode(int value) {
    return (memory[B] & B_BINARY) != 0 ? value : (value >> 4) * 10 + (value & 15);
  }

  private int encodeHour(int hour) {
    if ((memory[B] & B_24H) != 0) {
      return encode(hour);
    }
    return encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0);
  }

  private int decodeHour(int value) {
    if ((memory[B] & B_24H) != 0) {
      return decode(value);
    }
    return decode(value & 0x7f) % 12 + ((value & 0x80) != 0 ? 12 : 0);
  }

  /** Puts the present time into the time bytes. */
  private void storeTime() {
    LocalDateTime t = LocalDateTime.ofEpochSecond(Math.floorDiv(now(), SECOND), 0, ZoneOffset.UTC);
    memory[SECONDS] = (byte) encode(t.getSecond());
    memory[MINUTES] = (byte) encode(t.getMinute());
    memory[HOURS] = (byte) encodeHour(t.getHour());
    memory[DAY_OF_WEEK] = (byte) encode(t.getDayOfWeek().getValue() % 7 + 1);
    memory[DAY] = (byte) encode(t.getDayOfMonth());
    memory[MONTH] = (byte) encode(t.getMonthValue());
    memory[YEAR] = (byte) encode(t.getYear() % 100);
    memory[CENTURY] = (byte) encode(t.getYear() / 100 % 100);
  }

  /** Makes the time bytes the present time, {@code nanos} into their second. */
  private void loadTime(long nanos) {
    long seconds;
    try {
      seconds =
          LocalDateTime.of(
                  decode(cmos(CENTURY)) * 100 + decode(cmos(YEAR)),
                  decode(cmos(MONTH)),
                  decode(cmos(DAY)),
                  decodeHour(cmos(HOURS)),
                  decode(cmos(MINUTES)),
                  decode(cmos(SECONDS)))
              .toEpochSecond(ZoneOffset.UTC);
    } catch (DateTimeException e) {
      return; // No time of the calendar: the clock keeps its own.
    }
    anchor =
        Math.clamp(seconds, -LATEST / SECOND, LATEST / SECOND) * SECOND
            + nanos
            - clocks.now(base.clock());
  }

  private boolean shouldRun() {
    return (memory[B] & B_SET) == 0 && (memory[A] & 0x60) == 0x20;
  }

  /** Stops or starts the clock after a change of register A or B. */
  private void updateRunning(boolean dividerWasHeld) {
    boolean run = shouldRun();
    if (running && !run) {
      storeTime();
    } else if (!running && run) {
      loadTime(dividerWasHeld ? SECOND - DIVIDER_RELEASE_NS : 0);
      seen = now();
    }
    running = run;
  }

  // ---- interrupts ----

  /**
   * Sets the flags of all that happened since the last look, drives IRQ 8 and arms the timer for
   * what comes next.
   */
  private void update() {
    long now = now();
    if (running) {
      if (now < seen) { // The host's clock was set back.
        seen = now;
      }
      int flags = 0;
      if (Math.floorDiv(now, SECOND) != Math.floorDiv(seen, SECOND)) {
        flags |= UPDATE;
        if (nextAlarm(seen) <= now) {
          flags |= ALARM;
        }
      }
      long period = periodTicks();
      if (period != 0 && Math.floorDiv(ticks(now), period) != Math.floorDiv(ticks(seen), period)) {
        flags |= PERIODIC;
      }
      memory[C] |= (byte) flags;
      seen = now;
      if ((flags & memory[B] & ALARM) != 0) {
        onAlarm.run();
      }
    }
    boolean interrupt = (memory[C] & memory[B] & (PERIODIC | ALARM | UPDATE)) != 0;
    if (interrupt) {
      memory[C] |= (byte) IRQF;
    }
    irq.set(interrupt);
    timer.set(running ? nextEvent(now) : GuestTimer.NEVER);
  }

  /** When an enabled interrupt that does not wait already comes next, on the clock. */
  private long nextEvent(long now) {
    long next = Long.MAX_VALUE;
    int awaited = memory[B] & ~memory[C];
    if ((awaited & UPDATE) != 0) {
      next = (Math.floorDiv(now, SECOND) + 1) * SECOND;
    }
    if ((memory[B] & ALARM) != 0) { // Even where the last one waits: it wakes a guest that sleeps.
      next = Math.min(next, nextAlarm(now));
    }
    long period = periodTicks();
    if ((awaited & PERIODIC) != 0 && period != 0) {
      long tick = (Math.floorDiv(ticks(now), period) + 1) * period;
      next =
          Math.min(
              next,
              Math.floorDiv(tick, 32_768) * SECOND
                  + (Math.floorMod(tick, 32_768) * SECOND + 32_767) / 32_768);
    }
    return next == Long.MAX_VALUE ? GuestTimer.NEVER : Math.max(next, now + 1) - anchor;
  }

  /** Periodic interrupts come every so many ticks of the 32,768 Hz crystal; 0 for never. */
  private long periodTicks() {
    int rate = memory[A] & 15;
    if (rate == 0) {
      return 0;
    }
    return 1L << (rate <= 2 ? rate + 6 : rate - 1);
  }

  private static long ticks(long nanos) {
    return Math.floorDiv(nanos, SECOND) * 32_768 + Math.floorMod(nanos, SECOND) * 32_768 / SECOND;
  }

  /**
   * The first second after {@code time} that matches the alarm bytes, as time shown in ns;
   * MAX_VALUE for none.
   */
  private long nextAlarm(long time) {
    int hour = alarm(HOURS_ALARM);
    int minute = alarm(MINUTES_ALARM);
    int second = alarm(SECONDS_ALARM);
    long t = Math.floorDiv(time, SECOND) + 1;
    long end = t + DAY_SECONDS;
    while (t < end) {
      int inDay = (int) Math.floorMod(t, (long) DAY_SECONDS);
      if (hour >= 0 && inDay / 3600 != hour) {
        t += 3600 - inDay % 3600;
      } else if (minute >= 0 && inDay / 60 % 60 != minute) {
        t += 60 - inDay % 60;
      } else if (second >= 0 && inDay % 60 != second) {
        t++;
      } else {
        return t * SECOND;
      }
    }
    return Long.MAX_VALUE;
  }

  /** An alarm byte's value, -1 where any matches (both top bits set). */
  private int alarm(int register) {
    int value = cmos(register);
    if ((value & 0xc0) == 0xc0) {
      return -1;
    }
    return register == HOURS_ALARM ? decodeHour(value) : decode(value);
  }

  // ---- registers ----

  @Override
  public long read(long offset, int size) {
    if (offset == 0) {
      return 0xff; // The index port is write-only.
    }
    switch (index) {
      case SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY, MONTH, YEAR, CENTURY -> {
        if (running) {
          storeTime();
        }
      }
      case A -> {
        boolean updating = running && Math.floorMod(now(), SECOND) >= SECOND - UIP_NS;
        return cmos(A) | (updating ? A_UIP : 0);
      }
      case C -> {
        update();
        int flags = cmos(C);
        memory[C] = 0;
        update();
        return flags;
      }
      default -> {}
    }
    return cmos(index);
  }

  @Override
  public void write(long offset, int size, long value) {
    int v = (int) value & 0xff;
    if (offset == 0) {
      index = v & 0x7f; // Bit 7 gates NMIs on a PC; nothing raises them.
      return;
    }
    switch (index) {
      case SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY, MONTH, YEAR, CENTURY -> writeTime(v);
      case SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM -> {
        update();
        memory[index] = (byte) v;
        update();
      }
      case A -> {
        update();
        boolean wasHeld = (memory[A] & 0x60) == 0x60;
        memory[A] = (byte) (v & ~A_UIP);
        updateRunning(wasHeld);
        update();
      }
      case B -> writeB(v);
      case C, D -> {} // read-only
      default -> memory[index] = (byte) v;
    }
  }

  private void writeTime(int value) {
    if (running) {
      long nanos = Math.floorMod(now(), SECOND);
      storeTime();
      memory[index] = (byte) value;
      loadTime(nanos);
      seen = now();
      update();
    } else {
      memory[index] = (byte) value;
    }
  }

  private void writeB(int value) {
    update();
    boolean set = (value & B_SET) != 0;
    if (running && !set && ((value ^ memory[B]) & (B_BINARY | B_24H)) != 0) {
      // Another format does not change the time.
      memory[B] = (byte) value;
      storeTime();
    } else if (set && running) {
      storeTime();
      memory[B] = (byte) (value & ~UPDATE); // Setting disables the update interrupt.
    } else {
      memory[B] = (byte) (set ? value & ~UPDATE : value);
    }
    updateRunning(false);
    update();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
