package dev.pollux.devices.irqchip;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import java.util.Arrays;

/**
 * An I/O APIC with 24 pins (Intel 82093AA data sheet), version 0x20: with the EOI register of later
 * chips.
 *
 * <p>A pin's request stays in {@code irr} until its message is delivered: an edge until then, a
 * level as long as the line is high. Everything with the machine lock held.
 */
public final class IoApic implements Device, BusDevice {
  public static final int PINS = 24;

  /** Where a PC's chipset maps it. */
  public static final long ADDRESS = 0xfec00000L;

  private static final int VERSION = 0x20;

  private static final int IOREGSEL = 0x00;
  private static final int IOWIN = 0x10;
  private static final int EOI = 0x40;

  private static final long VECTOR = 0xff;
  private static final long LOGICAL = 1 << 11;
  private static final long REMOTE_IRR = 1 << 14;
  private static final long LEVEL = 1 << 15;
  private static final long MASKED = 1 << 16;
  private static final long WRITABLE = 0xff00_0000_0001_afffL;

  public static final DeviceType<SystemBus> TYPE = DeviceType.part(SystemBus.KIND, "ioapic");

  private static final StateDescriptor<IoApic> STATE =
      StateDescriptor.of(IoApic.class, "ioapic", 1)
          .u8("id", 15, a -> a.id, (a, v) -> a.id = v)
          .u8("select", a -> a.select, (a, v) -> a.select = v)
          .u32("lines", (1 << PINS) - 1, a -> a.lines, (a, v) -> a.lines = v)
          .u32("irr", (1 << PINS) - 1, a -> a.irr, (a, v) -> a.irr = v)
          .u64Array("entries", PINS, a -> a.entries)
          .afterLoad(a -> Arrays.setAll(a.entries, i -> a.entries[i] & (WRITABLE | REMOTE_IRR)));

  private final ApicBus bus;

  private int id;

  /** The indirect register selected. */
  private int select;

  /** Present levels of the pins. */
  private int lines;

  /** Requests not delivered yet. */
  private int irr;

  /** The redirection table. */
  private final long[] entries = new long[PINS];

  public IoApic(ApicBus bus) {
    this.bus = bus;
    bus.attach(this);
    reset();
  }

  public Region registers() {
    return new Region.DeviceRegion("ioapic", 0x1000, 4, 4, this);
  }

  @Override
  public String id() {
    return "ioapic";
  }

  @Override
  public void reset() {
    id = 0;
    select = 0;
    lines = 0;
    irr = 0;
    Arrays.fill(entries, MASKED);
  }

  /** Sets the level of pin 0 to 23. */
  public void setPin(int pin, boolean level) {
    int bit = 1 << pin;
    boolean wasHigh = (lines & bit) != 0;
    lines = level ? lines | bit : lines & ~bit;
    if ((entries[pin] & LEVEL) != 0) {
      irr = level ? irr | bit : irr & ~bit;
    } else if (level && !wasHigh && (entries[pin] & MASKED) == 0) {
      irr |= bit; // An edge at a masked pin is lost (data sheet, interrupt mask bit).
    }
    deliver(pin);
  }

  /** True while the request of an unmasked pin waits, here or in a local APIC. */
  public boolean isRequested(int pin) {
    long entry = entries[pin];
    return (entry & MASKED) == 0
        && ((irr >> pin & 1) != 0 || bus.isRequested((int) (entry & VECTOR)));
  }

  /** A local APIC ended a level-triggered interrupt with this vector. */
  void endOfInterrupt(int vector) {
    for (int pin = 0; pin < PINS; pin++) {
      long entry = entries[pin];
      if ((entry & REMOTE_IRR) != 0 && (entry & VECTOR) == vector) {
        entries[pin] &= ~REMOTE_IRR;
        deliver(pin);
      }
    }
  }

  private void deliver(int pin) {
    int bit = 1 << pin;
    long entry = entries[pin];
    if ((irr & bit) == 0 || (entry & (MASKED | REMOTE_IRR)) != 0) {
      return;
    }
    boolean level = (entry & LEVEL) != 0;
    if (level) {
      entries[pin] |= REMOTE_IRR;
    } else {
      irr &= ~bit;
    }
    boolean accepted =
        bus.deliver(
            (int) (entry >>> 56),
            false,
            (entry & LOGICAL) != 0,
            DeliveryMode.of((int) (entry >> 8)),
            (int) (entry & VECTOR),
            level);
    if (level && !accepted) {
      entries[pin] &= ~REMOTE_IRR;
    }
  }

  @Override
  public long read(long offset, int size) {
    return switch ((int) offset) {
      case IOREGSEL -> select;
      case IOWIN -> readSelected();
      default -> 0;
    };
  }

  private long readSelected() {
    int entry = (select - 0x10) >> 1;
    return switch (select) {
      case 0, 2 -> (long) id << 24; // id, and arbitration id which follows it
      case 1 -> VERSION | (PINS - 1) << 16;
      default ->
          entry < 0 || entry >= PINS ? 0 : (entries[entry] >>> ((select & 1) * 32)) & 0xffff_ffffL;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    switch ((int) offset) {
      case IOREGSEL -> select = (int) value & 0xff;
      case IOWIN -> writeSelected(value & 0xffff_ffffL);
      case EOI -> endOfInterrupt((int) value & 0xff);
      default -> {}
    }
  }

  private void writeSelected(long value) {
    int pin = (select - 0x10) >> 1;
    if (select == 0) {
      id = (int) (value >> 24) & 15;
    } else if (pin >= 0 && pin < PINS) {
      long old = entries[pin];
      long merged =
          (select & 1) == 0 ? old & ~0xffff_ffffL | value : old & 0xffff_ffffL | value << 32;
      long entry = merged & WRITABLE | old & REMOTE_IRR;
      if ((entry & LEVEL) == 0) {
        // The way in which software clears a stuck remote IRR on chips without EOI register.
        entry &= ~REMOTE_IRR;
        if ((old & LEVEL) != 0) {
          irr &= ~(1 << pin);
        }
      } else if ((lines & 1 << pin) != 0) {
        irr |= 1 << pin;
      } else {
        irr &= ~(1 << pin);
      }
      entries[pin] = entry;
      deliver(pin);
    }
  }

  @Override
  public boolean isLoadedLast() {
    return true;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
