package dev.pollux.devices.storage.ide;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
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
      channel = new IdeChannel("ide.0", IrqLine.none(), busMaster);
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
      return new PiixIde(machine, new IsaBus(machine, _ -> IrqLine.none()));
    }

    @Override
    protected List<Region> regions(Device device) {
      return ((PiixIde) device)
          .channels().stream()
              .flatMap(c -> List.of(c.controlBlock(), c.busMaster().ports()).stream())
              .toList();
    }
  }

  /** The lists of commands are anything too: what is in memory, and lies there again and again. */
  @Nested
  class Ahci extends DeviceContractTest {
    private static final int RAM = 1 << 20;

    @Override
    protected Device makeDevice() throws IOException {
      RamBlock ram = new RamBlock("ram", RAM, false);
      machine.addRamBlock(ram);
      machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
      AhciController ahci = new AhciController(machine, n -> "ide." + n);
      ahci.buses().get(0).plug(new IdeDisk(machine, backend(1 << 20), 0, "ide.0/0", "S1"));
      ahci.buses().get(1).plug(new IdeCd(machine, backend(1 << 20), 0, "ide.1/0", "S1"));
      return ahci;
    }

    @Override
    protected List<Region> regions(Device device) {
      AhciController ahci = (AhciController) device;
      return List.of(ahci.registers(), ahci.indexPorts());
    }

    /** Starts a port with commands that make some sense. */
    @Override
    protected void disturb(Device device, Random random) {
      AhciController ahci = (AhciController) device;
      ahci.pci().write(4, 2, random.nextInt(8) == 0 ? 0 : 6);
      int port = 0x100 + random.nextInt(2) * 0x80;
      BusDevice registers = ((Region.DeviceRegion) ahci.registers()).device();
      registers.write(port, 4, random.nextInt(RAM) & -0x400);
      registers.write(port + 4, 4, 0);
      registers.write(port + 8, 4, random.nextInt(RAM));
      registers.write(port + 0xc, 4, 0);
      registers.write(port + 0x18, 4, random.nextInt(4) == 0 ? 0 : 0x11);
      long list = registers.read(port, 4);
      int slot = random.nextInt(32);
      long table = random.nextInt(RAM) & -0x80;
      machine.memory().write(list + slot * 32L, 4, random.nextInt() & 0x1f_ffff);
      machine.memory().write(list + slot * 32L + 8, 8, table);
      int[] codes = {0x60, 0x61, 0x25, 0x35, 0xc8, 0xec, 0xa0, 0xa1, 0xe7, random.nextInt(256)};
      machine.memory().write(table, 4, 0x8027L | (long) codes[random.nextInt(10)] << 16);
      for (int region = 0; region < 3; region++) {
        machine.memory().write(table + 0x80 + region * 16L, 8, random.nextInt(RAM * 2));
        machine.memory().write(table + 0x8c + region * 16L, 4, random.nextInt(RAM));
      }
      registers.write(port + 0x34, 4, 1L << slot);
      registers.write(port + 0x38, 4, 1L << slot);
    }
  }
}
