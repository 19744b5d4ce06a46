package dev.pollux.devices.virtio.serial;

import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.NoTransport;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** The contract of devices for one port. */
class SerialPortContractTest extends DeviceContractTest {
  private VirtioSerial controller;

  @Override
  protected Device makeDevice() {
    controller =
        new VirtioSerial(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            3,
            true);
    controller.connect(new NoTransport());
    SerialPort port =
        new SerialPort(
            controller, 1, false, "name", Optional.of(new MemoryBackend("chr")), open -> {});
    controller.plug(port);
    return port;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    SerialPort port = (SerialPort) device;
    controller.setUp(
        () -> {
          switch (random.nextInt(3)) {
            case 0 -> port.guestOpened(random.nextBoolean());
            case 1 -> port.event(random.nextBoolean() ? CharEvent.OPENED : CharEvent.CLOSED);
            default -> port.canReceive();
          }
        });
  }
}
