package dev.pollux.devices.storage.floppy;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.isa.DmaController;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Nested;

/** The floppy controller, its drives and its DMA, whatever is written to their registers. */
class FloppyContractTest {
  static BlockBackend backend(long length) throws IOException {
    BlockBackend backend = new BlockBackend("floppy", Runnable::run, new BlockListener() {});
    backend.setRoot(new MemoryNode(NodeOptions.of("floppy"), length));
    return backend;
  }

  @Nested
  class Controller extends DeviceContractTest {
    private DmaController dma;

    @Override
    protected Device makeDevice() throws IOException {
      dma = new DmaController(machine);
      FloppyController controller = new FloppyController(machine, IrqLine.none(), dma);
      controller.bus().plug(new FloppyDrive(backend(1_474_560), 0));
      controller.bus().plug(new FloppyDrive(backend(2_949_120), 1));
      return controller;
    }

    @Override
    protected List<Region> regions(Device device) {
      FloppyController controller = (FloppyController) device;
      return List.of(controller.registers(), controller.inputRegister());
    }

    /** A command that makes some sense, by DMA that is ready or not. */
    @Override
    protected void disturb(Device device, Random random) {
      BusDevice ports = ((Region.DeviceRegion) ((FloppyController) device).registers()).device();
      BusDevice channels = ((Region.DeviceRegion) dma.bytePorts()).device();
      channels.write(0xb, 1, random.nextBoolean() ? 0x46 : 0x4a);
      channels.write(0xa, 1, random.nextInt(8));
      ports.write(2, 1, 0x1c | random.nextInt(3));
      ports.write(4, 1, 0);
      int[] codes = {0xe6, 0xc5, 0x4d, 0x4a, 0x16, 0x42, 0x0f, 0x07, 0x03, 0x08, 0x0e};
      ports.write(5, 1, codes[random.nextInt(codes.length)]);
      for (int value : new int[] {random.nextInt(8), 0, 0, 1, 2, 18, 0x1b, 0xff}) {
        ports.write(5, 1, value);
      }
    }
  }

  @Nested
  class Drive extends DeviceContractTest {
    @Override
    protected Device makeDevice() throws IOException {
      return new FloppyDrive(backend(737_280), 1);
    }

    @Override
    protected List<Region> regions(Device device) {
      return List.of();
    }

    @Override
    protected void disturb(Device device, Random random) {
      ((FloppyDrive) device).seek(random.nextInt());
    }
  }

  @Nested
  class Dma extends DeviceContractTest {
    @Override
    protected Device makeDevice() {
      return new DmaController(machine);
    }

    @Override
    protected List<Region> regions(Device device) {
      DmaController dma = (DmaController) device;
      return List.of(dma.bytePorts(), dma.wordPorts(), dma.pagePorts());
    }
  }
}
