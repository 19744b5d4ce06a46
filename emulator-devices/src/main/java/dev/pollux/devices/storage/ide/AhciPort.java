package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.Optional;

/**
 * A port of AHCI with its drive (AHCI 1.3.1, 3.3 and chapter 5): takes commands from a list in
 * guest memory and puts the drive's answers there. Machine lock held.
 *
 * <pre>
 *   00 list  08 received frames  10 interrupts  14 enabled  18 command  20 task file  24 signature
 *   28 link  2c link control  30 link errors  34 queued and not ended  38 issued
 * </pre>
 */
final class AhciPort implements AtaLink, AhciQueue.Port {
  /** Bytes of its registers. */
  static final int SIZE = 0x80;

  // Of the command register.
  private static final int START = 1;
  private static final int SPIN_UP = 1 << 1;
  private static final int POWER_ON = 1 << 2;
  private static final int OVERRIDE = 1 << 3;
  private static final int RECEIVE = 1 << 4;
  private static final int RECEIVES = 1 << 14;
  private static final int RUNS = 1 << 15;
  private static final int IS_PACKET_DRIVE = 1 << 24;

  /** Bits of the command register that software writes. */
  private static final int WRITABLE = START | SPIN_UP | POWER_ON | RECEIVE | IS_PACKET_DRIVE;

  // Of the interrupt registers.
  private static final int REGISTERS_CAME = 1;
  private static final int PIO_SETUP_CAME = 1 << 1;
  private static final int DEVICE_BITS_CAME = 1 << 3;
  private static final int OVERFLOW = 1 << 24;
  private static final int HOST_BUS_ERROR = 1 << 29;
  private static final int TASK_FILE_ERROR = 1 << 30;
  private static final int INTERRUPTS = 0xfdc0_00ff;

  /** A drive is there and speaks at 1.5 Gbit/s, link active. */
  private static final int LINK_UP = 0x113;

  private static final int DETECTION = 0xf;
  private static final int RESET_LINK = 1;
  private static final int NO_DRIVE = 0x7f;
  private static final int NO_SLOT = 32;

  static final StateDescriptor<AhciPort> STATE =
      StateDescriptor.of(AhciPort.class, "ahci-port", 1)
          .u64("list", p -> p.list, (p, v) -> p.list = v & -0x400L)
          .u64("received", p -> p.received, (p, v) -> p.received = v & -0x100L)
          .u32("interrupts", p -> p.interrupts, (p, v) -> p.interrupts = v)
          .u32("enabled", p -> p.enabled, (p, v) -> p.enabled = v & INTERRUPTS)
          .u32("command", p -> p.command, (p, v) -> p.command = v & WRITABLE)
          .u16("task-file", p -> p.taskFile, (p, v) -> p.taskFile = v)
          .u32("signature", p -> p.signature, (p, v) -> p.signature = v)
          .u32("link-control", p -> p.linkControl, (p, v) -> p.linkControl = v)
          .u32("queued", p -> p.queued, (p, v) -> p.queued = v)
          .u32("issued", p -> p.issued, (p, v) -> p.issued = v)
          .bool("halted", p -> p.halted, (p, v) -> p.halted = v)
          .bool("soft-reset", p -> p.softReset, (p, v) -> p.softReset = v)
          .u8("slot", NO_SLOT, p -> p.slot, (p, v) -> p.slot = v)
          .bool("pio-in", p -> p.pioIn, (p, v) -> p.pioIn = v)
          .u32("region", 0xffff, p -> p.region, (p, v) -> p.region = v)
          .u32("within", 1 << 22, p -> p.within, (p, v) -> p.within = v)
          .u64("moved", p -> p.moved, (p, v) -> p.moved = v)
          .struct("queue", AhciQueue.STATE, p -> p.queue);

  /** The adapter. */
  interface Adapter {
    /** Whether it may access guest memory. */
    boolean isMaster();

    /** A port may have one more interrupt. */
    void interruptsChanged();
  }

  private final IdeBus bus;
  private final GuestMemory memory;
  private final Adapter adapter;
  private final AhciQueue queue = new AhciQueue(this);

  private long list;
  private long received;
  private int interrupts;
  private int enabled;
  private int command;
  private int taskFile;
  private int signature;
  private int linkControl;
  private int queued;
  private int issued;

  /** A command has failed: no other is taken until software stops the port. */
  private boolean halted;

  private boolean softReset;

  /** The slot whose command the drive has, apart from queued ones. */
  private int slot = NO_SLOT;

  private boolean pioIn;

  /** The region of guest memory that comes next, and how much of it is done. */
  private int region;

  private int within;
  private long moved;

  @HostOnly("true only while commands are being issued")
  private boolean issuing;

