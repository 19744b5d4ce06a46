package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.isa.IsaBus;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Nested;

/** Drives behind a channel, and the controller, whatever is written to their registers. */
class IdeContractTest {
  static BlockBackend backend(long length) throws IOException {
    BlockBackend backend = new BlockBackend("disk", Runnable::run, new BlockListener() {});
    backend.setRoot(new MemoryNode(NodeOptions.of("disk"), length));
    return backend;
  }

  /** A drive alone on a cable. */
  abstract static class Drive extends DeviceContractTest {
    private IdeChannel channel;

    abstract IdeDrive make(Machine machine) throws IOException;

    @Override
    protected Device makeDevice() throws IOException {
      BusMaster busMaster = new BusMaster(new GuestMemory(machine.memory()), () -> true);
      channel = new IdeChannel("ide.0", IrqLine.NONE, busMaster);
      IdeDrive drive = make(machine);
      channel.bus().plug(drive);
      return drive;
    }

    @Override
    protected List<Region> regions(Device device) {
      return List.of(channel.commandBlock());
    }

    @Override
    protected void disturb(Device device, Random random) {
      if (random.nextInt(4) == 0) {
        ((IdeDrive) device).softReset();
      } else {
        ((IdeDrive) device).writeCommand(random.nextInt(256));
      }
    }
  }

  @Nested
  class Disk extends Drive {
    @Override
    IdeDrive make(Machine machine) throws IOException {
      return new IdeDisk(machine, backend(1 << 20), 0, "ide.0/0", "S1");
    }
  }

  @Nested
  class Disc extends Drive {
    @Override
    IdeDrive make(Machine machine) throws IOException {
      return new IdeCd(machine, backend(1 << 20), 0, "ide.0/0", "S1");
    }
  }

  @Nested
  class Controller extends DeviceContractTest {
    @Override
    protected Device makeDevice() {
      return new PiixIde(machine, new IsaBus(machine, _ -> IrqLine.NONE));
    }

    @Override
    protected List<Region> regions(Device device) {
      return ((PiixIde) device)
          .channels().stream()
              .flatMap(c -> List.of(c.controlBlock(), c.busMaster().ports()).stream())
              .toList();
    }
  }
}
