package dev.pollux.devices.storage.floppy;

import static dev.pollux.devices.acpi.AmlBuilder.eisaId;
import static dev.pollux.devices.acpi.AmlBuilder.irq;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.ports;
import static dev.pollux.devices.acpi.AmlBuilder.resources;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.acpi.AmlBuilder;
import dev.pollux.devices.isa.DmaController;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * The floppy controller of PCs (Intel 82077AA data sheet): takes commands byte by byte, has {@link
 * FloppyTransfer} move the data, and hands out results. Heads move at once. Machine lock held.
 *
 * <pre>
 *   3f0 status A   3f1 status B   3f2 digital output   3f3 tape drive   3f4 main status / data rate
 *   3f5 data       3f7 digital input / configuration control
 * </pre>
 */
public final class FloppyController implements Device, FloppyTransfer.Host {
  public static final DeviceType<IsaBus> TYPE =
      DeviceType.on(IsaBus.KIND, "isa-fdc", FloppyController::create)
          .category(DeviceCategory.STORAGE)
          .description("floppy controller of a PC")
          .coldPlugOnly();

  private static final int PORT = 0x3f0;
  private static final int PORTS = 6;
  private static final int INPUT_PORT = 0x3f7;
  private static final int IRQ = 6;
  private static final int DMA = 2;

  // Of the digital output register.
  private static final int NOT_RESET = 4;
  private static final int INTERRUPTS = 8;

  // Of the main status register.
  private static final int READY = 0x80;
  private static final int TO_HOST = 0x40;
  private static final int NO_DMA = 0x20;
  private static final int BUSY = 0x10;

  // Of status register 0.
  static final int ABNORMAL = 0x40;
  private static final int INVALID = 0x80;
  private static final int POLLED = 0xc0;
  private static final int SEEK_END = 0x20;
  private static final int EQUIPMENT_CHECK = 0x10;

  private static final int IMPLIED_SEEK = 0x40;
  private static final int VERSION = 0x90;

  private static final int FIFO = 16;

  private static final int COMMAND = 0;
  private static final int EXECUTION = 1;
  private static final int RESULT = 2;

  private static final StateDescriptor<FloppyController> STATE =
      StateDescriptor.of(FloppyController.class, "fdc", 1)
          .u8("output", c -> c.output, (c, v) -> c.output = v)
          .u8("tape", 3, c -> c.tape, (c, v) -> c.tape = v)
          .u8("rate", 3, c -> c.rate, (c, v) -> c.rate = v)
          .u8("phase", RESULT, c -> c.phase, (c, v) -> c.phase = v)
          .u8("at", FIFO - 1, c -> c.at, (c, v) -> c.at = v)
          .u8("end", FIFO, c -> c.end, (c, v) -> c.end = v)
          .bytes("fifo", FIFO, c -> c.fifo)
          .u8("polls", 4, c -> c.polls, (c, v) -> c.polls = v)
          .bool("seek-ended", c -> c.seekEnded, (c, v) -> c.seekEnded = v)
          .u8("seek-status", c -> c.seekStatus, (c, v) -> c.seekStatus = v)
          .u8("seek-unit", 3, c -> c.seekUnit, (c, v) -> c.seekUnit = v)
          .u8("configuration", c -> c.configuration, (c, v) -> c.configuration = v)
          .u8("precompensation", c -> c.precompensation, (c, v) -> c.precompensation = v)
          .u16("timing", c -> c.timing, (c, v) -> c.timing = v)
          .u8("perpendicular", c -> c.perpendicular, (c, v) -> c.perpendicular = v)
          .bool("locked", c -> c.locked, (c, v) -> c.locked = v)
          .bool("interrupting", c -> c.interrupting, (c, v) -> c.interrupting = v)
          .struct("transfer", FloppyTransfer.STATE, c -> c.transfer)
          .afterLoad(FloppyController::updateIrq);

  /**
   * A command (chapter 5).
   *
   * @param mask bits of the first byte that say which it is
   * @param length bytes in all
   */
  private record Command(int mask, int code, int length, Consumer<FloppyController> action) {}

  private static final List<Command> COMMANDS =
      List.of(
          new Command(0xff, 0x03, 3, FloppyController::specify),
          new Command(0xff, 0x04, 2, FloppyController::senseDrive),
          new Command(0xff, 0x07, 2, c -> c.seek(0)),
          new Command(0xff, 0x08, 1, FloppyController::senseInterrupt),
          new Command(0xff, 0x0e, 1, FloppyController::dumpRegisters),
          new Command(0xff, 0x0f, 3, c -> c.seek(c.byteAt(2))),
          new Command(0xff, 0x10, 1, c -> c.result(VERSION)),
          new Command(0xff, 0x12, 2, FloppyController::setPerpendicular),
          new Command(0xff, 0x13, 4, FloppyController::configure),
          new Command(0x7f, 0x14, 1, FloppyController::lock),
          new Command(0xff, 0x8f, 3, c -> c.seekBy(-c.byteAt(2))),
          new Command(0xff, 0xcf, 3, c -> c.seekBy(c.byteAt(2))),
          new Command(0xbf, 0x0a, 2, c -> c.transfer.readId(c.fifo)),
          new Command(0xbf, 0x0d, 6, c -> c.transfer.format(c.fifo)),
          new Command(0x9f, 0x02, 9, c -> c.transfer.begin(FloppyTransfer.TRACK, c.fifo)),
          new Command(0x1f, 0x06, 9, c -> c.transfer.begin(FloppyTransfer.READ, c.fifo)),
          new Command(0x1f, 0x0c, 9, c -> c.transfer.begin(FloppyTransfer.READ, c.fifo)),
          new Command(0x1f, 0x16, 9, c -> c.transfer.begin(FloppyTransfer.VERIFY, c.fifo)),
          new Command(0x3f, 0x05, 9, c -> c.transfer.begin(FloppyTransfer.WRITE, c.fifo)),
          new Command(0x3f, 0x09, 9, c -> c.transfer.begin(FloppyTransfer.WRITE, c.fifo)));

