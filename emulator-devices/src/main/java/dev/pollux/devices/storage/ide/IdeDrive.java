package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.storage.Standstill;

/**
 * A drive behind an ATA interface (ATA/ATAPI-6): the task file, and how data passes through its
 * buffer, by the data register or by DMA. What commands do is a subclass's business. Machine lock
 * held.
 *
 * <p>Data go through the buffer in portions. A portion is read from the medium, or written to it,
 * by one request of the block layer, on other threads; meanwhile the drive is busy. While the
 * machine stands no request is under way: one that would be next waits as a part of the state, as
 * does one that failed and is to be tried again.
 *
 * <pre>
 *   in:   fill -> hand out in blocks (PIO) or at once (DMA) -> fill ... -> end
 *   out:  collect blocks (PIO) or at once (DMA) -> store -> collect ... -> end
 * </pre>
 */
abstract class IdeDrive implements Device {
  static final int BUSY = 0x80;
  static final int READY = 0x40;
  static final int SEEK_COMPLETE = 0x10;
  static final int DATA_REQUEST = 0x08;
  static final int ERROR = 0x01;

  /** Of the error register: command aborted. */
  static final int ABORTED = 0x04;

  static final int BUFFER = 64 << 10;

  private static final int SLAVE = 0x10;

  /** What the drive is doing. */
  static final int IDLE = 0;

  static final int PIO_IN = 1;
  static final int PIO_OUT = 2;
  static final int DMA_IN = 3;
  static final int DMA_OUT = 4;

  /** Of ATAPI: the data register takes a command packet. */
  static final int PACKET = 5;

  /** A request without data that ends the command. */
  static final int NO_DATA = 6;

  /** What is to be asked of the block layer next. */
  private static final int NOTHING = 0;

  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int FLUSH = 3;

  private static final long MOST_BYTES = 1L << 57;

  /** The part of a declaration that all drives share. */
  static <D extends IdeDrive> StateDescriptor<D> declare(StateDescriptor<D> state) {
    return state
        .u8("feature", d -> d.feature, (d, v) -> d.feature = v)
        .u8("count", d -> d.count, (d, v) -> d.count = v)
        .u8("lba-low", d -> d.lbaLow, (d, v) -> d.lbaLow = v)
        .u8("lba-mid", d -> d.lbaMid, (d, v) -> d.lbaMid = v)
        .u8("lba-high", d -> d.lbaHigh, (d, v) -> d.lbaHigh = v)
        .u8("select", d -> d.select, (d, v) -> d.select = v)
        .u8("status", d -> d.status, (d, v) -> d.status = v)
        .u8("error", d -> d.error, (d, v) -> d.error = v)
        .u8("old-feature", d -> d.oldFeature, (d, v) -> d.oldFeature = v)
        .u8("old-count", d -> d.oldCount, (d, v) -> d.oldCount = v)
        .u8("old-low", d -> d.oldLow, (d, v) -> d.oldLow = v)
        .u8("old-mid", d -> d.oldMid, (d, v) -> d.oldMid = v)
        .u8("old-high", d -> d.oldHigh, (d, v) -> d.oldHigh = v)
        .bool("write-cache", d -> d.backend.writeCache(), (d, v) -> d.backend.setWriteCache(v))
        .u8("phase", NO_DATA, d -> d.phase, (d, v) -> d.phase = v)
        .u8("asked", FLUSH, d -> d.asked, (d, v) -> d.asked = v)
        .u64("position", p -> p >= 0, d -> d.position, (d, v) -> d.position = v)
        .u64("left", n -> n >= 0 && n <= MOST_BYTES, d -> d.left, (d, v) -> d.left = v)
        .u32("at", BUFFER, d -> d.at, (d, v) -> d.at = v)
        .u32("block-end", BUFFER, d -> d.blockEnd, (d, v) -> d.blockEnd = v)
        .varBytes("buffer", BUFFER, d -> d.saveBuffer(), (d, v) -> d.loadBuffer(v));
  }

  final Machine machine;
  final BlockBackend backend;
  private final int unit;

  // The task file; each register of 48-bit addressing keeps the value before the last.
  int feature;
  int count;
  int lbaLow;
  int lbaMid;
  int lbaHigh;
  int select;
  int status;
  int error;
  int oldFeature;
  int oldCount;
  int oldLow;
  int oldMid;
  int oldHigh;

  // The transfer that is under way.
  int phase;
  int asked;

