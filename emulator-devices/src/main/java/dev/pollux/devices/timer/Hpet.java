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
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import java.util.List;

/**
 * The high-precision event timer (IA-PC HPET specification 1.0a): a 64-bit counter of 10 ns and
 * three comparators, all able to be periodic, legacy replacement of the 8254's and the real-time
 * clock's interrupts. Everything with the machine lock held.
 */
public final class Hpet implements Device, BusDevice {
  public static final long ADDRESS = 0xfed00000L;

  /** What software reads as the block's id; the ACPI table repeats it. */
  public static final int ID = 0x8086_a201;

  public static final int TIMERS = 3;

  /** I/O APIC inputs that a comparator may be routed to, one bit each. */
  public static final int ROUTES = 1 << 2;

  private static final long TICK_NS = 10;
  private static final long TICK_FEMTOSECONDS = 10_000_000;

  private static final int ENABLE = 1;
  private static final int LEGACY = 2;

  /** Ticks beyond which nothing happens within a machine's life. */
  private static final long FURTHEST = 1L << 58;

  public static final DeviceType<SystemBus> TYPE = DeviceType.part(SystemBus.KIND, "hpet");

  private static final StateDescriptor<Hpet> STATE =
      StateDescriptor.of(Hpet.class, "hpet", 1)
          .u8("config", 3, h -> h.config, (h, v) -> h.config = v)
          .u32("status", 7, h -> h.status, (h, v) -> h.status = v)
          .u64("counter", h -> h.counter, (h, v) -> h.counter = v)
          .u64("started", h -> h.started, (h, v) -> h.started = v)
          .structs("comparators", TIMERS, Comparator.STATE, h -> h.comparators);

  /** Where comparators' interrupts go. */
  public interface Routing {
    /** The wire of ISA interrupt 0 or 8, for legacy replacement. */
    IrqLine legacy(int irq);

    /** The wire of an I/O APIC input. */
    IrqLine input(int pin);

    /** True while the CPU has not accepted an interrupt of that wire: ticks are kept for it. */
    boolean isLegacyWaiting(int irq);

    /** The same for an I/O APIC input. */
    boolean isInputWaiting(int pin);

    /**
     * Legacy replacement was switched: the 8254 and the real-time clock lose or get back their
     * wires.
     */
    void legacyReplacement(boolean on);
  }

  private final MachineClocks clocks;
  private final Routing routing;
  private final List<Comparator> comparators;

  private int config;

  /** Level-triggered interrupts that are active. */
  private int status;

  /** The counter when it was last started or set, or while it stands. */
  private long counter;

  /** When it was, guest ns. */
  private long started;

  public Hpet(MachineClocks clocks, Routing routing) {
    this.clocks = clocks;
    this.routing = routing;
    this.comparators = List.of(new Comparator(0), new Comparator(1), new Comparator(2));
    powerOn();
  }

  public Region registers() {
    return new Region.DeviceRegion("hpet", 0x400, 4, 4, this);
  }

  @Override
  public String id() {
    return "hpet";
  }

  @Override
  public void reset() {
    for (Comparator comparator : comparators) {
      comparator.lower();
    }
    boolean wasLegacy = legacyReplacement();
    powerOn();
    if (wasLegacy) {
      routing.legacyReplacement(false);
    }
  }

  private void powerOn() {
    config = 0;
    status = 0;
    counter = 0;
    started = 0;
    comparators.forEach(Comparator::reset);
  }

  private boolean enabled() {
    return (config & ENABLE) != 0;
  }

  /** True while comparators 0 and 1 stand in for IRQ 0 and 8. */
  public boolean legacyReplacement() {
    return (config & LEGACY) != 0;
  }

  private long now() {
    return enabled() ? counter + (clocks.virtualNow() - started) / TICK_NS : counter;
  }

  @Override
  public long read(long offset, int size) {
    int shift = (offset & 4) != 0 ? 32 : 0;
    int register = (int) offset & ~7;
    if (register >= 0x100) {
      int n = register - 0x100 >> 5;
      return n < TIMERS ? comparators.get(n).read(register & 0x1f) >>> shift : 0;
    }
    long value =
        switch (register) {
          case 0x00 -> ID & 0xffff_ffffL | TICK_FEMTOSECONDS << 32;
          case 0x10 -> config;
          case 0x20 -> status;
          case 0xf0 -> now();
          default -> 0;
        };
    return value >>> shift;
  }

  @Override
  public void write(long offset, int size, long value) {
    int shift = (offset & 4) != 0 ? 32 : 0;
    int register = (int) offset & ~7;
    if (register >= 0x100) {
      int n = register - 0x100 >> 5;
      if (n < TIMERS) {
        comparators.get(n).write(register & 0x1f, value, shift);
      }
    } else if (register == 0x10 && shift == 0) {
      writeConfig((int) value & (ENABLE | LEGACY));
    } else if (register == 0x20 && shift == 0) {
      for (Comparator comparator : comparators) {
        comparator.clearStatus((int) value);
      }
    } else if (register == 0xf0 && !enabled()) { // software writes the counter only while it stands
      counter = replaceHalf(counter, value, shift);
    }
  }

  private static long replaceHalf(long old, long value, int shift) {
    long mask = 0xffff_ffffL << shift;
    return old & ~mask | value << shift & mask;
  }

  private void writeConfig(int value) {
    int changed = config ^ value;
    if ((changed & LEGACY) != 0) {
      comparators.forEach(Comparator::lower);
    }
    counter = now();
    started = clocks.virtualNow();
    config = value;
    if ((changed & LEGACY) != 0) {
      routing.legacyReplacement(legacyReplacement());
    }
    comparators.forEach(Comparator::arm);
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }

