package dev.pollux.devices.storage.ide;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.storage.StorageDriverTest;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver of AHCI with a disk at port 0 and a disc drive at port 1, on a machine that runs. */
class AhciTest extends StorageDriverTest {
  private static final int SECTOR = 512;
  private static final int DISK_SECTORS = 40_000;
  private static final int DISC_BLOCKS = 600;
  private static final long LIST = 0x1000;
  private static final long RECEIVED = 0x2000;
  private static final long TABLES = 0x4000;
  private static final long TABLE_SIZE = 0x800;
  private static final long DATA = 0x10_0000;

  private final byte[] disk = new byte[DISK_SECTORS * SECTOR];
  private final byte[] disc = new byte[DISC_BLOCKS * 2048];
  private BlockBackend diskBackend;
  private AhciController ahci;
  private Region.DeviceRegion registers;

  @BeforeEach
  void start() throws Exception {
    addRam(4 << 20);
    new Random(1).nextBytes(disk);
    new Random(2).nextBytes(disc);
    diskBackend = filled(IdeContractTest.backend(disk.length), disk);
    ahci = machine.add(new AhciController(machine, n -> "ide." + n));
    registers = (Region.DeviceRegion) ahci.registers();
    plug(0, new IdeDisk(machine, diskBackend, 0, "ide.0/0", "S1"));
    plug(
        1,
        new IdeCd(machine, filled(IdeContractTest.backend(disc.length), disc), 0, "ide.1/0", "S2"));
    run(() -> ahci.pci().write(4, 2, 6));
    for (int port = 0; port < 2; port++) {
      write(port, 0x00, (int) LIST + port * 0x400);
      write(port, 0x08, (int) RECEIVED + port * 0x100);
      write(port, 0x14, -1);
      write(port, 0x18, 0x17);
    }
    write(0x04, 2);
  }

  private void plug(int port, IdeDrive drive) {
    ahci.buses().get(port).plug(machine.add(drive));
  }

  // ---- the driver ----

  private int read(int offset) {
    machine.lock().lock();
    try {
      return (int) registers.device().read(offset, 4);
    } finally {
      machine.lock().unlock();
    }
  }

  private void write(int offset, int value) {
    locked(() -> registers.device().write(offset, 4, value & 0xffff_ffffL));
  }

  private int read(int port, int register) {
    return read(0x100 + port * 0x80 + register);
  }

  private void write(int port, int register, int value) {
    write(0x100 + port * 0x80 + register, value);
  }

