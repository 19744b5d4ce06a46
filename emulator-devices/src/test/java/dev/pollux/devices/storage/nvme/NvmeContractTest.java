package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.pci.PciIdentity;
import dev.pollux.devices.storage.DriveProperties;
import java.io.IOException;
import java.util.List;
import java.util.Random;

/** A controller whose queues and commands are anything that makes some sense. */
class NvmeContractTest extends DeviceContractTest {
  private static final int RAM = 1 << 18;
  private static final int PAIRS = 3;
  private static final int[] ADMIN = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 12, 0x7f};
  private static final int[] IO = {0, 1, 1, 2, 2, 5, 8, 9};

  static NvmeController controller(Machine machine, BlockBackend backend) {
    return new NvmeController(
        machine,
        backend,
        new DriveProperties(512, 512, 0, 0),
        new PciIdentity(0x1b36, 0x0010, 0x01_0802, 2),
        "S1",
        new NvmeController.Limits(PAIRS, PAIRS + 2, 5, 4));
  }

  @Override
  protected Device makeDevice() throws IOException {
    RamBlock ram = new RamBlock("ram", RAM, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
    BlockBackend backend = new BlockBackend("disk", Runnable::run, new BlockListener() {});
    backend.setRoot(new MemoryNode(NodeOptions.of("disk"), 1 << 20));
    return controller(machine, backend);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((NvmeController) device).registers());
  }

  /** Switches it on, or has it do a few commands. */
  @Override
  protected void disturb(Device device, Random random) {
    NvmeController nvme = (NvmeController) device;
    BusDevice registers = ((Region.DeviceRegion) nvme.registers()).device();
    nvme.pci().write(4, 2, random.nextInt(8) == 0 ? 0 : 6);
    if ((registers.read(0x1c, 4) & 3) != 1) {
      registers.write(0x14, 4, 0);
      registers.write(0x24, 4, random.nextInt() & 0x1f_001f);
      registers.write(0x28, 8, somewhere(random) & -4096);
      registers.write(0x30, 8, somewhere(random) & -4096);
      registers.write(0x14, 4, 0x46_0001);
    }
    long submission = registers.read(0x28, 8);
    int commands = 1 + random.nextInt(8);
    for (int i = 0; i < 32; i++) {
      command(submission + i * 64L, ADMIN[random.nextInt(ADMIN.length)], random);
    }
    registers.write(0x1000, 4, commands);
    for (int pair = 1; pair <= PAIRS; pair++) {
      registers.write(0x1000 + pair * 8L, 4, random.nextInt(8));
      registers.write(0x1004 + pair * 8L, 4, random.nextInt(8));
    }
  }

  private static long somewhere(Random random) {
    return random.nextInt(16) == 0 ? random.nextLong() : random.nextInt(RAM);
  }

  private void command(long at, int admin, Random random) {
    boolean io = random.nextInt(4) == 0;
    int code = io ? IO[random.nextInt(IO.length)] : admin;
    machine.memory().write(at, 4, code | (long) random.nextInt(1 << 16) << 16);
    machine.memory().write(at + 4, 4, random.nextInt(8) == 0 ? random.nextInt() : 1);
    machine.memory().write(at + 0x18, 8, somewhere(random) & -4096);
    machine.memory().write(at + 0x20, 8, somewhere(random) & -8);
    machine.memory().write(at + 0x28, 4, random.nextInt(PAIRS + 1) | random.nextInt(24) << 16);
    machine.memory().write(at + 0x2c, 4, random.nextInt(4) | random.nextInt(PAIRS + 1) << 16);
    machine.memory().write(at + 0x30, 4, random.nextInt(64));
  }
}
