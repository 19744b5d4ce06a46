package dev.pollux.devices.storage.floppy;

import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.isa.DmaController;
import dev.pollux.devices.storage.Standstill;

/**
 * The execution phase of commands with data (82077AA, 5.1): sector by sector between the medium and
 * a buffer, by a request of the block layer on other threads, and between the buffer and the guest,
 * by DMA or through the data register. While the machine stands no request is under way: what would
 * be asked next is a part of the state. Machine lock held.
 *
 * <pre>
 *   read:    READING -> GIVING -> READING ... -> result
 *   write:   TAKING -> WRITING -> TAKING ...  -> result
 * </pre>
 */
final class FloppyTransfer {
  // What is done.
  static final int READ = 0;
  static final int TRACK = 1;
  static final int VERIFY = 2;
  static final int WRITE = 3;
  static final int FORMAT = 4;

  // What comes next.
  private static final int IDLE = 0;
  private static final int READING = 1;
  private static final int GIVING = 2;
  private static final int TAKING = 3;
  private static final int WRITING = 4;

  // Of status register 1.
  private static final int NO_ADDRESS_MARK = 0x01;
  private static final int NOT_WRITABLE = 0x02;
  private static final int NO_DATA = 0x04;
  private static final int DATA_ERROR = 0x20;
  private static final int END_OF_CYLINDER = 0x80;

  /** Of status register 2. */
  private static final int WRONG_CYLINDER = 0x10;

  /** Of the first byte of a command: goes on with the other side. */
  private static final int MULTI_TRACK = 0x80;

  private static final int SECTOR = FloppyFormat.SECTOR;

  /** The code of {@link FloppyFormat#SECTOR} in commands. */
  private static final int SIZE_CODE = 2;

  /** What FORMAT takes for each sector: cylinder, head, sector, size. */
  private static final int ADDRESS = 4;

  static final StateDescriptor<FloppyTransfer> STATE =
      StateDescriptor.of(FloppyTransfer.class, "fdc-transfer", 1)
          .u8("what", FORMAT, t -> t.what, (t, v) -> t.what = v)
          .u8("step", WRITING, t -> t.step, (t, v) -> t.step = v)
          .u8("selected", 7, t -> t.selected, (t, v) -> t.selected = v)
          .bool("both-sides", t -> t.bothSides, (t, v) -> t.bothSides = v)
          .u8("cylinder", t -> t.cylinder, (t, v) -> t.cylinder = v)
          .u8("head", t -> t.head, (t, v) -> t.head = v)
          .u8("sector", t -> t.sector, (t, v) -> t.sector = v)
          .u8("last", t -> t.last, (t, v) -> t.last = v)
          .u8("filler", t -> t.filler, (t, v) -> t.filler = v)
          .bool("ending", t -> t.ending, (t, v) -> t.ending = v)
          .u16("at", SECTOR - 1, t -> t.at, (t, v) -> t.at = v)
          .varBytes(
              "buffer",
              SECTOR,
              t -> t.buffer.toBytes(0, t.step == IDLE ? 0 : SECTOR),
              (t, v) -> RawMemory.copyIn(v, 0, t.buffer.address(), v.length));

  /** What the controller knows, and is told. */
  interface Host {
    /** A drive, or null. */
    FloppyDrive drive(int unit);

    /** The chosen data rate. */
    int rate();

    boolean usesDma();

    /** Whether commands move the heads where they are needed. */
    boolean seeksByItself();

    /** A command begins. */
    void executes();

    /** Without DMA: the guest may pass a sector. */
    void dataReady();

    /** A command has ended; three status registers, then where it has stopped. */
    void ended(int... status);
  }

  private final Machine machine;
  private final Host host;
  private final DmaController dma;
  private final int channel;

  private int what;
  private int step;

  /** Head and unit as the command has them. */
  private int selected;

  private boolean bothSides;
  private int cylinder;
  private int head;
  private int sector;

  /** The last sector of a track; of FORMAT, sectors that are left. */
  private int last;

  private int filler;

  /** The guest's channel has reached its end with the sector in the buffer. */
  private boolean ending;

  /** Next byte of the buffer that passes the data register. */
  private int at;

  @HostOnly("its contents are saved while they matter")
  private final HostBuffer buffer = new HostBuffer(SECTOR);

