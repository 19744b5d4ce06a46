package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class EduTest extends DeviceContractTest {
  private static final long BASE = 0x10_0000;

  @Override
  protected Device makeDevice() {
    return new Edu(machine, -1L >>> 36);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((Edu) device).registers());
  }

  @Override
  protected void disturb(Device device, Random random) {
    ((Edu) device).pci().write(random.nextInt(64) * 4, 4, random.nextInt());
  }

  @Test
  void answersAsTheManualSays() throws IOException {
    RamBlock ram = new RamBlock("ram", 1 << 16, false);
    machine.memory().map(0, new Region.RamRegion(ram, 0, 1 << 16));
    Edu edu = new Edu(machine, -1L >>> 36);
    AddressSpace memory = machine.memory();
    memory.map(BASE, edu.registers());
    assertEquals(0x0100_00ed, memory.read(BASE, 4));
    memory.write(BASE + 4, 4, 0x1234_5678);
    assertEquals(~0x1234_5678 & 0xffff_ffffL, memory.read(BASE + 4, 4));
    memory.write(BASE + 0x20, 4, 0x80);
    memory.write(BASE + 8, 4, 10);
    assertEquals(3_628_800, memory.read(BASE + 8, 4));
    assertEquals(1, memory.read(BASE + 0x24, 4));
    memory.write(BASE + 0x64, 4, 1);
    assertEquals(0, memory.read(BASE + 0x24, 4));
    memory.write(0x100, 8, 0x1122_3344_5566_7788L);
    copy(memory, 0x100, 0x4_0010, 1);
    copy(memory, 0x4_0010, 0x200, 1 | 2 | 4);
    assertEquals(0x1122_3344_5566_7788L, memory.read(0x200, 8));
    assertEquals(0x100, memory.read(BASE + 0x24, 4));
    byte[] before = new byte[1 << 16];
    ram.read(0, before, 0, before.length);
    copy(memory, 0x4_0ffc, 0x200, 1 | 2);
    byte[] after = new byte[1 << 16];
    ram.read(0, after, 0, after.length);
    assertArrayEquals(before, after, "eight bytes from there are not in the buffer");
    ram.close();
  }

  private void copy(AddressSpace memory, long from, long to, int command) {
    memory.write(BASE + 0x80, 8, from);
    memory.write(BASE + 0x88, 8, to);
    memory.write(BASE + 0x90, 8, 8);
    memory.write(BASE + 0x98, 8, command);
    assertEquals(1, memory.read(BASE + 0x98, 4) & 1, "under way");
    machine.clocks().step(200_000_000);
    assertEquals(0, memory.read(BASE + 0x98, 4) & 1);
  }
}
