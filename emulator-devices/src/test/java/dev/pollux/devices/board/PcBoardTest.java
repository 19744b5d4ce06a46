package dev.pollux.devices.board;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.TestMachines;
import dev.pollux.devices.timer.RtcBase;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PcBoardTest {
  private static final long MIB = 1 << 20;

  private Machine machine;

  private PcBoard board(long ram, int cpus) throws IOException {
    machine = new Machine("test", new Machine.EndPolicy(false, false));
    machine.lock().lock();
    RtcBase rtc = new RtcBase(1_700_000_000, ClockType.VIRTUAL);
    PcBoard board =
        new PcBoard(
            machine,
            new BoardConfig(
                ram, cpus, new CpuModel("qemu64"), v -> TestMachines.idleEngine(), rtc));
    machine.resetDevices();
    return board;
  }

  @AfterEach
  void close() {
    machine.lock().unlock();
    machine.close();
  }

  private int cmos(int index) {
    machine.io().write(0x70, 1, index);
    return (int) machine.io().read(0x71, 1);
  }

  private int cmos16(int index) {
    return cmos(index) | cmos(index + 1) << 8;
  }

  private byte[] save(String section, int instance) {
    StateOutput out = new StateOutput();
    machine.states().find(section, instance).state().save(out);
    return out.toByteArray();
  }

  private void load(String section, int instance, byte[] bytes) throws StateException {
    BoundState<?> state = machine.states().find(section, instance).state();
    state.load(new StateInput(bytes), state.descriptor().version()).apply();
  }

  @Test
  void eachVcpuAndItsInterruptControllerIsASectionOfItsOwn() throws Exception {
    board(64 * MIB, 4);
    assertNull(machine.states().find("cpu", 4));
    assertNull(machine.states().find("apic", 4));
    for (int i = 0; i < 4; i++) {
      machine.vcpus().get(i).cpuState().setGpr(3, 0x1111L * i);
      machine.vcpus().get(i).interruptController().setTaskPriority(i);
    }
    byte[] third = save("cpu", 2);
    byte[] thirdApic = save("apic", 2);
    load("cpu", 1, third);
    load("apic", 1, thirdApic);
    assertArrayEquals(third, save("cpu", 1));
    for (int i = 0; i < 4; i++) {
      int from = i == 1 ? 2 : i;
      assertEquals(0x1111L * from, machine.vcpus().get(i).cpuState().gpr(3));
      assertEquals(from, machine.vcpus().get(i).interruptController().taskPriority());
    }
  }

  @Test
  void cmosTellsSizesOfMemory() throws IOException {
    board(512 * MIB, 1);
    assertEquals(640, cmos16(0x15));
    assertEquals(65_535, cmos16(0x17));
    assertEquals((512 - 16) * 16, cmos16(0x34));
    assertEquals(0, cmos16(0x5b));
  }

  @Test
  void ramIsSplitAroundTheHole() throws IOException {
    PcBoard board = board(4096 * MIB, 1);
    assertEquals(0xc000_0000L, board.lowRamEnd());
    assertEquals(1024 * MIB, board.highRamSize());
    assertEquals(1024 * 16, cmos16(0x5b));
    machine.memory().write(0x1_0000_0000L, 8, 0x1122_3344_5566_7788L);
    assertEquals(0x1122_3344_5566_7788L, machine.memory().read(0x1_0000_0000L, 8));
    assertEquals(0xffff_ffffL, machine.memory().read(0xc000_0000L, 4));
  }

  @Test
  void memoryMapIsAscendingAndInsideRam() throws IOException {
    for (long ram : new long[] {64 * MIB, 3583 * MIB, 3584 * MIB, 8192 * MIB}) {
      PcBoard board = board(ram, 1);
      long end = 0;
      long usable = 0;
      for (E820Entry entry : board.memoryMap()) {
        assertTrue(entry.start() >= end && entry.size() > 0, entry.toString());
        end = entry.start() + entry.size();
        usable += entry.type() == E820Entry.Type.RAM ? entry.size() : 0;
      }
      assertTrue(usable > ram - MIB && usable < ram, "usable " + usable + " of " + ram);
      close();
      machine = new Machine("next", new Machine.EndPolicy(false, false));
      machine.lock().lock();
    }
  }

  /** Walks the tables from the root pointer as a guest does; every checksum must be right. */
  @Test
  void acpiTablesAreFoundAndWhole() throws IOException {
    PcBoard board = board(128 * MIB, 3);
    board.addSerialPort(0, new MemoryBackend("serial0"));
    board.writeFirmware();
    byte[] rsdp = memory(board.rsdpAddress(), 36);
    assertEquals("RSD PTR ", new String(rsdp, 0, 8, StandardCharsets.US_ASCII));
    assertEquals(0, sum(rsdp, 20));
    assertEquals(0, sum(rsdp, 36));
    byte[] xsdt = table(little(rsdp).getLong(24));
    Map<String, byte[]> tables = new HashMap<>();
    for (int at = 36; at < xsdt.length; at += 8) {
      byte[] table = table(little(xsdt).getLong(at));
      tables.put(signature(table), table);
    }
    assertEquals(List.of("APIC", "FACP", "HPET"), tables.keySet().stream().sorted().toList());
    ByteBuffer fadt = little(tables.get("FACP"));
    byte[] dsdt = table(fadt.getInt(40));
    assertEquals("DSDT", signature(dsdt));
    assertEquals("FACS", signature(memory(fadt.getInt(36), 64)));
    List<Integer> apicIds = new ArrayList<>();
    byte[] madt = tables.get("APIC");
    for (int at = 44; at < madt.length; at += madt[at + 1]) {
      if (madt[at] == 0) {
        apicIds.add((int) madt[at + 3]);
      }
    }
    assertEquals(List.of(0, 1, 2), apicIds);
    String dump = System.getProperty("pollux.test.acpiDump"); // a folder, for a look with iasl
    if (dump != null) {
      tables.put("DSDT", dsdt);
      for (Map.Entry<String, byte[]> table : tables.entrySet()) {
        Files.write(Path.of(dump, table.getKey() + ".aml"), table.getValue());
      }
    }
  }

  private static String signature(byte[] table) {
    return new String(table, 0, 4, StandardCharsets.US_ASCII);
  }

  private static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private byte[] memory(long address, int size) {
    byte[] bytes = new byte[size];
    machine.memory().read(address, bytes, 0, size);
    return bytes;
  }

  private byte[] table(long address) {
    byte[] table = memory(address, (int) machine.memory().read(address + 4, 4));
    assertEquals(0, sum(table, table.length), signature(table));
    return table;
  }

  private static int sum(byte[] bytes, int length) {
    int sum = 0;
    for (int i = 0; i < length; i++) {
      sum += bytes[i];
    }
    return sum & 0xff;
  }
}
