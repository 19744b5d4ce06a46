package dev.pollux.devices.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.TestMachines;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.DeviceManager;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a guest finds of the properties of drives. */
class DrivePropertiesTest {
  private static final int FLOPPY_1440 = 1_474_560;

  private Machine machine;
  private DeviceManager devices;
  private BlockGraph blocks;

  @BeforeEach
  void build() throws IOException {
    machine = new Machine("test", new Machine.EndPolicy(false, false));
    machine.lock().lock();
    blocks = new BlockGraph(new BlockListener() {});
    devices = Devices.manager(machine, new CharDevices(machine.loop()::post, () -> {}), blocks);
    var _ = TestMachines.addBoard(devices, "pc");
  }

  @AfterEach
  void close() {
    machine.lock().unlock();
    machine.close();
    blocks.close();
  }

  /** Adds a drive with a disk of so many bytes. */
  private void add(String text, long size) throws IOException {
    String name = "n" + size;
    blocks.add(
        BlockOptions.of(
            "test", Map.of("driver", "null-co", "size", Long.toString(size), "node-name", name)));
    var _ = devices.add(DeviceOptions.parse("-device", text + ",drive=" + name, "driver"), false);
    machine.resetDevices();
  }

  /** Asks the first drive what it is: IDENTIFY DEVICE, or IDENTIFY PACKET DEVICE. */
  private ByteBuffer identify(int command) {
    machine.io().write(0x1f6, 1, 0xa0);
    machine.io().write(0x1f7, 1, command);
    ByteBuffer words = ByteBuffer.allocate(512).order(ByteOrder.LITTLE_ENDIAN);
    while (words.hasRemaining()) {
      words.putShort((short) machine.io().read(0x1f0, 2));
    }
    return words.flip();
  }

  private static int word(ByteBuffer words, int index) {
    return Short.toUnsignedInt(words.getShort(index * 2));
  }

  private static String text(ByteBuffer words, int index, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) words.get(index * 2 + i ^ 1));
    }
    return text.toString();
  }

  private static void assertName(ByteBuffer words) {
    assertEquals(0x5000, word(words, 108));
    assertEquals(0xc500, word(words, 109));
    assertEquals(0x1234, word(words, 110));
    assertEquals(0x5678, word(words, 111));
    assertEquals(0x4100, word(words, 84), "has a name");
    assertEquals(0x4100, word(words, 87), "and tells it");
  }

  @Test
  void aDiskSaysOfItselfWhatItIsToSay() throws IOException {
    add(
        "ide-hd,serial=S9,model=Fast Disk,ver=7.2.22x9y,wwn=0x5000c50012345678,rotation_rate=1",
        1 << 20);
    ByteBuffer words = identify(0xec);
    assertEquals("S9                  ", text(words, 10, 20));
    assertEquals("7.2.22x9", text(words, 23, 8));
    assertEquals("Fast Disk" + " ".repeat(31), text(words, 27, 40));
    assertEquals(1, word(words, 217));
    assertName(words);
  }

  @Test
  void aDiskOfWhichNothingIsSaidHasNoName() throws IOException {
    add("ide-hd", 1 << 20);
    ByteBuffer words = identify(0xec);
    assertEquals("QM00001             ", text(words, 10, 20));
    assertEquals("POLLUX HARDDISK" + " ".repeat(25), text(words, 27, 40));
    assertEquals(0, word(words, 217));
    assertEquals(0, word(words, 108));
    assertEquals(0x4000, word(words, 84));
    assertEquals(0x4000, word(words, 87));
  }

  @Test
  void aDiscDriveSaysOfItselfWhatItIsToSay() throws IOException {
    add("ide-cd,serial=S8,model=Old Drive,ver=3.21,wwn=0x5000c50012345678", 1 << 20);
    ByteBuffer words = identify(0xa1);
    assertEquals("S8                  ", text(words, 10, 20));
    assertEquals("3.21    ", text(words, 23, 8));
    assertEquals("Old Drive" + " ".repeat(31), text(words, 27, 40));
    assertName(words);
    byte[] inquiry = inquiry();
    assertEquals("3.21", new String(inquiry, 32, 4, StandardCharsets.US_ASCII));
  }

  /** INQUIRY of the first drive. */
  private byte[] inquiry() {
    machine.io().write(0x1f1, 1, 0);
    machine.io().write(0x1f4, 1, 36);
    machine.io().write(0x1f5, 1, 0);
    machine.io().write(0x1f7, 1, 0xa0);
    for (int word : new int[] {0x12, 0, 36, 0, 0, 0}) {
      machine.io().write(0x1f0, 2, word);
    }
    ByteBuffer data = ByteBuffer.allocate(36).order(ByteOrder.LITTLE_ENDIAN);
    while (data.hasRemaining()) {
      data.putShort((short) machine.io().read(0x1f0, 2));
    }
    return data.array();
  }

  private void addController() {
    var _ = devices.add(DeviceOptions.parse("-device", "isa-fdc", "driver"), false);
  }

  private long cmosDrives() {
    machine.io().write(0x70, 1, 0x10);
    return machine.io().read(0x71, 1);
  }

  @Test
  void theBiosIsToldOfTheKindOfFloppyDrive() throws IOException {
    addController();
    add("floppy,unit=0,drive-type=288", FLOPPY_1440);
    assertEquals(0x50, cmosDrives());
    add("floppy,unit=1", 1_228_800);
    assertEquals(0x52, cmosDrives());
  }

  @Test
  void aFloppyDriveRefusesDisksThatItDoesNotTake() {
    addController();
    ConfigException refused =
        assertThrows(
            ConfigException.class, () -> add("floppy,unit=0,drive-type=144", 2L * FLOPPY_1440));
    assertTrue(
        refused.getMessage().contains("drive-type=144 takes no disk of 2949120 bytes"),
        refused.getMessage());
  }
}
