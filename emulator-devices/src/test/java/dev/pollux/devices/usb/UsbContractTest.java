package dev.pollux.devices.usb;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;

/** The contract of devices for what is plugged into USB: any request and any transfer. */
abstract class UsbContractTest extends DeviceContractTest {
  private static final int[] REQUESTS = {0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 0xfe, 0xff};
  private static final int[] TYPES = {0, 1, 2, 0x21, 0x80, 0x81, 0x82, 0xa1};

  final RamBlock memory = block();
  PciFixture pci;
  Inputs inputs;

  private static RamBlock block() {
    try {
      return new RamBlock("data", 1 << 16, false);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Plugs a device in, and what it needs beforehand. */
  abstract Device plug() throws Exception;

  @Override
  protected final Device makeDevice() throws Exception {
    pci = new PciFixture(machine);
    inputs = pci.devices.services().inputs();
    pci.add("qemu-xhci");
    return plug();
  }

  @AfterEach
  final void freeMemory() {
    memory.close();
  }

  @Override
  protected final List<Region> regions(Device device) {
    return List.of();
  }

  final UsbData data(int length) {
    return new UsbData(
        length == 0 ? UsbData.NONE : List.of(new GuestMemory.Piece(memory, 0, length)));
  }

  @Override
  protected void disturb(Device device, Random random) {
    UsbDevice plugged = (UsbDevice) device;
    switch (random.nextInt(8)) {
      case 0 ->
          plugged.control(
              new SetupPacket(
                  TYPES[random.nextInt(TYPES.length)],
                  REQUESTS[random.nextInt(REQUESTS.length)],
                  random.nextBoolean() ? random.nextInt(4) : random.nextInt(1 << 16),
                  random.nextInt(3),
                  64),
              data(random.nextInt(64)));
      case 1 -> plugged.control(new SetupPacket(0, 9, 1, 0, 0), data(0));
      case 2 -> act(random);
      case 3 -> plugged.transfer(random.nextInt(256), data(random.nextInt(64)));
      default -> transfer(plugged, random);
    }
  }

  /** A transfer as drivers make it. */
  void transfer(UsbDevice device, Random random) {
    device.transfer(0x81, data(random.nextInt(10)));
  }

  /** What the user does. */
  private void act(Random random) {
    int buttons = random.nextInt(8);
    int x = random.nextInt();
    inputs
        .keyboard(Optional.empty())
        .ifPresent(keyboard -> keyboard.key(random.nextInt(256), buttons > 3));
    for (Inputs.Listed<Pointer> listed : inputs.pointers()) {
      switch (listed.device()) {
        case Pointer.Relative mouse -> mouse.move(x, random.nextInt(), random.nextInt(), buttons);
        case Pointer.Absolute tablet -> tablet.put(x, random.nextInt(), random.nextInt(), buttons);
      }
    }
  }
}
