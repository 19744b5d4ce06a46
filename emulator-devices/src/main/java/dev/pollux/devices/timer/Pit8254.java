package dev.pollux.devices.timer;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceType;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * The 8254 programmable interval timer (Intel 8254 data sheet) and the part of port 0x61 that
 * belongs to it: the gate and output of channel 2, the speaker and the refresh toggle.
 *
 * <p>Counting is computed from guest time when somebody looks; a host timer exists only for edges
 * of channel 0, which is IRQ 0. Everything with the machine lock held.
 */
public final class Pit8254 implements Device, BusDevice {
  /** Input clock, Hz. */
  public static final int FREQUENCY = 1_193_182;

  private static final long NANOS_PER_SECOND = 1_000_000_000L;

  /** Port 0x61 toggles bit 4 with each memory refresh: every 15,085 ns. */
  private static final long REFRESH_NS = 15_085;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "isa-pit");

  private static final StateDescriptor<Pit8254> STATE =
      StateDescriptor.of(Pit8254.class, "i8254", 1)
          .structs("channels", 3, Channel.STATE, p -> p.channels)
          .timer("timer", p -> p.timer)
          .bool("irq-enabled", p -> p.irqEnabled, (p, v) -> p.irqEnabled = v)
          .u8("port61", 0x0f, p -> p.port61, (p, v) -> p.port61 = v);

  private final MachineClocks clocks;
  private final IrqLine irq;
  private final BooleanSupplier irqWaits;
  private final GuestTimer timer;

  private final List<Channel> channels;

  /** False while the HPET takes the place of IRQ 0. */
  private boolean irqEnabled;

  /** Bits 0 to 3 of port 0x61 as written. */
  private int port61;

  /**
   * @param irq output of channel 0
   * @param irqWaits true while the CPU has not accepted an interrupt of that line: ticks are kept
   *     for it
   */
  public Pit8254(MachineClocks clocks, IrqLine irq, BooleanSupplier irqWaits) {
    this.clocks = clocks;
    this.irq = irq;
    this.irqWaits = irqWaits;
    this.timer = clocks.timer(ClockType.VIRTUAL, "pit", this::edge);
    this.channels = List.of(new Channel(), new Channel(), new Channel());
    powerOn();
  }

  /** Ports 0x40 to 0x43. */
  public Region ports() {
    return new Region.DeviceRegion("i8254", 4, 1, this);
  }

  /** Port 0x61, system control port B. */
  public Region controlPort() {
    return new Region.DeviceRegion(
        "port61",
        1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readPort61();
          }

          @Override
          public void write(long offset, int size, long value) {
            writePort61((int) value);
          }
        });
  }

  @Override
  public String id() {
    return "i8254";
  }

  @Override
  public void reset() {
    powerOn();
    irq.lower();
  }

  private void powerOn() {
    for (Channel channel : channels) {
      channel.reset(clocks.virtualNow());
    }
    channels.get(2).gate = false;
    irqEnabled = true;
    port61 = 0;
    timer.cancel();
  }

  /** Disconnects channel 0 from IRQ 0, or connects it again. */
  public void setIrqEnabled(boolean enabled) {
    irqEnabled = enabled;
    updateIrq();
  }

  private int readPort61() {
    long now = clocks.virtualNow();
    int refresh = (int) (now / REFRESH_NS & 1);
    int output = channels.get(2).output(now) ? 1 : 0;
    return port61 | refresh << 4 | output << 5;
  }

  private void writePort61(int value) {
    port61 = value & 0x0f;
    channels.get(2).setGate((value & 1) != 0, clocks.virtualNow());
  }

  @Override
  public long read(long offset, int size) {
    return offset == 3 ? 0xff : channels.get((int) offset).read(clocks.virtualNow());
  }

  @Override
  public void write(long offset, int size, long value) {
    int v = (int) value & 0xff;
    long now = clocks.virtualNow();
    if (offset < 3) {
      channels.get((int) offset).write(v, now);
    } else if (v >> 6 == 3) {
      readBack(v, now);
    } else if ((v & 0x30) == 0) {
      channels.get(v >> 6).latchCount(now);
    } else {
      channels.get(v >> 6).setMode(v, now);
    }
    updateIrq();
  }

  private void readBack(int command, long now) {
    for (int i = 0; i < 3; i++) {
      if ((command & 2 << i) != 0) {
        if ((command & 0x20) == 0) {
          channels.get(i).latchCount(now);
        }
        if ((command & 0x10) == 0) {
          channels.get(i).latchStatus(now);
        }
      }
    }
  }

  private void edge() {
    Channel channel = channels.getFirst();
    if (channel.isPeriodic() && irqWaits.getAsBoolean()) {
      timer.set(TickPacer.retry(clocks.virtualNow()));
      return;
    }
    channel.noteEdge(clocks.virtualNow());
    if (channel.isPulsing()) {
      irq.lower(); // Only the rising edge counts.
    }
    updateIrq();
  }

  private void updateIrq() {
    Channel channel = channels.getFirst();
    long now = clocks.virtualNow();
    if (irqEnabled) {
      irq.set(channel.isPulsing() || channel.output(now));
      timer.set(channel.nextEdge(now));
    } else {
      irq.lower();
      timer.cancel();
    }
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }

  /**
   * One of the three counters. Times are guest nanoseconds; ticks are those of the input clock
   * since the count started.
   */
  static final class Channel {
    static final StateDescriptor<Channel> STATE =
        StateDescriptor.of(Channel.class, "i8254-channel", 1)
            .u8("mode", 7, c -> c.mode, (c, v) -> c.mode = v)
            .bool("bcd", c -> c.bcd, (c, v) -> c.bcd = v)
            .u8("access", 3, c -> c.access, (c, v) -> c.access = v)
            .u32("count", 0x10000, c -> c.count, (c, v) -> c.count = Math.max(v, 1))
            .bool("loaded", c -> c.loaded, (c, v) -> c.loaded = v)
            .bool("triggered", c -> c.triggered, (c, v) -> c.triggered = v)
            .u64("start", c -> c.start, (c, v) -> c.start = v)
            .u64("periods", c -> c.periods, (c, v) -> c.periods = v)
            .u64("paused-ticks", c -> c.pausedTicks, (c, v) -> c.pausedTicks = v)
            .bool("gate", c -> c.gate, (c, v) -> c.gate = v)
            .bool("write-high", c -> c.writeHigh, (c, v) -> c.writeHigh = v)
            .u8("write-low-byte", c -> c.writeLowByte, (c, v) -> c.writeLowByte = v)
            .bool("read-high", c -> c.readHigh, (c, v) -> c.readHigh = v)
            .u8("latched-bytes", 3, c -> c.latchedBytes, (c, v) -> c.latchedBytes = v)
            .u16("latched-count", c -> c.latchedCount, (c, v) -> c.latchedCount = v)
            .bool("status-latched", c -> c.statusLatched, (c, v) -> c.statusLatched = v)
            .u8("latched-status", c -> c.latchedStatus, (c, v) -> c.latchedStatus = v);

    private static final int ACCESS_LOW = 1;
    private static final int ACCESS_HIGH = 2;
    private static final int ACCESS_BOTH = 3;

    /** As in the control word: 6 and 7 are 2 and 3 again. */
    private int mode;

    private boolean bcd;

    /** Which bytes are read and written: 1 low, 2 high, 3 low then high. */
    private int access;

    /** The initial count, 1 to 65,536 (10,000 in BCD). */
    private int count;

    /** A count was written since the mode was set; without one nothing counts. */
    private boolean loaded;

    /** Modes 1 and 5: the gate rose since the count was written. */
    private boolean triggered;

    /** When the count started. */
    private long start;

    /** Modes 2 and 3: periods since {@link #start} whose rising edge was given. */
    private long periods;

    /** Ticks counted when the gate went low, where a low gate stops counting. */
    private long pausedTicks;

    private boolean gate;

    /** The next write is the high byte. */
    private boolean writeHigh;

    private int writeLowByte;

    /** The next read is the high byte. */
    private boolean readHigh;

    /** Bytes of the latched count not read yet: bit 0 low, bit 1 high. */
    private int latchedBytes;

    private int latchedCount;
    private boolean statusLatched;
    private int latchedStatus;

    void reset(long now) {
      mode = 3;
      bcd = false;
      access = ACCESS_BOTH;
      count = 0x10000;
      loaded = false;
      triggered = false;
      start = now;
      pausedTicks = 0;
      periods = 0;
      gate = true;
      writeHigh = false;
      writeLowByte = 0;
      readHigh = false;
      latchedBytes = 0;
      latchedCount = 0;
      statusLatched = false;
      latchedStatus = 0;
    }

    void setMode(int control, long now) {
      mode = control >> 1 & 7;
      bcd = (control & 1) != 0;
      access = control >> 4 & 3;
      loaded = false;
      triggered = false;
      start = now;
      pausedTicks = 0;
      periods = 0;
      writeHigh = false;
      readHigh = false;
      latchedBytes = 0;
      statusLatched = false;
    }

    /** OUT is high for most of the time and falls to rise again. */
    boolean isPulsing() {
      return mode >= 2;
    }

    private int mode() {
      return mode > 5 ? mode - 4 : mode;
    }

    boolean isPeriodic() {
      return (mode & 2) != 0;
    }

    private boolean startsByGate() {
      return mode == 1 || mode == 5;
    }

    void setGate(boolean level, long now) {
      if (level == gate) {
        return;
      }
      if (level) {
        if (startsByGate()) {
          triggered = loaded;
          start = now;
        } else if (isPeriodic()) {
          start = now;
          periods = 0;
        } else {
          start = now - nanos(pausedTicks);
        }
      } else {
        pausedTicks = ticks(now);
      }
      gate = level;
    }

    /** Ticks counted so far. */
    private long ticks(long now) {
      if (!gate && !startsByGate()) {
        return isPeriodic() ? 0 : pausedTicks;
      }
      return toTicks(Math.max(0, now - start));
    }

    private static long toTicks(long nanos) {
      return nanos / NANOS_PER_SECOND * FREQUENCY
          + nanos % NANOS_PER_SECOND * FREQUENCY / NANOS_PER_SECOND;
    }

    /** The time after which that many ticks have passed. */
    private static long nanos(long ticks) {
      long rest = ticks % FREQUENCY * NANOS_PER_SECOND;
      return ticks / FREQUENCY * NANOS_PER_SECOND + (rest + FREQUENCY - 1) / FREQUENCY;
    }

    /** The level of OUT (data sheet, "Mode Definitions"). */
    boolean output(long now) {
      long t = ticks(now);
      return switch (mode()) {
        case 0 -> loaded && t >= count;
        case 1 -> !triggered || t >= count;
        case 2 -> !loaded || !gate || t % count != count - 1;
        case 3 -> !loaded || !gate || t % count < (count + 1) / 2;
        case 4 -> !loaded || t != count;
        default -> !triggered || t != count;
      };
    }

    private long due() {
      return start + nanos((periods + 1) * count);
    }

    /** The rising edge of a period was given. */
    void noteEdge(long now) {
      if (isPeriodic()) {
        periods += TickPacer.periodsToNext(due(), nanos(count), now);
      }
    }

    /** When OUT changes next (where it pulses: rises next), or {@link GuestTimer#NEVER}. */
    long nextEdge(long now) {
      boolean counting = startsByGate() ? triggered : loaded && gate;
      if (!counting) {
        return GuestTimer.NEVER;
      }
      if (isPeriodic()) {
        return TickPacer.deadline(due(), nanos(count), now);
      }
      // Modes 0 and 1 rise with the last tick; 4 and 5 strobe for one tick more.
      long last = mode < 2 ? count : count + 1L;
      return ticks(now) < last ? Math.max(start + nanos(last), now + 1) : GuestTimer.NEVER;
    }

    /** The counting element as a program reads it. */
    private int currentCount(long now) {
      long t = ticks(now);
      long modulus = bcd ? 10_000 : 0x10000;
      boolean idle = !loaded || startsByGate() && !triggered;
      long value =
          switch (mode()) {
            case 2 -> count - t % count;
            case 3 -> count - t % count * 2 % count;
            default -> Math.floorMod(count - t, modulus);
          };
      int n = (int) ((idle ? count : value) % modulus);
      return bcd ? n / 1000 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10 : n;
    }

    void latchCount(long now) {
      if (latchedBytes == 0) {
        latchedCount = currentCount(now);
        latchedBytes = access;
      }
    }

    void latchStatus(long now) {
      if (!statusLatched) {
        statusLatched = true;
        latchedStatus =
            (output(now) ? 0x80 : 0)
                | (loaded ? 0 : 0x40)
                | access << 4
                | mode << 1
                | (bcd ? 1 : 0);
      }
    }

    int read(long now) {
      if (statusLatched) {
        statusLatched = false;
        return latchedStatus;
      }
      if (latchedBytes != 0) {
        boolean low = (latchedBytes & 1) != 0;
        latchedBytes &= low ? ~1 : 0;
        return low ? latchedCount & 0xff : latchedCount >> 8;
      }
      int value = currentCount(now);
      boolean high = access == ACCESS_HIGH || access == ACCESS_BOTH && readHigh;
      if (access == ACCESS_BOTH) {
        readHigh = !readHigh;
      }
      return high ? value >> 8 : value & 0xff;
    }

    void write(int value, long now) {
      switch (access) {
        case ACCESS_LOW -> load(value, now);
        case ACCESS_HIGH -> load(value << 8, now);
        default -> {
          if (writeHigh) {
            load(value << 8 | writeLowByte, now);
          } else {
            writeLowByte = value;
            if (mode == 0) {
              loaded = false; // The first byte stops counting and sets OUT low.
            }
          }
          writeHigh = !writeHigh;
        }
      }
    }

    private void load(int value, long now) {
      int binary = bcd ? fromBcd(value) : value;
      int full = bcd ? 10_000 : 0x10000;
      count = binary == 0 ? full : binary;
      if (!startsByGate()) {
        // Modes 2 and 3 should finish the present period first; as everybody's, this timer restarts
        // at once.
        start = now;
        pausedTicks = 0;
        periods = 0;
      }
      loaded = true;
    }

    private static int fromBcd(int value) {
      return (value >> 12 & 15) * 1000
          + (value >> 8 & 15) * 100
          + (value >> 4 & 15) * 10
          + (value & 15);
    }
  }
}
