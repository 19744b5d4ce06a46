package dev.pollux.devices.storage.floppy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.isa.DmaController;
import dev.pollux.devices.storage.StorageDriverTest;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver of the floppy controller with 1.44 MB in drive A and 2.88 MB in B, as BIOSes do it. */
class FloppyTest extends StorageDriverTest {
  private static final int SECTOR = 512;
  private static final int DATA = 0x1_2340;

  private final boolean[] irq = new boolean[1];
  private final byte[][] disks = {new byte[1_474_560], new byte[2_949_120]};
  private final BlockBackend[] backends = new BlockBackend[2];
  private FloppyController controller;

  @BeforeEach
  void start() throws Exception {
    addRam(1 << 20);
    DmaController dma = machine.add(new DmaController(machine));
    machine.io().map(DmaController.BYTE_PORT, dma.bytePorts());
    machine.io().map(DmaController.PAGE_PORT, dma.pagePorts());
    controller = machine.add(new FloppyController(machine, level -> irq[0] = level, dma));
    machine.io().map(0x3f0, controller.registers());
    machine.io().map(0x3f7, controller.inputRegister());
    for (int unit = 0; unit < 2; unit++) {
      new Random(unit).nextBytes(disks[unit]);
      backends[unit] = filled(FloppyContractTest.backend(disks[unit].length), disks[unit]);
      controller.bus().plug(machine.add(new FloppyDrive(backends[unit], unit)));
    }
    run(() -> {});
    out(0x3f2, 0);
    out(0x3f2, 0x1c);
    awaitIrq();
    for (int unit = 0; unit < 4; unit++) {
      command(8);
      assertArrayEquals(new int[] {0xc0 | unit, 0}, result(2));
    }
    command(8);
    assertArrayEquals(new int[] {0x80}, result(1), "no more to tell");
    command(3, 0xaf, 2);
    out(0x3f7, 0);
  }

