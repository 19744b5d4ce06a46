package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.storage.Standstill;
import java.util.List;

/**
 * The queued commands of a disk behind a port of AHCI (ATA8-ACS, NCQ): up to 32 at once, between
 * guest memory and the block layer without a buffer. Machine lock held.
 *
 * <p>State is only which commands have been taken: what they ask for is in guest memory. While the
 * machine stands none is under way; those that wait, or failed and are to be tried again, are
 * submitted when it goes on.
 */
final class AhciQueue {
  static final int DEPTH = 32;

  static final int READ = 0x60;
  static final int WRITE = 0x61;

  private static final int FORCE_UNIT_ACCESS = 0x80;
  private static final int MOST_PIECES = 1024;

  static final StateDescriptor<AhciQueue> STATE =
      StateDescriptor.of(AhciQueue.class, "ahci-queue", 1)
          .u32("taken", q -> q.taken, (q, v) -> q.taken = v);

  /** What the queue is part of. */
  interface Port {
    /** The command of a slot, or null if there is none in memory. */
    AhciCommand command(int slot);

    /** The disk that it goes to, or null. */
    IdeDisk disk();

    /** A command has ended; {@code error} is 0 or what the error register says. */
    void queuedEnded(int slot, int error);
  }

  private final Port port;
  private int taken;

  @HostOnly("none is under way while the machine stands")
  private final Transfer[] inFlight = new Transfer[DEPTH];

  AhciQueue(Port port) {
    this.port = port;
  }

  static boolean isQueued(int code) {
    return code == READ || code == WRITE;
  }

  /** Has a disk's commands stop and go on with its machine. */
  MachineListener listener() {
    return new Standstill(this::settle, this::startAll);
  }

  private void startAll() {
    for (int slot = 0; slot < DEPTH; slot++) {
      start(slot);
    }
  }

  boolean isEmpty() {
    return taken == 0;
  }

  /** Takes the command of a slot. */
  void take(int slot) {
    taken |= 1 << slot;
    start(slot);
  }

  /** Forgets all commands; what the medium has been asked for is done first. */
  void clear() {
    int forgotten = taken;
    taken = 0;
    if (forgotten != 0) {
      settle();
    }
  }

  private void settle() {
    IdeDisk disk = port.disk();
    if (disk == null) {
      return;
    }
    for (Transfer transfer : inFlight.clone()) {
      if (transfer != null) {
        disk.backend.drain();
        finish(transfer);
      }
    }
  }

  private void start(int slot) {
    IdeDisk disk = port.disk();
    if ((taken >> slot & 1) == 0
        || inFlight[slot] != null
        || disk == null
        || !disk.machine.runState().is(RunState.RUNNING)) {
      return;
    }
    AhciCommand command = port.command(slot);
    Transfer transfer = command == null ? null : transfer(disk, slot, command);
    if (transfer == null) {
      end(slot, IdeDrive.ABORTED);
    } else {
      inFlight[slot] = transfer;
      transfer.touch();
      disk.backend.submit(transfer);
    }
  }

  /** What a command asks for, or null if it cannot be. */
  private Transfer transfer(IdeDisk disk, int slot, AhciCommand command) {
    boolean write = command.fis(2) == WRITE;
    int count = command.fis(3) | command.fis(11) << 8;
    long sectors = count == 0 ? 0x1_0000 : count;
    long first =
        command.fis(4)
            | command.fis(5) << 8
            | command.fis(6) << 16
            | (long) command.fis(8) << 24
            | (long) command.fis(9) << 32
            | (long) command.fis(10) << 40;
    if (!AhciQueue.isQueued(command.fis(2))
        || first > disk.sectors() - sectors
        || write && disk.backend.readOnly()) {
      return null;
    }
    List<GuestMemory.Piece> pieces = command.pieces(sectors * IdeDisk.SECTOR, !write, MOST_PIECES);
    if (pieces == null) {
      return null;
    }
    int flags = write && (command.fis(7) & FORCE_UNIT_ACCESS) != 0 ? BlockNode.FUA : 0;
    return new Transfer(disk, slot, write, first * IdeDisk.SECTOR, pieces, flags);
  }

  private static IoVector vector(List<GuestMemory.Piece> pieces) {
    return new IoVector(
        pieces.stream().mapToLong(GuestMemory.Piece::host).toArray(),
        pieces.stream().mapToLong(GuestMemory.Piece::length).toArray(),
        pieces.size());
  }

  /** One request of the block layer. */
  private final class Transfer extends BlockRequest {
    private final IdeDisk disk;
    private final int slot;
    private final List<GuestMemory.Piece> pieces;

    @HostOnly("passed from the block layer's thread")
    private volatile int errno = -1;

    Transfer(
        IdeDisk disk,
        int slot,
        boolean write,
        long offset,
        List<GuestMemory.Piece> pieces,
        int flags) {
      super(write ? Op.WRITE : Op.READ, offset, vector(pieces), flags);
      this.disk = disk;
      this.slot = slot;
      this.pieces = pieces;
    }

    /** Tells that memory is about to be written, or has been. */
    void touch() {
      if (!op().isWrite()) {
        pieces.forEach(GuestMemory.Piece::touch);
      }
    }

    @Override
    protected void completed(int result) {
      errno = result;
      disk.machine.loop().post(() -> finish(this));
    }
  }

  private void finish(Transfer transfer) {
    int slot = transfer.slot;
    if (inFlight[slot] != transfer) {
      return; // it has been waited for
    }
    inFlight[slot] = null;
    transfer.touch();
    if ((taken >> slot & 1) == 0) {
      return; // forgotten
    }
    int errno = transfer.errno;
    switch (errno == 0 ? null : transfer.disk.backend.onError(transfer, errno)) {
      case null -> end(slot, 0);
      case IGNORE -> end(slot, 0);
      case REPORT -> end(slot, IdeDrive.ABORTED);
      case STOP -> {} // submitted again when the machine goes on
    }
  }

  private void end(int slot, int error) {
    taken &= ~(1 << slot);
    port.queuedEnded(slot, error);
  }
}
