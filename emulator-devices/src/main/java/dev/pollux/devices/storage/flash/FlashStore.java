package dev.pollux.devices.storage.flash;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.BlockRequest;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.HostOnly;
import java.util.BitSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes back what the guest changes in a flash memory: sector by sector, one request at a time,
 * behind the guest's back. When the machine stands, everything has been written. Machine lock held.
 */
final class FlashStore {
  private static final Logger log = LoggerFactory.getLogger(FlashStore.class);
  private static final int SECTOR = FlashChip.SECTOR;

  private final Machine machine;
  private final RamBlock contents;
  private final BlockBackend backend;
  private final HostBuffer buffer = new HostBuffer(SECTOR);

  /** What the image holds, so that contents that come from elsewhere are compared with it. */
  private final HostBuffer stored;

  private final BitSet changed = new BitSet();
  private Write inFlight;
  private boolean failed;

  /** A sector on its way. */
  private final class Write extends BlockRequest {
    @HostOnly("passed from the block layer's thread")
    private volatile int errno;

    private final int sector;

    Write(int sector) {
      super(Op.WRITE, (long) sector * SECTOR, buffer.vector(), 0);
      this.sector = sector;
    }

    @Override
    protected void completed(int result) {
      errno = result;
      machine.loop().post(() -> finish(this));
    }
  }

  FlashStore(Machine machine, FlashChip chip) {
    this.machine = machine;
    contents = chip.contents();
    backend = chip.backend();
    stored = new HostBuffer(contents.size());
    RawMemory.copy(contents.hostAddress(), stored.address(), contents.size());
    backend.attach(new User(contents.name()));
    machine.addListener(
        new MachineListener() {
          @Override
          public void stopped() {
            writeAll();
          }

          @Override
          public void resumed() {
            failed = false;
            next();
          }
        });
  }

  /** Who has the backend. */
  private record User(String id) implements BlockDevice {
    @Override
    public String qomPath() {
      return "/machine/" + id;
    }
  }

  /** The guest has written. */
  void changed(int offset, int length) {
    changed.set(offset / SECTOR, (offset + length - 1) / SECTOR + 1);
    next();
  }

  /** The contents may be other ones now. */
  void contentsReplaced() {
    if (isStored(0, contents.size())) {
      return; // as nearly always
    }
    for (long at = 0; at < contents.size(); at += SECTOR) {
      if (!isStored(at, SECTOR)) {
        changed.set((int) (at / SECTOR));
      }
    }
  }

  private boolean isStored(long offset, long length) {
    return RawMemory.equal(contents.hostAddress() + offset, stored.address() + offset, length);
  }

  /** Begins the next write, if the machine runs. */
  private void next() {
    if (machine.runState().is(RunState.RUNNING)) {
      submit();
    }
  }

  private void submit() {
    if (inFlight != null || changed.isEmpty() || failed) {
      return;
    }
    int sector = changed.nextSetBit(0);
    changed.clear(sector);
    long offset = (long) sector * SECTOR;
    RawMemory.copy(contents.hostAddress() + offset, buffer.address(), SECTOR);
    RawMemory.copy(buffer.address(), stored.address() + offset, SECTOR);
    inFlight = new Write(sector);
    backend.submit(inFlight);
  }

  private void finish(Write write) {
    if (write != inFlight) {
      return; // it has been waited for
    }
    inFlight = null;
    if (write.errno != 0) {
      changed.set(write.sector);
      failed = true;
      log.warn(
          "{}: what the guest has changed is not in its image: {}; it is tried again when the"
              + " machine goes on",
          contents.name(),
          Errno.text(write.errno));
    }
    next();
  }

  /** Waits until nothing is left to write. */
  private void writeAll() {
    failed = false;
    submit();
    while (inFlight != null) {
      backend.drain();
      finish(inFlight);
      submit();
    }
  }

  void close() {
    writeAll();
    buffer.close();
    stored.close();
  }
}
