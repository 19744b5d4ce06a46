package dev.pollux.devices.storage.scsi;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.IoVector;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.storage.DriveProperties;
import java.util.List;
import java.util.Random;

/** The contract of devices for a disc drive that gets any commands, each of which ends once. */
class ScsiDiskContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    BlockBackend empty = new BlockBackend("", Runnable::run, new BlockListener() {});
    ScsiInquiry inquiry =
        new ScsiInquiry(
            true,
            true,
            "VENDOR",
            "PRODUCT",
            "1",
            "serial",
            "id",
            5,
            1 << 20,
            1 << 20,
            0,
            new DriveProperties(512, 512, 0, 0));
    return new ScsiDisk(new Controller(), empty, inquiry, 1, 2);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    byte[] cdb = new byte[16];
    random.nextBytes(cdb);
    if (random.nextBoolean()) {
      byte[] known = {0, 3, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x46, 0x4a, 0x55, 0x5a, 0x28};
      cdb[0] = known[random.nextInt(known.length)];
    }
    Command command = new Command(cdb, random.nextInt(300));
    ((ScsiDisk) device).execute(command);
    assertEquals(1, command.ends);
  }

  private static final class Command extends ScsiRequest {
    private final int room;
    private int ends;

    Command(byte[] cdb, int room) {
      super(cdb);
      this.room = room;
    }

    @Override
    public long inBytes() {
      return room;
    }

    @Override
    public long outBytes() {
      return room;
    }

    @Override
    public IoVector in(long length) {
      return IoVector.EMPTY;
    }

    @Override
    public void touchIn(long length) {}

    @Override
    public void answer(byte[] bytes, int length) {}

    @Override
    public IoVector out(long length) {
      return IoVector.EMPTY;
    }

    @Override
    public byte[] parameters(int length) {
      return new byte[length];
    }

    @Override
    public void locked(Runnable action) {
      action.run();
    }

    @Override
    public void finish(int status, ScsiSense sense, long transferred) {
      ends++;
    }

    @Override
    public void overrun() {
      ends++;
    }

    @Override
    public void keep() {
      ends++;
    }
  }

  private static final class Controller implements ScsiController {
    @Override
    public String id() {
      return "scsi";
    }

    @Override
    public void exclusively(Runnable action) {
      action.run();
    }

    @Override
    public void added(ScsiDisk disk) {}

    @Override
    public void removing(ScsiDisk disk) {}

    @Override
    public void changed(ScsiDisk disk, ScsiSense what) {}

    @Override
    public void retry() {}
  }
}