  AhciPort(String name, Machine machine, GuestMemory memory, Adapter adapter) {
    this.bus = new IdeBus(name, 1, this);
    this.memory = memory;
    this.adapter = adapter;
    machine.addListener(queue.listener());
  }

  IdeBus bus() {
    return bus;
  }

  private Optional<IdeDrive> drive() {
    return bus.drive(0);
  }

  /** Whether it asks for an interrupt. */
  boolean isInterrupting() {
    return (interrupts & enabled) != 0;
  }

  /** Power-on, before {@link #reset}. */
  void forgetAddresses() {
    list = 0;
    received = 0;
  }

  /** The reset of the whole adapter: all but the addresses of the lists (10.4.3). */
  void reset() {
    interrupts = 0;
    enabled = 0;
    command = SPIN_UP | POWER_ON;
    linkControl = 0;
    softReset = false;
    stop();
    resetLink();
  }

  /** The link's reset: the drive begins anew and says what it is. */
  private void resetLink() {
    queue.clear();
    slot = NO_SLOT;
    drive().ifPresent(IdeDrive::hardReset);
    takeSignature();
  }

  private void takeSignature() {
    taskFile = drive().map(d -> d.error << 8 | d.status).orElse(NO_DRIVE);
    signature =
        drive().map(d -> d.count | d.lbaLow << 8 | d.lbaMid << 16 | d.lbaHigh << 24).orElse(-1);
    if (receives()) {
      drive().ifPresent(d -> Fis.registers(memory, received, d));
    }
  }

  /** Software has stopped the port. */
  private void stop() {
    issued = 0;
    queued = 0;
    halted = false;
    queue.clear();
    if (slot != NO_SLOT) {
      slot = NO_SLOT;
      drive().ifPresent(IdeDrive::abandon);
    }
  }

  private boolean runs() {
    return (command & START) != 0;
  }

  private boolean receives() {
    return (command & RECEIVE) != 0 && adapter.isMaster();
  }

  // ---- registers ----

  int read(int offset) {
    return switch (offset) {
      case 0x00 -> (int) list;
      case 0x04 -> (int) (list >>> 32);
      case 0x08 -> (int) received;
      case 0x0c -> (int) (received >>> 32);
      case 0x10 -> interrupts;
      case 0x14 -> enabled;
      case 0x18 -> commandRegister();
      case 0x20 -> taskFile;
      case 0x24 -> signature;
      case 0x28 -> drive().isPresent() ? LINK_UP : 0;
      case 0x2c -> linkControl;
      case 0x34 -> queued;
      case 0x38 -> issued;
      default -> 0;
    };
  }

  private int commandRegister() {
    int current = runs() && slot != NO_SLOT ? slot << 8 : 0;
    return command | current | ((command & RECEIVE) != 0 ? RECEIVES : 0) | (runs() ? RUNS : 0);
  }

  void write(int offset, int value) {
    long low = value & 0xffff_ffffL;
    switch (offset) {
      case 0x00 -> list = list & -1L << 32 | low & -0x400;
      case 0x04 -> list = list & 0xffff_ffffL | low << 32;
      case 0x08 -> received = received & -1L << 32 | low & -0x100;
      case 0x0c -> received = received & 0xffff_ffffL | low << 32;
      case 0x10 -> interrupts &= ~value; // the adapter's register keeps the port's bit
      case 0x14 -> {
        enabled = value & INTERRUPTS;
        adapter.interruptsChanged();
      }
      case 0x18 -> writeCommand(value);
      case 0x2c -> writeLinkControl(value);
      case 0x34 -> queued |= runs() ? value : 0;
      case 0x38 -> {
        issued |= runs() ? value : 0;
        run();
      }
      default -> {}
    }
  }

  private void writeCommand(int value) {
    boolean ran = runs();
    command = value & WRITABLE;
    if ((value & OVERRIDE) != 0 && !runs()) {
      taskFile &= ~(IdeDrive.BUSY | IdeDrive.DATA_REQUEST);
    }
    if (ran && !runs()) {
      stop();
    }
    run();
  }

  private void writeLinkControl(int value) {
    boolean ends = (linkControl & DETECTION) == RESET_LINK && (value & DETECTION) == 0;
    linkControl = value & 0xfff;
    if (ends) {
      resetLink();
    }
  }

  // ---- commands ----

  @Override
  public AhciCommand command(int number) {
    return AhciCommand.read(memory, list, number);
  }

  @Override
  public IdeDisk disk() {
    return drive().orElse(null) instanceof IdeDisk disk ? disk : null;
  }

  /** Hands over commands as long as the drive takes them. */
  void run() {
    if (issuing) {
      return;
    }
    issuing = true;
    drive().ifPresent(this::issueAll);
    issuing = false;
  }

