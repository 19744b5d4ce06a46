package dev.pollux.devices.isa;

import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import java.util.Random;

class Uart16550ContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new Uart16550(
        machine.clocks(), IrqLine.none(), new MemoryBackend("line"), machine.loop()::post);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((Uart16550) device).ports());
  }

  @Override
  protected void disturb(Device device, Random random) {
    Uart16550 uart = (Uart16550) device;
    byte[] bytes = new byte[Math.min(uart.canReceive(), 1 + random.nextInt(4))];
    random.nextBytes(bytes);
    uart.receive(bytes, 0, bytes.length);
    if (random.nextInt(8) == 0) {
      uart.event(CharEvent.BREAK);
    }
  }
}