  @HostOnly("none is under way while the machine stands")
  private Request inFlight;

  /** One request of the block layer. */
  private final class Request extends BlockRequest {
    private final FloppyDrive drive;

    @HostOnly("passed from the block layer's thread")
    private volatile int errno = -1;

    Request(FloppyDrive drive, Op op, long offset) {
      super(op, offset, buffer.vector(SECTOR), 0);
      this.drive = drive;
    }

    @Override
    protected void completed(int result) {
      errno = result;
      machine.loop().post(() -> finish(this));
    }
  }

  FloppyTransfer(Machine machine, Host host, DmaController dma, int channel) {
    this.machine = machine;
    this.host = host;
    this.dma = dma;
    this.channel = channel;
    buffer.clear();
    dma.onReady(channel, this::pass);
    machine.addListener(new Standstill(this::settle, this::start));
  }

  private FloppyDrive drive() {
    return host.drive(selected & 3);
  }

  int lastSector() {
    return last;
  }

  boolean gives() {
    return step == GIVING;
  }

  boolean takes() {
    return step == TAKING;
  }

  /** Forgets the command; what the medium has been asked for is done first. */
  void abort() {
    Request request = inFlight;
    if (request != null) {
      inFlight = null; // nothing follows from it
      request.drive.backend().drain();
    }
    step = IDLE;
    at = 0;
  }

  /** Power-on state. */
  void reset() {
    abort();
    what = 0;
    selected = 0;
    bothSides = false;
    cylinder = 0;
    head = 0;
    sector = 0;
    last = 0;
    filler = 0;
    ending = false;
  }

  // ---- commands ----

  /** READ ID: what passes under a head. */
  void readId(byte[] command) {
    host.executes();
    selected = command[1] & 7;
    FloppyDrive drive = drive();
    cylinder = drive == null ? 0 : drive.track();
    head = selected >> 2;
    sector = 1;
    if (isReadable(drive)) {
      end(0, 0, 0);
    } else {
      fail(NO_ADDRESS_MARK, 0);
    }
  }

  private boolean isReadable(FloppyDrive drive) {
    return drive != null && drive.hasDisk() && drive.format().rate() == host.rate();
  }

  /** FORMAT A TRACK: size of sectors, how many, gap, filler. */
  void format(byte[] command) {
    select(FORMAT, command);
    last = command[3] & 0xff;
    filler = command[5] & 0xff;
    FloppyDrive drive = drive();
    cylinder = drive == null ? 0 : drive.track();
    head = selected >> 2;
    sector = 1;
    execute(drive, command[2] & 0xff);
  }

  /** All others: cylinder, head, sector, size of sectors, last sector, gap, length. */
  void begin(int kind, byte[] command) {
    select(kind, command);
    bothSides = kind != TRACK && (command[0] & MULTI_TRACK) != 0;
    cylinder = command[2] & 0xff;
    head = command[3] & 1;
    sector = kind == TRACK ? 1 : command[4] & 0xff;
    last = command[6] & 0xff;
    FloppyDrive drive = drive();
    if (drive != null && host.seeksByItself()) {
      drive.seek(cylinder);
    }
    execute(drive, command[5] & 0xff);
  }

  private void select(int kind, byte[] command) {
    host.executes();
    what = kind;
    selected = command[1] & 7;
    bothSides = false;
    ending = false;
    at = 0;
  }

  private void execute(FloppyDrive drive, int sizeCode) {
    if (!isReadable(drive)) {
      fail(NO_ADDRESS_MARK, 0);
    } else if (drive.track() != cylinder) {
      fail(NO_DATA, WRONG_CYLINDER);
    } else if (sizeCode != SIZE_CODE || what == FORMAT && last == 0) {
      fail(NO_DATA, 0);
    } else if (what >= WRITE && drive.backend().readOnly()) {
      fail(NOT_WRITABLE, 0);
    } else {
      nextSector();
    }
  }

  private void nextSector() {
    step = what >= WRITE ? TAKING : READING;
    at = 0;
    if (step == READING) {
      start();
    } else {
      pass();
    }
  }

  // ---- between buffer and guest ----