  /** Next byte of the buffer, the end of the block that is handed over, the end of the portion. */
  int at;

  int blockEnd;

  @HostOnly("saved as the length of the buffer")
  int end;

  /** Where the next portion is on the medium, in bytes, and how much is left beyond the buffer. */
  long position;

  long left;

  @HostOnly("its contents are saved as far as they matter")
  private final HostBuffer buffer = new HostBuffer(BUFFER);

  @HostOnly("wiring")
  private AtaLink link = AtaLink.NONE;

  @HostOnly("none is under way while the machine stands")
  private Transfer inFlight;

  /** One request of the block layer. */
  private final class Transfer extends BlockRequest {
    @HostOnly("passed from the block layer's thread")
    private volatile int errno = -1;

    Transfer(Op op, long offset, int length) {
      super(op, offset, buffer.vector(length), 0);
    }

    Transfer() {
      super(Op.FLUSH, 0, 0, 0);
    }

    @Override
    protected void completed(int result) {
      errno = result;
      machine.loop().post(() -> finish(this));
    }
  }

  IdeDrive(Machine machine, BlockBackend backend, int unit) {
    this.machine = machine;
    this.backend = backend;
    this.unit = unit;
    machine.addListener(new Standstill(this::settle, this::start));
  }

  final byte[] saveBuffer() {
    return buffer.toBytes(0, end);
  }

  final void loadBuffer(byte[] bytes) {
    RawMemory.copyIn(bytes, 0, buffer.address(), bytes.length);
    end = bytes.length;
    blockEnd = Math.min(blockEnd, end);
    at = Math.min(at, blockEnd);
  }

  // ---- for the bus ----

  int unit() {
    return unit;
  }

  void connect(AtaLink to) {
    link = to;
  }

  final int queueDepth() {
    return link.queueDepth();
  }

  /** Whether it has ended its command. */
  final boolean isIdle() {
    return (status & (BUSY | DATA_REQUEST)) == 0;
  }

  /** The signature that says what kind of drive it is (9.12), and the state after a reset. */
  abstract void setSignature();

  /** Begins a command, whose register has just been written; no other is under way. */
  abstract void command(int code);

  /** The packet that {@link #awaitPacket} waits for is in the buffer. */
  void packet(byte[] bytes) {}

  /** Bytes of the next block that the data register hands over, of those that are there. */
  abstract int blockSize(int available);

  /** A block is about to be handed over. */
  void blockReady(int bytes) {}

  /**
   * All data of a command have passed: sets what the registers say then. Whether an interrupt
   * follows if they were read by the data register; by DMA it always does.
   */
  boolean ended() {
    return false;
  }

  /** Power-on or reset by the bus: whatever was under way is given up. */
  void hardReset() {
    giveUp();
    error = 1; // passed its test
    status = READY | SEEK_COMPLETE;
    select = 0;
    feature = 0;
    oldFeature = 0;
    oldCount = 0;
    oldLow = 0;
    oldMid = 0;
    oldHigh = 0;
    setSignature();
  }

  /** Reset by the device control register. */
  void softReset() {
    hardReset();
  }

  @Override
  public void reset() {
    hardReset();
  }

  /**
   * The controller gives up a transfer by DMA; what the medium has been asked for is done first.
   */
  final void giveUpDma() {
    if (phase == DMA_IN || phase == DMA_OUT) {
      abandon();
    }
  }

  /** Gives up what the drive does; what the medium has been asked for is done first. */
  final void abandon() {
    giveUp();
    status = READY | SEEK_COMPLETE;
  }

  /** Forgets the transfer, as soon as nobody uses the buffer. */
  final void giveUp() {
    if (inFlight != null) {
      inFlight = null; // nothing follows from it
      backend.drain();
    }
    phase = IDLE;
    asked = NOTHING;
    at = 0;
    blockEnd = 0;
    end = 0;
    left = 0;
    position = 0;
  }

  /** Writes a register of the task file; with two drives on a cable both take it. */
  final void writeRegister(int register, int value) {
    if ((status & BUSY) != 0) {
      return; // the register would be the drive's own
    }
    switch (register) {
      case 1 -> {
        oldFeature = feature;
        feature = value;
      }
      case 2 -> {
        oldCount = count;
        count = value;
      }
      case 3 -> {
        oldLow = lbaLow;
        lbaLow = value;
      }
      case 4 -> {
        oldMid = lbaMid;
        lbaMid = value;
      }
      case 5 -> {
        oldHigh = lbaHigh;
        lbaHigh = value;
      }
      default -> select = value;
    }
  }

