package dev.pollux.devices.storage.ide;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.storage.StorageDriverTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver of a cable with a disk and a disc drive, by PIO and by DMA, on a machine that runs. */
class IdeDriveTest extends StorageDriverTest {
  private static final int SECTOR = 512;
  private static final int DISK_SECTORS = 40_000;
  private static final int BLOCK = 2048;
  private static final int DISC_BLOCKS = 600;
  private static final long LIST = 0x1000;
  private static final long DATA = 0x1_0000;

  private final boolean[] irq = new boolean[1];
  private final byte[] disk = new byte[DISK_SECTORS * SECTOR];
  private final byte[] disc = new byte[DISC_BLOCKS * BLOCK];
  private BlockBackend diskBackend;
  private IdeChannel channel;

  @BeforeEach
  void start() throws Exception {
    addRam(2 << 20);
    BusMaster master = new BusMaster(new GuestMemory(machine.memory()), () -> true);
    channel = new IdeChannel("ide.0", level -> irq[0] = level, master);
    new Random(1).nextBytes(disk);
    new Random(2).nextBytes(disc);
    diskBackend = filled(IdeContractTest.backend(disk.length), disk);
    channel.bus().plug(machine.add(new IdeDisk(machine, diskBackend, 0, "ide.0/0", "S1")));
    channel
        .bus()
        .plug(
            machine.add(
                new IdeCd(
                    machine,
                    filled(IdeContractTest.backend(disc.length), disc),
                    1,
                    "ide.0/1",
                    "S2")));
    AddressSpace io = machine.io();
    io.map(0x1f0, channel.commandBlock());
    io.map(0x3f6, channel.controlBlock());
    io.map(0xc000, channel.busMaster().ports());
    run(channel::reset);
  }

  // ---- the driver ----

  private int in(int port) {
    return (int) machine.io().read(port, 1);
  }

  private void out(int port, int value) {
    machine.io().write(port, 1, value);
  }

  private int waitReady() {
    await(() -> (in(0x3f6) & 0x80) == 0);
    return in(0x1f7);
  }

  private void command(int unit, int code, long lba, int count, boolean extended) {
    if (extended) {
      out(0x1f2, count >> 8);
      out(0x1f3, (int) (lba >> 24) & 0xff);
      out(0x1f4, (int) (lba >> 32) & 0xff);
      out(0x1f5, (int) (lba >> 40) & 0xff);
    }
    out(0x1f2, count & 0xff);
    out(0x1f3, (int) lba & 0xff);
    out(0x1f4, (int) (lba >> 8) & 0xff);
    out(0x1f5, (int) (lba >> 16) & 0xff);
    out(0x1f6, 0x40 | unit << 4 | (extended ? 0 : (int) (lba >> 24) & 0xf));
    out(0x1f7, code);
  }

  private byte[] readPio(int bytes, int block) {
    ByteBuffer data = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (data.hasRemaining()) {
      int status = waitReady();
      assertEquals(0x08, status & 0x89, "data request at " + data.position());
      for (int i = 0; i < block && data.hasRemaining(); i += 2) {
        data.putShort((short) machine.io().read(0x1f0, 2));
      }
    }
    return data.array();
  }

  private static byte[] part(byte[] from, int offset, int length) {
    return java.util.Arrays.copyOfRange(from, offset, offset + length);
  }

  private byte[] memory(int length) {
    byte[] bytes = new byte[length];
    machine.memory().read(DATA, bytes, 0, length);
    return bytes;
  }

  /** Runs the controller with a list of pieces of uneven lengths. */
  private void dma(int bytes, boolean toMemory) {
    int at = 0;
    for (int entry = 0; at < bytes; entry++) {
      int length = Math.min(bytes - at, 3000 + entry * 2 & 0xfffe);
      machine.memory().write(LIST + entry * 8L, 4, DATA + at);
      at += length;
      long last = at == bytes ? 0x8000_0000L : 0;
      machine.memory().write(LIST + entry * 8L + 4, 4, length | last);
    }
    machine.io().write(0xc004, 4, LIST);
    out(0xc002, 6);
    out(0xc000, toMemory ? 9 : 1);
  }

  private void endDma() {
    await(() -> (in(0xc002) & 4) != 0);
    assertEquals(4, in(0xc002) & 7);
    assertEquals(0x50, waitReady());
    out(0xc000, 0);
    out(0xc002, 6);
  }

