package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.NoTransport;
import dev.pollux.devices.virtio.VirtioDevice;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;

/** The contract of devices for a graphics card, whatever its driver asks for. */
class VirtioGpuContractTest extends DeviceContractTest {
  private RamBlock pictures;

  @Override
  protected Device makeDevice() throws IOException {
    pictures = new RamBlock("pictures", 1 << 20, false);
    VirtioGpu gpu =
        new VirtioGpu(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            pictures,
            2,
            true,
            1024,
            768);
    gpu.connect(new NoTransport());
    return gpu;
  }

  @AfterEach
  void unmap() {
    pictures.close();
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioGpu gpu = (VirtioGpu) device;
    switch (random.nextInt(8)) {
      case 0 -> gpu.setGuestFeatures(random.nextLong());
      case 1 -> gpu.wantSize(random.nextInt(70_000), random.nextInt(70_000));
      case 2 -> gpu.writeConfig(random.nextInt(20), 1 << random.nextInt(3), random.nextInt());
      case 3 -> gpu.screen();
      default -> ((VirtioDevice) gpu).setUp(() -> ask(gpu, random));
    }
  }

  /** A request whose words are small, so that many make sense. */
  private static void ask(VirtioGpu gpu, Random random) {
    ByteBuffer request = ByteBuffer.allocate(96).order(ByteOrder.LITTLE_ENDIAN);
    while (request.hasRemaining()) {
      request.putInt(random.nextInt(random.nextInt(8) == 0 ? 600 : 4));
    }
    request.flip();
    var _ =
        GpuRequest.ALL
            .get(random.nextInt(GpuRequest.ALL.size()))
            .run(gpu, request, ByteBuffer.allocate(2048));
  }
}