  /** Passes what the buffer has or wants, as soon as the guest's channel is ready. */
  private void pass() {
    if (step != GIVING && step != TAKING) {
      return;
    }
    boolean toMemory = step == GIVING;
    if (!host.usesDma()) {
      if (at == 0) {
        host.dataReady();
      }
      return;
    }
    if (!dma.isReady(channel, toMemory)) {
      return; // the channel tells when it is
    }
    int wanted = passed();
    ending = dma.left(channel) <= wanted;
    int moved = dma.transfer(channel, buffer.address(), wanted, toMemory);
    if (!toMemory) {
      RawMemory.fill(buffer.address() + moved, SECTOR - moved, (byte) 0);
    }
    passEnds();
  }

  /** Bytes that pass for each sector. */
  private int passed() {
    return what == FORMAT ? ADDRESS : SECTOR;
  }

  int readByte() {
    if (step != GIVING || host.usesDma()) {
      return 0;
    }
    int value = RawMemory.getByte(buffer.address() + at) & 0xff;
    countByte();
    return value;
  }

  void writeByte(int value) {
    if (step == TAKING && !host.usesDma()) {
      RawMemory.putByte(buffer.address() + at, (byte) value);
      countByte();
    }
  }

  private void countByte() {
    at++;
    if (at >= passed()) {
      at = 0;
      passEnds();
    }
  }

  private void passEnds() {
    if (step == GIVING) {
      sectorEnds();
      return;
    }
    if (what == FORMAT) {
      head = RawMemory.getByte(buffer.address() + 1) & 0xff;
      sector = RawMemory.getByte(buffer.address() + 2) & 0xff;
      RawMemory.fill(buffer.address(), SECTOR, (byte) filler);
    }
    step = WRITING;
    start();
  }

  // ---- between buffer and medium ----

  private void start() {
    if (step != READING && step != WRITING
        || inFlight != null
        || !machine.runState().is(RunState.RUNNING)) {
      return;
    }
    FloppyDrive drive = drive();
    long position = drive == null || !drive.hasDisk() ? -1 : drive.position(cylinder, head, sector);
    if (position < 0) {
      fail(NO_DATA, 0);
      return;
    }
    boolean write = step == WRITING;
    BlockRequest.Op op = write ? BlockRequest.Op.WRITE : BlockRequest.Op.READ;
    inFlight = new Request(drive, op, position);
    drive.backend().submit(inFlight);
  }

  /** Waits for a request that is under way. */
  private void settle() {
    Request request = inFlight;
    if (request != null) {
      request.drive.backend().drain();
      finish(request);
    }
  }

  private void finish(Request request) {
    if (request != inFlight) {
      return; // it has been waited for
    }
    inFlight = null;
    if (request.errno != 0) {
      switch (request.drive.backend().onError(request, request.errno)) {
        case REPORT -> {
          fail(DATA_ERROR, DATA_ERROR);
          return;
        }
        case IGNORE -> {}
        case STOP -> {
          return; // asked again when the machine goes on
        }
      }
    }
    if (step == READING && what != VERIFY) {
      step = GIVING;
      pass();
    } else {
      sectorEnds();
    }
  }

  private void sectorEnds() {
    if (what == FORMAT) {
      last--;
      if (last == 0 || ending) {
        end(0, 0, 0);
      } else {
        nextSector();
      }
      return;
    }
    boolean beyond = advance();
    if (ending || beyond && what == VERIFY) {
      end(0, 0, 0);
    } else if (beyond) {
      fail(END_OF_CYLINDER, 0);
    } else {
      nextSector();
    }
  }

  /** To the next sector; true behind the last one, where the next cylinder's first comes. */
  private boolean advance() {
    if (sector != last) {
      sector = sector + 1 & 0xff;
      return false;
    }
    sector = 1;
    if (bothSides) {
      head ^= 1;
    }
    if (bothSides && head == 1) {
      return false;
    }
    cylinder = cylinder + 1 & 0xff;
    return true;
  }

  private void fail(int status1, int status2) {
    end(FloppyController.ABNORMAL, status1, status2);
  }

  private void end(int status0, int status1, int status2) {
    step = IDLE;
    at = 0;
    host.ended(
        status0 | (head & 1) << 2 | selected & 3,
        status1,
        status2,
        cylinder,
        head,
        sector,
        SIZE_CODE);
  }

  void close() {
    abort();
    buffer.close();
  }
}