  /**
   * Reads a register of the task file.
   *
   * @param old the values before the last ones, as the device control register may ask for
   */
  final int readRegister(int register, boolean old) {
    return switch (register) {
      case 1 -> error;
      case 2 -> old ? oldCount : count;
      case 3 -> old ? oldLow : lbaLow;
      case 4 -> old ? oldMid : lbaMid;
      case 5 -> old ? oldHigh : lbaHigh;
      case 6 -> select | 0xa0;
      default -> status;
    };
  }

  /** Whether the cable's device register selects it. */
  final boolean isSelected() {
    return (select & SLAVE) != 0 == (unit == 1);
  }

  /** Writes the command register. */
  final void writeCommand(int code) {
    if ((status & (BUSY | DATA_REQUEST)) != 0 && !interrupts(code)) {
      return;
    }
    giveUp();
    error = 0;
    status = READY | SEEK_COMPLETE;
    command(code);
  }

  /** Commands that are taken at any time. */
  boolean interrupts(int code) {
    return false;
  }

  // ---- for commands ----

  final void interrupt() {
    link.interrupt(this);
  }

  /** Ends a command that needs nothing more. */
  final void succeed() {
    status = READY | SEEK_COMPLETE;
    interrupt();
  }

  final void abort() {
    fail(ABORTED);
  }

  final void fail(int errors) {
    boolean dma = phase == DMA_IN || phase == DMA_OUT;
    giveUp();
    status = READY | SEEK_COMPLETE | ERROR;
    error = errors;
    if (dma) {
      link.dmaEnded(this);
    }
    interrupt();
  }

  /** Hands over bytes that the drive has made itself. */
  final void reply(byte[] bytes, boolean dma) {
    RawMemory.copyIn(bytes, 0, buffer.address(), bytes.length);
    end = bytes.length;
    begin(true, dma, 0, 0);
  }

  /** Reads from the medium. */
  final void read(long from, long bytes, boolean dma) {
    begin(true, dma, from, bytes);
  }

  /** Writes to the medium. */
  final void write(long from, long bytes, boolean dma) {
    begin(false, dma, from, bytes);
  }

  /** Has everything reach the medium, then ends the command. */
  final void flush() {
    phase = NO_DATA;
    ask(FLUSH);
  }

  /** Takes so many bytes through the data register, for {@link #packet}. */
  final void awaitPacket(int bytes) {
    phase = PACKET;
    at = 0;
    end = bytes;
    blockEnd = bytes;
    status = READY | SEEK_COMPLETE | DATA_REQUEST;
  }

  private void begin(boolean in, boolean dma, long from, long bytes) {
    boolean direct = dma || link.movesAllData();
    phase = in ? direct ? DMA_IN : PIO_IN : direct ? DMA_OUT : PIO_OUT;
    position = from;
    left = bytes;
    at = 0;
    blockEnd = 0;
    if (direct) {
      status = READY | SEEK_COMPLETE | DATA_REQUEST;
      link.dataRequested(this, dma);
    } else if (in) {
      handOut();
    } else {
      collect();
      // The first block is asked for without an interrupt.
    }
  }

  // ---- data register ----

  /** True while the data register passes data into the drive's buffer, or out of it. */
  private boolean passes(boolean in) {
    return (status & DATA_REQUEST) != 0
        && (in ? phase == PIO_IN : phase == PIO_OUT || phase == PACKET);
  }

  final long readData(int size) {
    if (!passes(true)) {
      return 0;
    }
    long value = 0;
    for (int i = 0; i < size && at < blockEnd; i++) {
      value |= (RawMemory.getByte(buffer.address() + at++) & 0xffL) << i * 8;
    }
    if (at >= blockEnd) {
      handOut();
    }
    return value;
  }

  final void writeData(int size, long value) {
    if (!passes(false)) {
      return;
    }
    for (int i = 0; i < size && at < blockEnd; i++) {
      RawMemory.putByte(buffer.address() + at++, (byte) (value >>> i * 8));
    }
    if (at < blockEnd) {
      return;
    }
    if (phase == PACKET) {
      byte[] bytes = buffer.toBytes(0, end);
      giveUp();
      status = READY | SEEK_COMPLETE;
      packet(bytes);
    } else {
      store();
    }
  }

