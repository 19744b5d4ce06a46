package dev.pollux.devices.usb;

import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.machine.Device;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Random;

class UsbStorageContractTest extends UsbContractTest {
  private static final byte[] COMMANDS = {
    0, 3, 0x12, 0x1a, 0x25, 0x28, 0x2a, 0x35, 0x5a, (byte) 0xa0
  };

  @Override
  Device plug() throws IOException {
    pci.devices
        .services()
        .blocks()
        .add(
            BlockOptions.of(
                "test", Map.of("driver", "null-co", "node-name", "d0", "size", "1048576")));
    return pci.add("usb-storage,drive=d0").device();
  }

  @Override
  void transfer(UsbDevice device, Random random) {
    switch (random.nextInt(3)) {
      case 0 -> {
        ByteBuffer command = ByteBuffer.allocate(31).order(ByteOrder.LITTLE_ENDIAN);
        command.putInt(0x4342_5355).putInt(random.nextInt());
        command.putInt(random.nextInt(20) == 0 ? random.nextInt() : random.nextInt(1 << 13));
        command.put((byte) (random.nextBoolean() ? 0x80 : 0)).put((byte) 0);
        command.put((byte) (random.nextInt(20) == 0 ? random.nextInt() : 10));
        command.put(COMMANDS[random.nextInt(COMMANDS.length)]);
        command.put(23, (byte) random.nextInt(3));
        memory.write(0, command.array(), 0, 31);
        device.transfer(2, data(31));
      }
      case 1 -> device.transfer(2, data(random.nextInt(4096)));
      default -> device.transfer(0x81, data(random.nextBoolean() ? 13 : random.nextInt(4096)));
    }
  }
}
