package dev.pollux.devices.usb;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.RawMemory;
import dev.pollux.devices.storage.scsi.ScsiDisk;
import dev.pollux.devices.storage.scsi.ScsiRequest;
import dev.pollux.devices.storage.scsi.ScsiSense;
import dev.pollux.devices.storage.scsi.ScsiUnits;
import java.util.List;

/** A SCSI command of {@link UsbStorage}, whose data are in a buffer of its own. */
final class Command extends ScsiRequest {
  private final UsbStorage storage;
  private final Completions completions;
  private final boolean toHost;
  private final HostBuffer data;

  /**
   * @param data room for the answer, or what the host has sent; null where there is neither
   */
  Command(
      UsbStorage storage, Completions completions, byte[] cdb, boolean toHost, HostBuffer data) {
    super(cdb);
    this.storage = storage;
    this.completions = completions;
    this.toHost = toHost;
    this.data = data;
  }

  void execute(ScsiDisk disk) {
    if (ScsiUnits.isForTarget(cdb())) {
      ScsiUnits.execute(this, List.of(disk));
    } else {
      disk.execute(this);
    }
  }

  @Override
  public long inBytes() {
    return toHost && data != null ? data.bytes() : 0;
  }

  @Override
  public long outBytes() {
    return !toHost && data != null ? data.bytes() : 0;
  }

  private IoVector first(long length) {
    return length == 0 ? IoVector.EMPTY : data.vector(length);
  }

  @Override
  public IoVector in(long length) {
    return first(length);
  }

  @Override
  public void touchIn(long length) {} // the host's own memory

  @Override
  public void answer(byte[] bytes, int length) {
    if (length > 0) {
      RawMemory.copyIn(bytes, 0, data.address(), length);
    }
  }

  @Override
  public IoVector out(long length) {
    return first(length);
  }

  @Override
  public byte[] parameters(int length) {
    return data == null ? new byte[length] : data.toBytes(0, length);
  }

  @Override
  public void locked(Runnable action) {
    completions.add(action);
  }

  @Override
  public void finish(int status, ScsiSense sense, long transferred) {
    storage.ended(this, status, sense, transferred);
  }

  @Override
  public void overrun() {
    storage.outOfStep(this);
  }

  @Override
  public void keep() {
    storage.kept(this);
  }
}