  /** One comparator with its interrupt. */
  final class Comparator {
    private static final int LEVEL = 1 << 1;
    private static final int INTERRUPT = 1 << 2;
    private static final int PERIODIC = 1 << 3;
    private static final int SET_VALUE = 1 << 6;
    private static final int FORCE_32_BIT = 1 << 8;
    private static final int ROUTE_SHIFT = 9;
    private static final int WRITABLE = 0x3f4e;

    /** Periodic and 64-bit capable. */
    private static final int CAPABILITIES = 1 << 4 | 1 << 5;

    static final StateDescriptor<Comparator> STATE =
        StateDescriptor.of(Comparator.class, "hpet-comparator", 1)
            .u16("config", WRITABLE, c -> c.config, (c, v) -> c.config = v & WRITABLE)
            .u64("value", c -> c.value, (c, v) -> c.value = v)
            .u64("period", c -> c.period, (c, v) -> c.period = v)
            .timer("timer", c -> c.timer);

    @HostOnly("position in the block")
    private final int index;

    private final GuestTimer timer;
    private int config;

    /** Counter value of the next interrupt. */
    private long value;

    private long period;

    Comparator(int index) {
      this.index = index;
      this.timer = clocks.timer(ClockType.VIRTUAL, "hpet-" + index, this::expired);
    }

    private void reset() {
      config = 0;
      value = -1;
      period = 0;
      timer.cancel();
    }

    private boolean is32Bit() {
      return (config & FORCE_32_BIT) != 0;
    }

    private boolean isPeriodic() {
      return (config & PERIODIC) != 0;
    }

    private IrqLine line() {
      if (legacyReplacement() && index < 2) {
        return routing.legacy(index == 0 ? 0 : 8);
      }
      int route = config >> ROUTE_SHIFT & 31;
      return (ROUTES & 1 << route) != 0 ? routing.input(route) : IrqLine.none();
    }

    /** The CPU has not accepted the last interrupt. */
    private boolean isWaiting() {
      if (legacyReplacement() && index < 2) {
        return routing.isLegacyWaiting(index == 0 ? 0 : 8);
      }
      int route = config >> ROUTE_SHIFT & 31;
      return (ROUTES & 1 << route) != 0 && routing.isInputWaiting(route);
    }

    private void lower() {
      if ((status & 1 << index) != 0) {
        status &= ~(1 << index);
        line().lower();
      }
    }

    private void clearStatus(int bits) {
      if ((bits & 1 << index) != 0) {
        lower();
      }
    }

    private long read(int register) {
      return switch (register) {
        case 0x00 -> config | CAPABILITIES | (long) ROUTES << 32;
        case 0x08 -> value;
        default -> 0;
      };
    }

    private void write(int register, long written, int shift) {
      if (register == 0x00 && shift == 0) {
        int next = (int) written & WRITABLE;
        if ((config ^ next) >> ROUTE_SHIFT != 0
            || (next & (LEVEL | INTERRUPT)) != (LEVEL | INTERRUPT)) {
          lower();
        }
        config = next;
      } else if (register == 0x08) {
        writeComparator(written, shift);
      }
      arm();
    }

    /**
     * In periodic mode a write sets the period, and the value too where software asked for that
     * (2.3.9.2.2).
     */
    private void writeComparator(long written, int shift) {
      if (is32Bit() && shift != 0) {
        return;
      }
      if (!isPeriodic() || (config & SET_VALUE) != 0) {
        value = is32Bit() ? written & 0xffff_ffffL : replaceHalf(value, written, shift);
      }
      if (isPeriodic()) {
        period = is32Bit() ? written & 0xffff_ffffL : replaceHalf(period, written, shift);
      }
      if (shift != 0 || is32Bit()) {
        config &= ~SET_VALUE;
      }
    }

    private long ticksTo(long target) {
      long distance = target - Hpet.this.now();
      return is32Bit() ? (int) distance : distance;
    }

    /** Arms the timer for the next match. */
    private void arm() {
      if (!enabled() || (config & INTERRUPT) == 0 || isPeriodic() && period == 0) {
        timer.cancel();
        return;
      }
      long now = clocks.virtualNow();
      long ticks = ticksTo(value);
      if (isPeriodic()) {
        long nanos = Math.clamp(ticks, -FURTHEST, FURTHEST) * TICK_NS;
        timer.set(TickPacer.deadline(now + nanos, periodNanos(), now));
      } else {
        // A value that was passed comes again when the counter has gone round.
        long wait =
            is32Bit() ? ticks & 0xffff_ffffL : ticks < 0 ? FURTHEST : Math.min(ticks, FURTHEST);
        timer.set(now + Math.max(wait * TICK_NS, 1));
      }
    }

    private long periodNanos() {
      return Math.clamp(period, 0, FURTHEST) * TICK_NS;
    }

    private void expired() {
      if (isPeriodic()) {
        long now = clocks.virtualNow();
        if (isWaiting()) {
          timer.set(TickPacer.retry(now));
          return;
        }
        long late = Math.clamp(-ticksTo(value), 0, FURTHEST) * TICK_NS;
        value += TickPacer.periodsToNext(now - late, periodNanos(), now) * period;
        if (is32Bit()) {
          value &= 0xffff_ffffL;
        }
      }
      if ((config & LEVEL) != 0) {
        status |= 1 << index;
        line().raise();
      } else {
        line().pulse();
      }
      if (isPeriodic() || is32Bit()) {
        arm();
      }
    }
  }
}