  /** The next block, from the buffer or the medium, or the end. */
  private void handOut() {
    if (at < end) {
      int size = Math.clamp(blockSize(end - at), 1, end - at);
      blockEnd = at + size;
      status = READY | SEEK_COMPLETE | DATA_REQUEST;
      blockReady(size);
      interrupt();
    } else if (left > 0) {
      fill();
    } else {
      // With its last block a command without packets has ended: no interrupt follows.
      finishIn();
    }
  }

  private void finishIn() {
    giveUp();
    status = READY | SEEK_COMPLETE;
    if (ended()) {
      interrupt();
    }
  }

  private void collect() {
    end = (int) Math.min(Math.min(left, BUFFER), blockSize((int) Math.min(left, BUFFER)));
    at = 0;
    blockEnd = end;
    status = READY | SEEK_COMPLETE | DATA_REQUEST;
  }

  // ---- DMA ----

  /** Whether a command waits for {@link #runDma}. */
  final boolean wantsDma() {
    return (phase == DMA_IN || phase == DMA_OUT) && asked == NOTHING;
  }

  /** The controller is ready to transfer. */
  final void runDma() {
    if (!wantsDma()) {
      return;
    }
    if (phase == DMA_OUT) {
      end = (int) Math.min(left, BUFFER);
      int taken = link.transfer(buffer.address(), end, false);
      if (taken < end) {
        listTooShort();
      } else {
        store();
      }
    } else if (at < end) {
      int given = link.transfer(buffer.address() + at, end - at, true);
      at += given;
      if (at < end) {
        listTooShort();
      } else {
        runDma();
      }
    } else if (left > 0) {
      fill();
    } else {
      finishDma();
    }
  }

  private void finishDma() {
    giveUp();
    status = READY | SEEK_COMPLETE;
    ended();
    link.dmaEnded(this);
    interrupt();
  }

  /** The guest gave room for less than it asked for. */
  private void listTooShort() {
    giveUp();
    status = READY | SEEK_COMPLETE;
    link.listEnded(this);
  }

  // ---- requests ----

  private void fill() {
    at = 0;
    end = (int) Math.min(left, BUFFER);
    blockEnd = 0;
    ask(READ);
  }

  private void store() {
    ask(WRITE);
  }

  private void ask(int what) {
    asked = what;
    status = status & ~DATA_REQUEST | BUSY;
    start();
  }

  /** Submits what is asked for, if the machine runs. */
  private void start() {
    if (asked == NOTHING || inFlight != null || !machine.runState().is(RunState.RUNNING)) {
      return;
    }
    inFlight =
        switch (asked) {
          case READ -> new Transfer(BlockRequest.Op.READ, position, end);
          case WRITE -> new Transfer(BlockRequest.Op.WRITE, position, end);
          default -> new Transfer();
        };
    backend.submit(inFlight);
  }

  /** Waits for a request that is under way. */
  private void settle() {
    Transfer request = inFlight;
    if (request != null) {
      backend.drain();
      finish(request);
    }
  }

  private void finish(Transfer request) {
    if (request != inFlight) {
      return; // it has been waited for
    }
    inFlight = null;
    int errno = request.errno;
    if (errno != 0) {
      switch (backend.onError(request, errno)) {
        case REPORT -> {
          asked = NOTHING;
          mediumFailed();
          return;
        }
        case IGNORE -> {}
        case STOP -> {
          return; // asked again when the machine goes on
        }
      }
    }
    int done = asked;
    asked = NOTHING;
    status &= ~BUSY;
    if (done == FLUSH) {
      phase = IDLE;
      succeed();
    } else {
      position += end;
      left = Math.max(0, left - end);
      advance(done == READ);
    }
  }

  private void advance(boolean filled) {
    switch (phase) {
      case PIO_IN -> handOut();
      case PIO_OUT -> {
        if (left > 0) {
          collect();
          interrupt();
        } else {
          giveUp();
          succeed();
        }
      }
      case DMA_OUT -> {
        if (left > 0) {
          status |= DATA_REQUEST;
          runDma();
        } else {
          finishDma();
        }
      }
      default -> {
        if (filled) {
          status |= DATA_REQUEST;
          runDma();
        }
      }
    }
  }

  /** The block layer could not do a request. */
  void mediumFailed() {
    fail(ABORTED);
  }

  @Override
  public void close() {
    settle();
    buffer.close();
  }
}