  private byte[] onDisk(int unit, int offset, int length) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      backends[unit].root().orElseThrow().read(offset, buffer.vector());
      return buffer.toBytes(0, length);
    }
  }

  // ---- the driver ----

  private int in(int port) {
    return (int) machine.io().read(port, 1);
  }

  private void out(int port, int value) {
    machine.io().write(port, 1, value);
  }

  private boolean interrupted() {
    machine.lock().lock();
    try {
      return irq[0];
    } finally {
      machine.lock().unlock();
    }
  }

  private void awaitIrq() {
    await(this::interrupted);
  }

  private void command(int... bytes) {
    for (int each : bytes) {
      await(() -> (in(0x3f4) & 0xc0) == 0x80);
      out(0x3f5, each);
    }
  }

  private int[] result(int length) {
    int[] bytes = new int[length];
    for (int i = 0; i < length; i++) {
      await(() -> (in(0x3f4) & 0xc0) == 0xc0);
      bytes[i] = in(0x3f5);
    }
    assertEquals(0x80, in(0x3f4), "ready for the next command");
    assertFalse(interrupted());
    return bytes;
  }

  private void seek(int unit, int head, int track) {
    command(0x0f, head << 2 | unit, track);
    awaitIrq();
    command(8);
    assertArrayEquals(new int[] {0x20 | head << 2 | unit, track}, result(2));
  }

  private void dma(int bytes, boolean toMemory) {
    out(0x0a, 6);
    out(0x0c, 0);
    out(0x0b, toMemory ? 0x46 : 0x4a);
    out(4, DATA & 0xff);
    out(4, DATA >> 8 & 0xff);
    out(0x81, DATA >> 16);
    out(5, bytes - 1 & 0xff);
    out(5, bytes - 1 >> 8);
    out(0x0a, 2);
  }

  private byte[] memory(int length) {
    byte[] bytes = new byte[length];
    machine.memory().read(DATA, bytes, 0, length);
    return bytes;
  }

  /** Where a sector is; both sides of a track come before the next. */
  private static int offset(int sectors, int track, int head, int sector) {
    return ((track * 2 + head) * sectors + sector - 1) * SECTOR;
  }

  // ---- what it does ----

  @Test
  void readsBothSidesOfATrackByDma() {
    seek(0, 0, 7);
    dma(20 * SECTOR, true);
    command(0xe6, 0, 7, 0, 10, 2, 18, 0x1b, 0xff);
    awaitIrq();
    assertArrayEquals(new int[] {0x04, 0, 0, 7, 1, 12, 2}, result(7));
    int from = offset(18, 7, 0, 10);
    assertArrayEquals(Arrays.copyOfRange(disks[0], from, from + 20 * SECTOR), memory(20 * SECTOR));
  }

  /** As BIOSes verify sectors (INT 13h, 4): the channel counts, memory stays as it is. */
  @Test
  void verifiesByADmaChannelThatMovesNothing() {
    seek(0, 0, 7);
    byte[] before = memory(3 * SECTOR);
    dma(3 * SECTOR, true);
    out(0x0b, 0x42);
    command(0xe6, 0, 7, 0, 10, 2, 18, 0x1b, 0xff);
    awaitIrq();
    assertArrayEquals(new int[] {0, 0, 0, 7, 0, 13, 2}, result(7));
    assertArrayEquals(before, memory(3 * SECTOR));
    assertEquals(4, in(8) & 4, "the channel has reached its end");
  }

  @Test
  void writesToTheOtherDriveAtItsRate() throws IOException {
    out(0x3f2, 0x2d);
    seek(1, 1, 79);
    byte[] data = new byte[2 * SECTOR];
    new Random(5).nextBytes(data);
    machine.memory().write(DATA, data, 0, data.length);
    dma(data.length, false);
    int[] write = {0xc5, 5, 79, 1, 35, 2, 36, 0x1b, 0xff};
    command(write);
    awaitIrq();
    assertArrayEquals(new int[] {0x45, 1, 0, 79, 1, 35, 2}, result(7), "not its rate");
    out(0x3f7, 3);
    command(write);
    awaitIrq();
    assertArrayEquals(new int[] {1, 0, 0, 80, 0, 1, 2}, result(7));
    assertArrayEquals(data, onDisk(1, offset(36, 79, 1, 35), data.length));
  }

  @Test
  void movesDataWithoutDma() throws IOException {
    command(3, 0xaf, 3);
    seek(0, 0, 2);
    command(0x46, 0, 2, 0, 18, 2, 18, 0x1b, 0xff);
    byte[] read = new byte[SECTOR];
    for (int i = 0; i < SECTOR; i++) {
      await(() -> (in(0x3f4) & 0xe0) == 0xe0);
      read[i] = (byte) in(0x3f5);
    }
    awaitIrq();
    assertArrayEquals(new int[] {0x40, 0x80, 0}, Arrays.copyOf(result(7), 3), "end of cylinder");
    int from = offset(18, 2, 0, 18);
    assertArrayEquals(Arrays.copyOfRange(disks[0], from, from + SECTOR), read);
    command(0x45, 0, 2, 0, 3, 2, 3, 0x1b, 0xff);
    for (int i = 0; i < SECTOR; i++) {
      await(() -> (in(0x3f4) & 0xe0) == 0xa0);
      out(0x3f5, read[i]);
    }
    awaitIrq();
    int[] _ = result(7);
    assertArrayEquals(read, onDisk(0, offset(18, 2, 0, 3), SECTOR));
  }

  @Test
  void formatsATrack() throws IOException {
    seek(0, 1, 40);
    for (int sector = 1; sector <= 18; sector++) {
      byte[] address = {40, 1, (byte) sector, 2};
      machine.memory().write(DATA + 4L * (sector - 1), address, 0, 4);
    }
    dma(18 * 4, false);
    command(0x4d, 4, 2, 18, 0x54, 0xf6);
    awaitIrq();
    assertEquals(0x04, result(7)[0]);
    byte[] formatted = new byte[18 * SECTOR];
    Arrays.fill(formatted, (byte) 0xf6);
    assertArrayEquals(formatted, onDisk(0, offset(18, 40, 1, 1), formatted.length));
  }

  @Test
  void nothingFollowsFromATransferThatAResetEnds() {
    seek(0, 0, 7);
    dma(20 * SECTOR, true);
    machine.lock().lock();
    try {
      for (int each : new int[] {0xe6, 0, 7, 0, 1, 2, 18, 0x1b, 0xff}) {
        out(0x3f5, each);
      }
      out(0x3f2, 0);
      out(0x3f2, 0x1c);
      dma(SECTOR, true);
      for (int i = 0; i < 4; i++) {
        command(8);
        int[] _ = result(2);
      }
      command(0xe6, 0, 7, 0, 16, 2, 18, 0x1b, 0xff);
    } finally {
      machine.lock().unlock();
    }
    awaitIrq();
    assertArrayEquals(new int[] {0, 0, 0, 7, 0, 17, 2}, result(7));
    int from = offset(18, 7, 0, 16);
    assertArrayEquals(Arrays.copyOfRange(disks[0], from, from + SECTOR), memory(SECTOR));
  }

  @Test
  void tellsWhatIsWrong() {
    seek(0, 0, 3);
    dma(SECTOR, true);
    command(0xe6, 0, 4, 0, 1, 2, 18, 0x1b, 0xff);
    awaitIrq();
    assertArrayEquals(new int[] {0x40, 0x04, 0x10}, Arrays.copyOf(result(7), 3), "cylinder");
    command(0xe6, 0, 3, 0, 19, 2, 19, 0x1b, 0xff);
    awaitIrq();
    assertArrayEquals(new int[] {0x40, 0x04, 0}, Arrays.copyOf(result(7), 3), "sector");
    command(0xe6, 2, 3, 0, 1, 2, 18, 0x1b, 0xff);
    awaitIrq();
    assertArrayEquals(new int[] {0x42, 0x01, 0}, Arrays.copyOf(result(7), 3), "no such drive");
    command(0x1f);
    assertArrayEquals(new int[] {0x80}, result(1), "no such command");
  }

  @Test
  void readThatWaitsForDmaMovesToAnotherMachine() throws StateException {
    seek(0, 0, 1);
    out(0x0a, 6);
    command(0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff);
    machine.loop().post(() -> machine.stop(RunState.PAUSED));
    await(() -> !machine.runState().current().isRunning());
    machine.lock().lock();
    try {
      StateOutput out = new StateOutput();
      controller.state().save(out);
      controller.reset();
      controller
          .state()
          .load(new StateInput(out.toByteArray()), controller.state().descriptor().version())
          .apply();
    } finally {
      machine.lock().unlock();
    }
    machine.loop().post(machine::start);
    dma(3 * SECTOR, true);
    awaitIrq();
    assertArrayEquals(new int[] {0, 0, 0, 1, 0, 4, 2}, result(7));
    int from = offset(18, 1, 0, 1);
    assertArrayEquals(Arrays.copyOfRange(disks[0], from, from + 3 * SECTOR), memory(3 * SECTOR));
  }
}