  private void issueAll(IdeDrive drive) {
    while (runs() && !halted && issued != 0 && slot == NO_SLOT && adapter.isMaster()) {
      int next = Integer.numberOfTrailingZeros(issued);
      AhciCommand found = command(next);
      if (found == null || found.fis(0) != Fis.FROM_HOST) {
        halted = true;
        report(HOST_BUS_ERROR);
      } else if ((found.fis(1) & Fis.COMMAND) == 0) {
        issued &= ~(1 << next);
        control(drive, (found.fis(15) & Fis.SOFT_RESET) != 0);
      } else if (AhciQueue.isQueued(found.fis(2)) && drive instanceof IdeDisk) {
        issued &= ~(1 << next);
        queue.take(next);
      } else if (queue.isEmpty()) {
        issue(drive, next, found);
      } else {
        return; // after the queued ones
      }
    }
  }

  private void control(IdeDrive drive, boolean reset) {
    if (softReset && !reset) {
      drive.softReset();
      takeSignature();
    }
    softReset = reset;
  }

  private void issue(IdeDrive drive, int number, AhciCommand found) {
    slot = number;
    region = 0;
    within = 0;
    moved = 0;
    pioIn = false;
    taskFile |= IdeDrive.BUSY;
    drive.writeRegister(1, found.fis(11));
    drive.writeRegister(1, found.fis(3));
    drive.writeRegister(2, found.fis(13));
    drive.writeRegister(2, found.fis(12));
    for (int i = 0; i < 3; i++) {
      drive.writeRegister(3 + i, found.fis(8 + i));
      drive.writeRegister(3 + i, found.fis(4 + i));
    }
    drive.writeRegister(6, found.fis(7));
    drive.writeCommand(found.fis(2));
    byte[] packet = found.packet();
    for (int i = 0; drive.phase == IdeDrive.PACKET && i < packet.length; i++) {
      drive.writeData(1, packet[i]);
    }
    if (slot == number && drive.isIdle()) {
      end(drive);
    }
  }

  /** The drive has ended the command that is not queued. */
  private void end(IdeDrive drive) {
    AhciCommand ended = command(slot);
    if (ended != null) {
      ended.tellMoved(moved);
    }
    boolean failed = (drive.status & IdeDrive.ERROR) != 0;
    taskFile = drive.error << 8 | drive.status;
    if (failed) {
      halted = true;
    } else {
      issued &= ~(1 << slot);
    }
    slot = NO_SLOT;
    boolean setup = pioIn && !failed;
    if (receives()) {
      if (setup) {
        Fis.pioSetup(memory, received, drive, moved);
      } else {
        Fis.registers(memory, received, drive);
      }
    }
    report((setup ? PIO_SETUP_CAME : REGISTERS_CAME) | (failed ? TASK_FILE_ERROR : 0));
    run();
  }

  private void report(int what) {
    interrupts |= what;
    adapter.interruptsChanged();
  }

  @Override
  public void queuedEnded(int number, int error) {
    if (halted) {
      return; // with the first one that fails a drive gives up all; software asks for them anew
    }
    int status = IdeDrive.READY | IdeDrive.SEEK_COMPLETE | (error != 0 ? IdeDrive.ERROR : 0);
    taskFile = error << 8 | status;
    int slots = error != 0 ? 0 : 1 << number;
    queued &= ~slots;
    halted = error != 0;
    if (receives()) {
      Fis.deviceBits(memory, received, status, error, slots);
    }
    report(DEVICE_BITS_CAME | (error != 0 ? TASK_FILE_ERROR : 0));
    run();
  }

  // ---- for the drive ----

  @Override
  public boolean movesAllData() {
    return true;
  }

  @Override
  public int queueDepth() {
    return AhciQueue.DEPTH;
  }

  @Override
  public void interrupt(IdeDrive drive) {
    if (slot != NO_SLOT) {
      end(drive);
    }
  }

  @Override
  public void dataRequested(IdeDrive drive, boolean dma) {
    AhciCommand found = slot == NO_SLOT ? null : command(slot);
    pioIn = !dma && drive.phase == IdeDrive.DMA_IN && found != null && !found.isPacket();
    drive.runDma();
  }

  @Override
  public int transfer(long host, int length, boolean toMemory) {
    AhciCommand found = slot == NO_SLOT || !adapter.isMaster() ? null : command(slot);
    int done = 0;
    while (found != null && done < length) {
      AhciCommand.Region next = found.region(region);
      if (next == null) {
        break;
      }
      int part = Math.min(length - done, next.length() - within);
      if (part > 0) {
        memory.move(next.address() + within, host + done, part, toMemory);
        done += part;
        within += part;
      }
      if (within >= next.length()) {
        region++;
        within = 0;
      }
    }
    moved += done;
    return done;
  }

  @Override
  public void dmaEnded(IdeDrive drive) {}

  @Override
  public void listEnded(IdeDrive drive) {
    interrupts |= OVERFLOW;
    interrupt(drive);
  }
}