  private static final Command UNKNOWN = new Command(0, 0, 1, c -> c.result(INVALID));

  @HostOnly("wiring")
  private final FloppyBus bus = new FloppyBus("floppy-bus.0");

  private final IrqLine irq;
  private final FloppyTransfer transfer;
  private int output;
  private int tape;
  private int rate;
  private int phase;

  /** Next byte of the FIFO, and how many there are to be. */
  private int at;

  private int end;
  private final byte[] fifo = new byte[FIFO];

  /** How often SENSE INTERRUPT STATUS tells of a drive after a reset. */
  private int polls;

  private boolean seekEnded;
  private int seekStatus;
  private int seekUnit;
  private int configuration;
  private int precompensation;
  private int timing;
  private int perpendicular;
  private boolean locked;
  private boolean interrupting;

  FloppyController(Machine machine, IrqLine irq, DmaController dma) {
    this.irq = irq;
    this.transfer = new FloppyTransfer(machine, this, dma, DMA);
  }

  private static Device create(IsaBus isa, DeviceContext context) {
    DmaController dma =
        context.machine().devices().stream()
            .filter(DmaController.class::isInstance)
            .map(DmaController.class::cast)
            .findFirst()
            .orElseThrow(
                () -> context.error("the machine has no ISA DMA; floppies are for pc and q35"));
    FloppyController controller = new FloppyController(isa.machine(), isa.irq(IRQ), dma);
    context.map(isa.machine().io(), PORT, controller.registers());
    context.map(isa.machine().io(), INPUT_PORT, controller.inputRegister());
    context.addBus(controller.bus);
    context.node().setFirmwareName("fdc@%04x".formatted(PORT));
    context
        .node()
        .setAcpi(
            AmlBuilder.device(
                "FDC0",
                name("_HID", eisaId("PNP0700")),
                name("_CRS", resources(ports(PORT + 2, 4), ports(INPUT_PORT, 1), irq(IRQ)))));
    return controller;
  }

  FloppyBus bus() {
    return bus;
  }

  // ---- registers ----