  // ---- disks ----

  @Test
  void diskTellsWhatItIs() {
    command(0, 0xec, 0, 0, false);
    ByteBuffer words = ByteBuffer.wrap(readPio(512, 512)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(DISK_SECTORS, words.getInt(60 * 2));
    assertEquals(DISK_SECTORS, words.getLong(100 * 2));
    assertTrue((words.getShort(83 * 2) & 1 << 10) != 0, "48-bit addresses");
  }

  @Test
  void readsByPioSectorBySectorAndInBlocks() {
    command(0, 0x20, 7, 0, false); // 256 sectors: more than the drive's buffer
    assertArrayEquals(part(disk, 7 * SECTOR, 256 * SECTOR), readPio(256 * SECTOR, SECTOR));
    assertEquals(0x50, waitReady());
    command(0, 0xc6, 0, 8, false);
    assertEquals(0x50, waitReady());
    command(0, 0x29, 1000, 300, true);
    assertArrayEquals(part(disk, 1000 * SECTOR, 300 * SECTOR), readPio(300 * SECTOR, 8 * SECTOR));
  }

  @Test
  void writesByPio() throws IOException {
    byte[] data = part(disc, 0, 20 * SECTOR);
    command(0, 0x34, 3, 20, true);
    for (int at = 0; at < data.length; at += 2) {
      if (at % SECTOR == 0) {
        assertEquals(0x08, waitReady() & 0x89);
      }
      machine.io().write(0x1f0, 2, data[at] & 0xff | (data[at + 1] & 0xff) << 8);
    }
    assertEquals(0x50, waitReady());
    try (HostBuffer buffer = new HostBuffer(data.length)) {
      diskBackend.root().orElseThrow().read(3 * SECTOR, buffer.vector());
      assertArrayEquals(data, buffer.toBytes(0, data.length));
    }
  }

  @Test
  void movesByDmaMoreThanTheBufferHolds() throws IOException {
    int bytes = 700 * SECTOR;
    command(0, 0x25, 100, 700, true);
    dma(bytes, true);
    endDma();
    assertArrayEquals(part(disk, 100 * SECTOR, bytes), memory(bytes));
    dma(bytes, false); // the controller may be started first
    command(0, 0x35, 20_000, 700, true);
    endDma();
    try (HostBuffer buffer = new HostBuffer(bytes)) {
      diskBackend.root().orElseThrow().read(20_000 * SECTOR, buffer.vector());
      assertArrayEquals(memory(bytes), buffer.toBytes(0, bytes));
    }
  }

  @Test
  void nothingFollowsFromATransferThatAResetEnds() {
    machine.lock().lock();
    try {
      command(0, 0x25, 100, 700, true);
      dma(700 * SECTOR, true);
      out(0x3f6, 4);
      out(0x3f6, 0);
      out(0xc000, 0);
      command(0, 0x20, 5, 1, false);
    } finally {
      machine.lock().unlock();
    }
    assertArrayEquals(part(disk, 5 * SECTOR, SECTOR), readPio(SECTOR, SECTOR));
    assertEquals(0x50, waitReady());
  }

  @Test
  void refusesWhatIsNotOnTheDisk() {
    command(0, 0x20, DISK_SECTORS - 1, 2, false);
    assertEquals(0x51, waitReady());
    assertEquals(0x14, in(0x1f1));
    command(0, 0x24, 0xffff_ffff_ffffL, 1, true);
    assertEquals(0x51, waitReady());
    command(0, 0xff, 0, 0, false);
    assertEquals(0x51, waitReady());
    assertEquals(0x04, in(0x1f1));
  }

  @Test
  void listThatEndsTooEarlyEndsTheTransfer() {
    command(0, 0xc8, 0, 16, false);
    dma(SECTOR, true);
    await(() -> (in(0xc002) & 1) == 0);
    assertEquals(0x50, waitReady());
    assertArrayEquals(part(disk, 0, SECTOR), memory(SECTOR));
    command(0, 0x20, 5, 1, false);
    assertArrayEquals(part(disk, 5 * SECTOR, SECTOR), readPio(SECTOR, SECTOR));
  }

  @Test
  void interruptsUnlessSwitchedOff() {
    command(0, 0x40, 0, 1, false);
    await(() -> irq[0]);
    in(0x3f6);
    assertTrue(irq[0], "the alternate status leaves it");
    in(0x1f7);
    assertEquals(false, irq[0]);
    out(0x3f6, 2);
    command(0, 0x40, 0, 1, false);
    assertEquals(false, irq[0]);
    out(0x3f6, 0);
    assertTrue(irq[0]);
  }

  @Test
  void stateInTheMiddleOfATransferGoesOn() throws StateException {
    command(0, 0x20, 50, 200, false);
    byte[] first = readPio(9 * SECTOR, SECTOR);
    assertArrayEquals(part(disk, 50 * SECTOR, first.length), first);
    machine.lock().lock();
    try {
      IdeDrive drive = channel.bus().drive(0).orElseThrow();
      StateOutput out = new StateOutput();
      drive.state().save(out);
      drive.hardReset();
      drive
          .state()
          .load(new StateInput(out.toByteArray()), drive.state().descriptor().version())
          .apply();
    } finally {
      machine.lock().unlock();
    }
    assertArrayEquals(
        part(disk, 59 * SECTOR, 191 * SECTOR), readPio(191 * SECTOR, SECTOR), "the rest");
  }

  // ---- discs ----

  private void packet(int limit, boolean dma, int... bytes) {
    out(0x1f6, 0x10);
    out(0x1f1, dma ? 1 : 0);
    out(0x1f4, limit & 0xff);
    out(0x1f5, limit >> 8);
    out(0x1f7, 0xa0);
    assertEquals(0x08, waitReady() & 0x89);
    assertEquals(1, in(0x1f2), "asks for the packet");
    for (int i = 0; i < 12; i += 2) {
      int low = i < bytes.length ? bytes[i] : 0;
      int high = i + 1 < bytes.length ? bytes[i + 1] : 0;
      machine.io().write(0x1f0, 2, low | high << 8);
    }
  }

  private byte[] packetData(int bytes) {
    ByteBuffer data = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (data.hasRemaining()) {
      assertEquals(0x08, waitReady() & 0x89);
      assertEquals(2, in(0x1f2), "data to the host");
      int block = in(0x1f4) | in(0x1f5) << 8;
      for (int i = 0; i < block; i += 2) {
        data.putShort((short) machine.io().read(0x1f0, 2));
      }
    }
    assertEquals(0x50, waitReady());
    assertEquals(3, in(0x1f2), "the end");
    return data.array();
  }

  @Test
  void discDriveTellsByItsSignature() {
    out(0x3f6, 4);
    out(0x3f6, 0);
    out(0x1f6, 0x10);
    assertEquals(0x14, in(0x1f4));
    assertEquals(0xeb, in(0x1f5));
    command(1, 0xec, 0, 0, false);
    assertEquals(0x51, waitReady());
    command(1, 0xa1, 0, 0, false);
    byte[] words = readPio(512, 512);
    assertEquals(0x85, words[1] & 0xff);
  }

  @Test
  void readsADiscByPioAndByDma() {
    packet(2048, false, 0x28, 0, 0, 0, 0, 100, 0, 0, 50);
    assertArrayEquals(part(disc, 100 * BLOCK, 50 * BLOCK), packetData(50 * BLOCK));
    packet(0, true, 0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 90);
    dma(90 * BLOCK, true);
    endDma();
    assertArrayEquals(part(disc, 3 * BLOCK, 90 * BLOCK), memory(90 * BLOCK));
  }

  @Test
  void discTellsItsSizeAndWhyItRefuses() {
    packet(2048, false, 0x25);
    ByteBuffer capacity = ByteBuffer.wrap(packetData(8));
    assertEquals(DISC_BLOCKS - 1, capacity.getInt());
    assertEquals(BLOCK, capacity.getInt());
    packet(2048, false, 0x28, 0, 0, 0, 0xff, 0, 0, 0, 1);
    assertEquals(0x51, waitReady());
    assertEquals(0x54, in(0x1f1));
    packet(2048, false, 0x03, 0, 0, 0, 18);
    byte[] sense = packetData(18);
    assertEquals(5, sense[2]);
    assertEquals(0x21, sense[12]);
    packet(2048, false, 0x12, 0, 0, 0, 36);
    String inquiry = new String(packetData(36), StandardCharsets.US_ASCII);
    assertTrue(inquiry.contains("DVD-ROM"), inquiry);
  }
}