  private void store(long address, int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      machine.memory().write(address + i, 1, bytes[i]);
    }
  }

  /** Puts a command into a slot whose data lie at an address, in pieces of uneven lengths. */
  private void prepare(int port, int slot, int[] fis, long data, int bytes, int flags) {
    long table = TABLES + (port * 32L + slot) * TABLE_SIZE;
    store(table, fis);
    int regions = 0;
    for (int at = 0; at < bytes; regions++) {
      int length = Math.min(bytes - at, 3000 + regions * 2);
      long region = table + 0x80 + regions * 16L;
      machine.memory().write(region, 8, data + at);
      machine.memory().write(region + 12, 4, length - 1);
      at += length;
    }
    long header = LIST + port * 0x400L + slot * 32L;
    machine.memory().write(header, 4, flags | 5 | (long) regions << 16);
    machine.memory().write(header + 4, 4, 0);
    machine.memory().write(header + 8, 8, table);
  }

  /** A frame with a command and a 48-bit address. */
  private static int[] frame(int code, long lba, int count, int feature) {
    return new int[] {
      0x27,
      0x80,
      code,
      feature & 0xff,
      (int) lba & 0xff,
      (int) (lba >> 8) & 0xff,
      (int) (lba >> 16) & 0xff,
      0x40,
      (int) (lba >> 24) & 0xff,
      (int) (lba >> 32) & 0xff,
      (int) (lba >> 40) & 0xff,
      feature >> 8,
      count & 0xff,
      count >> 8,
      0,
      0,
      0,
      0,
      0,
      0
    };
  }

  private void issue(int port, int slot) {
    write(port, 0x38, 1 << slot);
  }

  private void awaitEnd(int port, int interrupt) {
    await(() -> (read(port, 0x10) & interrupt) != 0);
    assertEquals(1 << port, read(0x08) & 1 << port);
    assertEquals(0x50, read(port, 0x20));
    write(port, 0x10, -1);
    write(0x08, -1);
  }

  private byte[] memory(long address, int length) {
    byte[] bytes = new byte[length];
    machine.memory().read(address, bytes, 0, length);
    return bytes;
  }

  private byte[] sectors(long first, int count) {
    return Arrays.copyOfRange(disk, (int) first * SECTOR, (int) (first + count) * SECTOR);
  }

  // ---- commands ----

  @Test
  void driverFindsDrives() {
    assertEquals(0x3f, read(0x0c));
    assertEquals(0x113, read(0, 0x28));
    assertEquals(0x101, read(0, 0x24));
    assertEquals(0xeb14_0101, read(1, 0x24));
    assertEquals(0, read(2, 0x28));
    prepare(0, 3, frame(0xec, 0, 0, 0), DATA, SECTOR, 0);
    issue(0, 3);
    awaitEnd(0, 2);
    assertEquals(DISK_SECTORS, machine.memory().read(DATA + 200, 8));
    assertEquals(31, machine.memory().read(DATA + 150, 2), "commands that it queues");
    assertEquals(SECTOR, machine.memory().read(LIST + 3 * 32 + 4, 4));
    assertEquals(0x5f, machine.memory().read(RECEIVED + 0x20, 1));
  }

  @Test
  void readsAndWritesOneAfterTheOther() throws IOException {
    byte[] data = new byte[300 * SECTOR]; // more than the drive's buffer
    new Random(3).nextBytes(data);
    machine.memory().write(DATA, data, 0, data.length);
    prepare(0, 0, frame(0x35, 77, 300, 0), DATA, data.length, 1 << 6);
    prepare(0, 1, frame(0x25, 70, 300, 0), DATA + (1 << 20), data.length, 0);
    write(0, 0x38, 3);
    await(() -> read(0, 0x38) == 0);
    awaitEnd(0, 1);
    System.arraycopy(data, 0, disk, 77 * SECTOR, data.length);
    assertArrayEquals(sectors(70, 300), memory(DATA + (1 << 20), 300 * SECTOR));
    assertEquals(data.length, machine.memory().read(LIST + 32 + 4, 4));
    assertEquals(0x34, machine.memory().read(RECEIVED + 0x40, 1));
  }

  @Test
  void queuedCommandsRunSideBySide() {
    for (int slot = 0; slot < 32; slot++) {
      prepare(0, slot, frame(0x60, slot * 1000L, slot << 3, 20), DATA + slot * 0x4000L, 10240, 0);
    }
    write(0, 0x34, -1);
    write(0, 0x38, -1);
    await(() -> read(0, 0x34) == 0);
    awaitEnd(0, 8);
    for (int slot = 0; slot < 32; slot++) {
      assertArrayEquals(sectors(slot * 1000L, 20), memory(DATA + slot * 0x4000L, 10240));
    }
    assertEquals(0xa1, machine.memory().read(RECEIVED + 0x58, 1));
  }

  @Test
  void failedCommandStopsThePortUntilItIsStartedAnew() {
    prepare(0, 0, frame(0x60, DISK_SECTORS - 1, 0, 2), DATA, 1024, 0);
    prepare(0, 1, frame(0x25, 1, 1, 0), DATA, 512, 0);
    write(0, 0x34, 1);
    write(0, 0x38, 1);
    await(() -> (read(0, 0x10) & 1 << 30) != 0);
    assertEquals(0x0451, read(0, 0x20));
    assertEquals(1, read(0, 0x34), "the command that has failed");
    issue(0, 1);
    assertEquals(2, read(0, 0x38));
    write(0, 0x18, 0x16);
    assertEquals(0, read(0, 0x34) | read(0, 0x38));
    write(0, 0x10, -1);
    write(0, 0x18, 0x17);
    issue(0, 1);
    awaitEnd(0, 1);
    assertArrayEquals(sectors(1, 1), memory(DATA, 512));
  }

  @Test
  void whatEndsBehindAFailureIsNotTold() {
    prepare(0, 0, frame(0x60, 5, 0, 20), DATA, 20 * SECTOR, 0);
    prepare(0, 1, frame(0x60, DISK_SECTORS - 1, 1 << 3, 2), DATA, 1024, 0);
    write(0, 0x34, 3);
    write(0, 0x38, 3);
    machine.loop().post(() -> machine.stop(dev.pollux.core.machine.RunState.PAUSED));
    await(() -> !machine.runState().current().isRunning());
    assertTrue((read(0, 0x10) & 1 << 30) != 0);
    assertEquals(3, read(0, 0x34));
    assertEquals(0x0451, read(0, 0x20), "the failure stays to be seen");
  }

  @Test
  void commandThatIsGivenUpHasNoListThatIsTooShort() {
    prepare(0, 0, frame(0x35, 77, 300, 0), DATA, 300 * SECTOR, 1 << 6);
    locked(
        () -> {
          registers.device().write(0x138, 4, 1);
          registers.device().write(0x118, 4, 0x16);
        });
    assertEquals(0, read(0, 0x38));
    assertEquals(0, read(0, 0x10));
  }

  @Test
  void resetOfTheAdapterKeepsAddresses() {
    write(0x04, 1);
    assertEquals((int) LIST, read(0, 0x00));
    assertEquals((int) RECEIVED, read(0, 0x08));
    assertEquals(0, read(0, 0x14));
    locked(machine::resetDevices);
    assertEquals(0, read(0, 0x00) | read(0, 0x08));
  }

  @Test
  void listThatIsTooShortEndsTheCommand() {
    prepare(0, 0, frame(0x25, 5, 8, 0), DATA, 1000, 0);
    issue(0, 0);
    await(() -> (read(0, 0x10) & 1) != 0);
    assertEquals(1 << 24, read(0, 0x10) & 1 << 24, "overflow");
    assertArrayEquals(Arrays.copyOf(sectors(5, 2), 1000), memory(DATA, 1000));
    assertEquals(0, read(0, 0x38));
  }

  @Test
  void discTakesPackets() {
    int[] fis = frame(0xa0, 0, 0, 1);
    prepare(1, 0, fis, DATA, 6 * 2048, 1 << 5);
    store(TABLES + 32 * TABLE_SIZE + 0x40, 0x28, 0, 0, 0, 0, 9, 0, 0, 6, 0, 0, 0);
    issue(1, 0);
    awaitEnd(1, 1);
    assertArrayEquals(Arrays.copyOfRange(disc, 9 * 2048, 15 * 2048), memory(DATA, 6 * 2048));
  }

  @Test
  void softResetAndLinkResetTellWhatTheDriveIs() {
    int[] fis = frame(0, 0, 0, 0);
    fis[1] = 0;
    fis[15] = 4;
    prepare(1, 0, fis, DATA, 0, 0);
    issue(1, 0);
    fis[15] = 0;
    prepare(1, 1, fis, DATA, 0, 0);
    issue(1, 1);
    assertEquals(0, read(1, 0x38));
    assertEquals(0xeb14_0101, read(1, 0x24));
    write(1, 0x18, 0x16);
    write(1, 0x2c, 0x301);
    write(1, 0x2c, 0x300);
    assertEquals(0xeb14_0101, read(1, 0x24));
    assertEquals(0, read(1, 0x20) & 0x88);
  }

  @Test
  void memoryThatIsNoneStopsThePort() {
    write(0, 0x04, 0x7fff_ffff);
    issue(0, 0);
    assertTrue((read(0, 0x10) & 1 << 29) != 0, "host bus error");
  }

  /** A request that fails while the machine stops is asked again by the adapter that it goes to. */
  @Test
  void queuedCommandsMoveToAnotherMachine() throws StateException {
    machine.loop().post(() -> machine.stop(dev.pollux.core.machine.RunState.PAUSED));
    await(() -> !machine.runState().current().isRunning());
    prepare(0, 7, frame(0x60, 123, 7 << 3, 9), DATA, 9 * SECTOR, 0);
    write(0, 0x34, 1 << 7);
    issue(0, 7);
    assertEquals(1 << 7, read(0, 0x34));
    StateOutput out = new StateOutput();
    locked(() -> ahci.state().save(out));
    write(0, 0x18, 0x16);
    assertEquals(0, read(0, 0x34));
    machine.lock().lock();
    try {
      ahci.state()
          .load(new StateInput(out.toByteArray()), ahci.state().descriptor().version())
          .apply();
    } finally {
      machine.lock().unlock();
    }
    machine.loop().post(machine::start);
    await(() -> read(0, 0x34) == 0);
    awaitEnd(0, 8);
    assertArrayEquals(sectors(123, 9), memory(DATA, 9 * SECTOR));
  }
}
