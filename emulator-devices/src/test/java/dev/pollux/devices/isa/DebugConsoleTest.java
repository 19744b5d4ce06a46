package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class DebugConsoleTest extends DeviceContractTest {
  private final MemoryBackend backend = new MemoryBackend("debugcon");

  @Override
  protected Device makeDevice() {
    return new DebugConsole(backend, 0xe9);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((DebugConsole) device).port());
  }

  @Test
  void passesOnWhatIsWrittenAndShowsThatItIsThere() {
    DebugConsole console = new DebugConsole(backend, 0xe9);
    console.write(0, 1, 'o');
    console.write(0, 1, 'k');
    assertEquals("ok", backend.takeOutput());
    assertEquals(0xe9, console.read(0, 1));
  }
}
