package dev.pollux.devices.storage.flash;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.node.MemoryNode;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.TestMachines;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Commands of the flash memory as firmware gives them, and what reaches the image. */
class CfiFlashTest {
  private static final long AT = 0xff00_0000L;
  private static final int SIZE = 16 << 10;

  private Machine machine;
  private BlockBackend backend;
  private RamBlock contents;
  private CfiFlash flash;

  static BlockBackend backend(long length) throws IOException {
    BlockBackend backend = new BlockBackend("flash", Runnable::run, new BlockListener() {});
    backend.setRoot(new MemoryNode(NodeOptions.of("flash"), length));
    return backend;
  }

  @BeforeEach
  void setUp() throws IOException {
    machine = TestMachines.create(1);
    machine.lock().lock();
    backend = backend(SIZE);
    make();
  }

  private void make() throws IOException {
    FlashChip chip = FlashChip.read("-drive if=pflash", 1, backend);
    contents = chip.contents();
    machine.addRamBlock(contents);
    flash = new CfiFlash(machine, AT, chip);
    flash.reset();
  }

  @AfterEach
  void tearDown() {
    flash.close();
    machine.lock().unlock();
    machine.close();
  }

  private void write(long offset, int value) {
    machine.memory().write(AT + offset, 1, value);
  }

  private int read(long offset) {
    return (int) machine.memory().read(AT + offset, 1);
  }

  private byte[] image() throws IOException {
    try (HostBuffer buffer = new HostBuffer(SIZE)) {
      BlockNode root = backend.root().orElseThrow();
      root.read(0, buffer.vector());
      return buffer.toBytes(0, SIZE);
    }
  }

  @Test
  void readsAsMemoryUntilToldOtherwise() {
    contents.write(5, new byte[] {0x5a}, 0, 1);
    assertEquals(0x5a, read(5));
    write(5, 0x50);
    assertEquals(0x5a, read(5));
    write(5, 0x70);
    assertEquals(0, read(5)); // by this firmware knows flash from RAM and ROM
    write(5, 0xff);
    assertEquals(0x5a, read(5));
  }

  @Test
  void programsAndErases() throws IOException {
    write(0x1003, 0x10);
    write(0x1003, 0x42);
    assertEquals(0x80, read(0));
    write(0, 0xff);
    assertEquals(0x42, read(0x1003));
    write(0x1ffe, 0x20);
    write(0x1ffe, 0xd0);
    assertEquals(0x80, read(0));
    write(0, 0xff);
    for (int at : new int[] {0x1000, 0x1003, 0x1fff}) {
      assertEquals(0xff, read(at));
    }
    assertEquals(0, read(0xfff));
    assertEquals(0, read(0x2000));
    flash.close();
    byte[] expected = new byte[SIZE];
    Arrays.fill(expected, 0x1000, 0x2000, (byte) -1);
    assertArrayEquals(expected, image());
    make();
  }

  @Test
  void programsABuffer() {
    write(0x204, 0xe8);
    assertEquals(0x80, read(0x204));
    write(0x204, 2);
    write(0x204, 1);
    write(0x205, 2);
    write(0x206, 3);
    write(0x204, 0xd0);
    assertEquals(0x80, read(0x204));
    write(0, 0xff);
    assertEquals(0x03_0201_00L, machine.memory().read(AT + 0x203, 4));
  }

  @Test
  void saysWhatItIs() {
    write(0x55, 0x98);
    assertEquals('Q', read(0x10));
    assertEquals('R', read(0x11));
    assertEquals('Y', read(0x12));
    assertEquals(14, read(0x27));
    assertEquals(3, read(0x2d));
    assertEquals(0x10, read(0x2f));
  }

  @Test
  void readOnlyImageIsRom() throws IOException {
    BlockBackend readOnly = new BlockBackend("code", Runnable::run, new BlockListener() {});
    readOnly.setRoot(new MemoryNode(NodeOptions.of("code").withReadOnly(true), SIZE));
    FlashChip chip = FlashChip.read("-drive if=pflash", 0, readOnly);
    machine.addRom(chip.contents());
    CfiFlash rom = new CfiFlash(machine, AT - SIZE, chip);
    write(-SIZE, 0x40);
    write(-SIZE, 0x12);
    assertEquals(0x90, read(-SIZE));
    write(-SIZE, 0xff);
    assertEquals(0, read(-SIZE));
    rom.close();
  }

  /** A migration brings contents; the image on this side follows. */
  @Test
  void loadedContentsReachTheImage() throws IOException, StateException {
    write(0, 0x70);
    StateOutput out = new StateOutput();
    flash.state().save(out);
    write(0, 0xff);
    contents.write(0x2001, new byte[] {9}, 0, 1);
    flash
        .state()
        .load(new StateInput(out.toByteArray()), flash.state().descriptor().version())
        .apply();
    assertEquals(0x80, read(0x2001)); // it shows its status, as it did
    flash.close();
    assertEquals(9, image()[0x2001]);
    make();
  }

  @Test
  void oddImagesAreRefused() throws IOException {
    for (long length : new long[] {512, 4096 + 512, 9 << 20}) {
      BlockBackend odd = backend(length);
      ConfigException e =
          assertThrows(ConfigException.class, () -> FlashChip.read("-drive if=pflash", 1, odd));
      assertTrue(e.getMessage().contains("has " + length + " bytes"), e.getMessage());
    }
  }
}