  Region registers() {
    return new Region.DeviceRegion(
        "fdc",
        PORTS,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readRegister((int) offset);
          }

          @Override
          public void write(long offset, int size, long value) {
            writeRegister((int) offset, (int) value & 0xff);
          }
        });
  }

  Region inputRegister() {
    return new Region.DeviceRegion(
        "fdc",
        1,
        1,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            FloppyDrive drive = bus.drive(output & 3);
            return drive != null && drive.isChanged() ? 0x80 : 0;
          }

          @Override
          public void write(long offset, int size, long value) {
            rate = (int) value & 3;
          }
        });
  }

  private int readRegister(int register) {
    return switch (register) {
      case 0 -> interrupting ? 0x80 : 0;
      case 1 -> 0xc0 | output >> 4 & 3;
      case 2 -> output;
      case 3 -> tape;
      case 4 -> mainStatus();
      default -> readData();
    };
  }

  private void writeRegister(int register, int value) {
    switch (register) {
      case 2 -> writeOutput(value);
      case 3 -> tape = value & 3;
      case 4 -> {
        rate = value & 3;
        if ((value & 0x80) != 0) {
          resetController();
          leaveReset();
        }
      }
      case 5 -> writeData(value);
      default -> {}
    }
  }

  private boolean isHeld() {
    return (output & NOT_RESET) == 0;
  }

  private void writeOutput(int value) {
    boolean wasHeld = isHeld();
    output = value;
    if (isHeld()) {
      resetController();
    } else if (wasHeld) {
      leaveReset();
    }
    updateIrq();
  }

  private void resetController() {
    transfer.abort();
    phase = COMMAND;
    at = 0;
    end = 0;
    polls = 0;
    seekEnded = false;
    if (!locked) {
      configuration = 0;
      precompensation = 0;
    }
    perpendicular &= 0x3c;
    interrupting = false;
    updateIrq();
  }

  private void leaveReset() {
    polls = 4;
    raise();
  }

  private int mainStatus() {
    if (isHeld()) {
      return 0;
    }
    return switch (phase) {
      case COMMAND -> READY | (at > 0 ? BUSY : 0);
      case RESULT -> READY | TO_HOST | BUSY;
      default -> BUSY | (usesDma() ? 0 : NO_DMA | transferStatus());
    };
  }

  private int transferStatus() {
    return transfer.gives() ? READY | TO_HOST : transfer.takes() ? READY : 0;
  }

  private int readData() {
    if (phase == EXECUTION) {
      return transfer.readByte();
    }
    if (phase != RESULT) {
      return 0;
    }
    lower();
    int value = fifo[at++] & 0xff;
    if (at >= end) {
      phase = COMMAND;
      at = 0;
    }
    return value;
  }

  private void writeData(int value) {
    if (phase == EXECUTION) {
      transfer.writeByte(value);
    }
    if (phase != COMMAND || isHeld()) {
      return;
    }
    fifo[at++] = (byte) value;
    Command command = command(byteAt(0));
    if (at >= command.length) {
      at = 0;
      command.action.accept(this);
    }
  }

  private static Command command(int code) {
    return COMMANDS.stream().filter(c -> (code & c.mask) == c.code).findFirst().orElse(UNKNOWN);
  }

  // ---- interrupts and results ----

  private void updateIrq() {
    irq.set(interrupting && (output & INTERRUPTS) != 0);
  }

  private void raise() {
    interrupting = true;
    updateIrq();
  }

  private void lower() {
    interrupting = false;
    updateIrq();
  }

  private int byteAt(int index) {
    return fifo[index] & 0xff;
  }

  private void result(int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      fifo[i] = (byte) bytes[i];
    }
    phase = RESULT;
    at = 0;
    end = bytes.length;
  }

  // ---- commands without data ----

  private void specify() {
    timing = byteAt(1) << 8 | byteAt(2);
  }

  private void senseDrive() {
    int unit = byteAt(1) & 3;
    FloppyDrive drive = bus.drive(unit);
    int status = 0x28 | byteAt(1) & 7; // ready, two sides
    if (drive != null) {
      status |= drive.track() == 0 ? 0x10 : 0;
      status |= drive.backend().readOnly() ? 0x40 : 0;
    }
    result(status);
  }

  private void seekBy(int tracks) {
    FloppyDrive drive = bus.drive(byteAt(1) & 3);
    seek(drive == null ? 0 : drive.track() + tracks);
  }

  private void seek(int track) {
    seekUnit = byteAt(1) & 3;
    FloppyDrive drive = bus.drive(seekUnit);
    seekStatus = SEEK_END | byteAt(1) & 7;
    if (drive != null) {
      drive.seek(track);
    } else {
      seekStatus |= ABNORMAL | EQUIPMENT_CHECK;
    }
    seekEnded = true;
    raise();
  }

  private void senseInterrupt() {
    if (polls > 0) {
      result(POLLED | 4 - polls, 0);
      polls--;
    } else if (seekEnded) {
      seekEnded = false;
      FloppyDrive drive = bus.drive(seekUnit);
      result(seekStatus, drive == null ? 0 : drive.track());
    } else {
      result(INVALID);
    }
    lower();
  }

  private void configure() {
    configuration = byteAt(2);
    precompensation = byteAt(3);
  }

  private void setPerpendicular() {
    perpendicular = byteAt(1) & 0x3f;
  }

  private void lock() {
    locked = (byteAt(0) & 0x80) != 0;
    result(locked ? 0x10 : 0);
  }

  private void dumpRegisters() {
    int[] tracks = new int[4];
    for (int unit = 0; unit < FloppyBus.DRIVES; unit++) {
      FloppyDrive drive = bus.drive(unit);
      tracks[unit] = drive == null ? 0 : drive.track();
    }
    result(
        tracks[0],
        tracks[1],
        tracks[2],
        tracks[3],
        timing >> 8,
        timing & 0xff,
        transfer.lastSector(),
        (locked ? 0x80 : 0) | perpendicular,
        configuration,
        precompensation);
  }

  // ---- for transfers ----

  @Override
  public FloppyDrive drive(int unit) {
    return bus.drive(unit);
  }

  @Override
  public int rate() {
    return rate;
  }

  @Override
  public boolean usesDma() {
    return (timing & 1) == 0;
  }

  @Override
  public boolean seeksByItself() {
    return (configuration & IMPLIED_SEEK) != 0;
  }

  @Override
  public void executes() {
    phase = EXECUTION;
    end = 0;
  }

  @Override
  public void dataReady() {
    raise();
  }

  @Override
  public void ended(int... status) {
    result(status);
    raise();
  }

  // ---- device ----

  @Override
  public String id() {
    return "fdc";
  }

  @Override
  public void reset() {
    locked = false;
    tape = 0;
    rate = 2;
    timing = 0;
    perpendicular = 0;
    seekStatus = 0;
    seekUnit = 0;
    Arrays.fill(fifo, (byte) 0);
    resetController();
    transfer.reset();
    output = NOT_RESET | INTERRUPTS;
    updateIrq();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }

  @Override
  public void close() {
    transfer.close();
  }
}
