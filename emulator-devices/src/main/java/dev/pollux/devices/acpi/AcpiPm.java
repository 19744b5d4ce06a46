package dev.pollux.devices.acpi;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceType;

/**
 * ACPI power management as in the PIIX4 (ACPI specification 6.5, 4.8; Intel 82371AB data sheet,
 * chapter 7): PM1 events and control, the 24-bit PM timer, one block of general-purpose events, the
 * SMI command port that switches ACPI on. Everything with the machine lock held.
 */
public final class AcpiPm implements Device {
  /** Ports of the PM block and of GPE0; the FADT says the same. */
  public static final int PM_BASE = 0x600;

  public static final int GPE_BASE = 0xafe0;
  public static final int APM_BASE = 0xb2;

  /** What the FADT tells software to write to the SMI command port. */
  public static final int ACPI_ENABLE = 0xf1;

  public static final int ACPI_DISABLE = 0xf0;

  /** SLP_TYP of the soft-off state, as {@code \_S5} says; the others as QEMU has them. */
  public static final int SLEEP_TYPE_S5 = 0;

  /** Suspend to RAM. */
  public static final int SLEEP_TYPE_S3 = 1;

  /** Suspend to disk. */
  public static final int SLEEP_TYPE_S4 = 2;

  /** PM timer ticks per second. */
  public static final int TIMER_FREQUENCY = 3_579_545;

  private static final int TIMER = 1;
  private static final int GLOBAL = 1 << 5;
  private static final int POWER_BUTTON = 1 << 8;
  private static final int SLEEP_BUTTON = 1 << 9;
  private static final int RTC = 1 << 10;
  private static final int ENABLES = TIMER | GLOBAL | POWER_BUTTON | SLEEP_BUTTON | RTC;
  private static final int WAKE = 1 << 15;
  private static final int STATUSES = ENABLES | 1 << 4 | WAKE;

  /** Of the ICH9: which events make system management interrupts. */
  private static final int SMI_CONTROL = 0x30;

  /** Firmware that finds this takes system management mode for set up, and leaves it alone. */
  private static final int APMC_ENABLE = 0x20;

  private static final int SCI_ENABLE = 1;
  private static final int SLEEP_ENABLE = 1 << 13;

  private static final long SECOND = 1_000_000_000L;

  public static final DeviceType<IsaBus> TYPE = DeviceType.part(IsaBus.KIND, "acpi-pm");

  private static final StateDescriptor<AcpiPm> STATE =
      StateDescriptor.of(AcpiPm.class, "piix4_pm", 2)
          .u16("status", p -> p.status, (p, v) -> p.status = v & STATUSES)
          .u16("enable", p -> p.enable, (p, v) -> p.enable = v & ENABLES)
          .u16("control", p -> p.control, (p, v) -> p.control = v & ~SLEEP_ENABLE)
          .u16("gpe-status", p -> p.gpeStatus, (p, v) -> p.gpeStatus = v)
          .u16("gpe-enable", p -> p.gpeEnable, (p, v) -> p.gpeEnable = v)
          .u8("apm-control", p -> p.apmControl, (p, v) -> p.apmControl = v)
          .u8("apm-status", p -> p.apmStatus, (p, v) -> p.apmStatus = v)
          .u64("seen-ticks", p -> p.seenTicks, (p, v) -> p.seenTicks = v)
          .timer("timer", p -> p.timer)
          .since(2)
          .bool("asleep", p -> p.machine.isAsleep(), (p, v) -> p.machine.setAsleep(v));

  private final Machine machine;
  private final IrqLine sci;
  private final GuestTimer timer;

  private int status;
  private int enable;
  private int control;
  private int gpeStatus;
  private int gpeEnable;
  private int apmControl;
  private int apmStatus;

  /** Ticks up to which changes of the timer's top bit have been noted in {@link #status}. */
  private long seenTicks;

  /**
   * @param sci IRQ 9, level-triggered
   */
  public AcpiPm(Machine machine, IrqLine sci) {
    this.machine = machine;
    this.sci = sci;
    this.timer = machine.clocks().timer(ClockType.VIRTUAL, "acpi-pm", this::update);
    machine.addListener(
        new MachineListener() {
          @Override
          public void poweredDown() {
            pressPowerButton();
          }

          @Override
          public void wokenUp(WakeupReason reason) {
            status |= WAKE | (reason == WakeupReason.RTC ? RTC : POWER_BUTTON);
            update();
          }
        });
  }

  /** The PM block, to be mapped at {@link #PM_BASE}: event, control, timer. */
  public Region pmPorts() {
    return new Region.DeviceRegion(
        "acpi-pm", 64, 1, 4, bytes(this::update, this::readPm, this::writePm));
  }

  /** The GPE0 block, to be mapped at {@link #GPE_BASE}: two bytes of status, two of enables. */
  public Region gpePorts() {
    return new Region.DeviceRegion(
        "acpi-gpe0", 4, 1, 4, bytes(() -> {}, this::readGpe, this::writeGpe));
  }

  /** SMI command and status ports, to be mapped at {@link #APM_BASE}. */
  public Region apmPorts() {
    return new Region.DeviceRegion(
        "apm",
        2,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return offset == 0 ? apmControl : apmStatus;
          }

          @Override
          public void write(long offset, int size, long value) {
            writeApm((int) offset, (int) value & 0xff);
          }
        });
  }

  /** The power button was pressed: an event, where the guest listens. */
  public void pressPowerButton() {
    status |= POWER_BUTTON;
    update();
  }

  /** The real-time clock's alarm went off: wakes a guest that wants to be woken by it. */
  public void clockAlarm() {
    if ((enable & RTC) != 0) {
      machine.wakeUp(WakeupReason.RTC);
    }
  }

  /** Sets general-purpose event 0 to 15. */
  public void raiseGpe(int event) {
    gpeStatus |= 1 << event;
    update();
  }

  @Override
  public String id() {
    return "piix4_pm";
  }

  @Override
  public void reset() {
    status = 0;
    enable = 0;
    control = 0;
    gpeStatus = 0;
    gpeEnable = 0;
    apmControl = 0;
    apmStatus = 0;
    seenTicks = ticks();
    update();
  }

  private long ticks() {
    long now = machine.clocks().virtualNow();
    return now / SECOND * TIMER_FREQUENCY + now % SECOND * TIMER_FREQUENCY / SECOND;
  }

  /**
   * Notes a change of the timer's bit 23, drives SCI, arms the timer for the next change where
   * somebody waits for it.
   */
  private void update() {
    long ticks = ticks();
    if (ticks >> 23 != seenTicks >> 23) {
      status |= TIMER;
    }
    seenTicks = ticks;
    boolean event = (status & enable) != 0 || (gpeStatus & gpeEnable) != 0;
    sci.set(event && (control & SCI_ENABLE) != 0);
    if ((enable & TIMER) != 0 && (status & TIMER) == 0) {
      long change = (ticks >> 23) + 1 << 23;
      timer.set(
          change / TIMER_FREQUENCY * SECOND
              + change % TIMER_FREQUENCY * SECOND / TIMER_FREQUENCY
              + 1);
    } else {
      timer.cancel();
    }
  }

  private int readPm(int offset) {
    return switch (offset >> 1) {
      case 0 -> byteOf(status, offset);
      case 1 -> byteOf(enable, offset);
      case 2 -> byteOf(control, offset);
      case 4, 5 -> offset < 11 ? (int) (seenTicks >> (offset - 8) * 8) & 0xff : 0;
      case SMI_CONTROL >> 1 -> offset == SMI_CONTROL ? APMC_ENABLE : 0;
      default -> 0;
    };
  }

  private void writePm(int offset, int value) {
    switch (offset >> 1) {
      case 0 -> {
        update();
        status &= ~(value << (offset & 1) * 8);
      }
      case 1 -> enable = withByte(enable, offset, value) & ENABLES;
      case 2 -> writeControl(withByte(control, offset, value));
      default -> {}
    }
    update();
  }

  private void writeControl(int value) {
    control = value & ~SLEEP_ENABLE;
    if ((value & SLEEP_ENABLE) == 0) {
      return;
    }
    switch (value >> 10 & 7) {
      case SLEEP_TYPE_S5 -> machine.requestShutdown(ShutdownCause.GUEST_SHUTDOWN);
      case SLEEP_TYPE_S3 -> machine.requestSuspend();
      case SLEEP_TYPE_S4 -> machine.requestSuspendToDisk();
      default -> {} // not in the DSDT
    }
  }

  private int readGpe(int offset) {
    return byteOf(offset < 2 ? gpeStatus : gpeEnable, offset);
  }

  private void writeGpe(int offset, int value) {
    if (offset < 2) {
      gpeStatus &= ~(value << offset * 8);
    } else {
      gpeEnable = withByte(gpeEnable, offset, value);
    }
    update();
  }

  private void writeApm(int offset, int value) {
    if (offset != 0) {
      apmStatus = value;
      return;
    }
    apmControl = value;
    if (value == ACPI_ENABLE) {
      control |= SCI_ENABLE;
    } else if (value == ACPI_DISABLE) {
      control &= ~SCI_ENABLE;
    }
    update();
  }

  private static int byteOf(int register, int offset) {
    return register >> (offset & 1) * 8 & 0xff;
  }

  private static int withByte(int register, int offset, int value) {
    int shift = (offset & 1) * 8;
    return register & ~(0xff << shift) | value << shift;
  }

  @FunctionalInterface
  private interface ByteReader {
    int read(int offset);
  }

  @FunctionalInterface
  private interface ByteWriter {
    void write(int offset, int value);
  }

  /**
   * Registers that may be accessed by any of their bytes; {@code beforeRead} runs once for all of
   * them.
   */
  private static BusDevice bytes(Runnable beforeRead, ByteReader reader, ByteWriter writer) {
    return new BusDevice() {
      @Override
      public long read(long offset, int size) {
        beforeRead.run();
        long value = 0;
        for (int i = 0; i < size; i++) {
          value |= (long) reader.read((int) offset + i) << i * 8;
        }
        return value;
      }

      @Override
      public void write(long offset, int size, long value) {
        for (int i = 0; i < size; i++) {
          writer.write((int) offset + i, (int) (value >> i * 8) & 0xff);
        }
      }
    };
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
