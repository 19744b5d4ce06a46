package dev.pollux.devices.usb.xhci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.usb.xhci.XhciDriver.Event;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk on USB as a driver of bulk-only transport sees it. */
class XhciStorageTest {
  private static final int BLOCK = 512;
  private static final int BLOCKS = 8192;
  private static final int IN = 3;
  private static final int OUT = 4;
  private static final int BULK_IN = 6;
  private static final int BULK_OUT = 2;
  private static final long COMMAND = 0x1f_0000;
  private static final long STATUS = 0x1f_1000;
  private static final int TO_HOST = 0x80;
  private static final int TRANSFER = 32;

  @TempDir private Path folder;
  private final byte[] contents = new byte[BLOCKS * BLOCK];
  private Path image;
  private XhciDriver driver;
  private int slot;
  private int tag = 7;

  @BeforeEach
  void make() throws IOException {
    new Random(3).nextBytes(contents);
    image = Files.write(folder.resolve("disk"), contents);
    driver = driver(image);
    driver.start();
    slot = driver.address(1);
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0, 9, 1, 0, 0).code());
    assertEquals(XhciDriver.SUCCESS, driver.configure(slot, IN, BULK_IN, OUT, BULK_OUT));
    assertEquals(1, command(new byte[] {0, 0, 0, 0, 0, 0}, 0, 0), "it has just been reset");
    assertEquals("700006000000000a00000000290000000000", sense());
    assertEquals(0, command(new byte[] {0, 0, 0, 0, 0, 0}, 0, 0));
  }

  private static XhciDriver driver(Path image) throws IOException {
    PciFixture pci = new PciFixture();
    pci.devices
        .services()
        .blocks()
        .add(
            BlockOptions.of(
                "test",
                Map.of(
                    "driver",
                    "raw",
                    "node-name",
                    "disk",
                    "file.driver",
                    "file",
                    "file.filename",
                    image.toString())));
    return new XhciDriver(pci, "qemu-xhci,id=usb", "usb-storage,drive=disk,serial=S1,id=stick");
  }

  @AfterEach
  void close() {
    driver.close();
    driver.pci.devices.services().blocks().close();
  }

  // ---- the driver ----

  private void sendCommand(byte[] cdb, int direction, int length) {
    ByteBuffer block = ByteBuffer.allocate(31).order(ByteOrder.LITTLE_ENDIAN);
    block.putInt(0x4342_5355).putInt(++tag).putInt(length);
    block.put((byte) direction).put((byte) 0).put((byte) cdb.length).put(cdb);
    driver.store(COMMAND, block.array());
    driver.transfer(slot, OUT, COMMAND, 31);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
  }

  /** Takes the status; what it says, and that it fits. */
  private int takeStatus(int residue) {
    driver.transfer(slot, IN, STATUS, 13);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    ByteBuffer status = ByteBuffer.wrap(driver.bytes(STATUS, 13)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(0x5342_5355, status.getInt());
    assertEquals(tag, status.getInt());
    assertEquals(residue, status.getInt());
    return status.get();
  }

  private int command(byte[] cdb, int direction, int length) {
    return command(cdb, direction, length, 0);
  }

  private int command(byte[] cdb, int direction, int length, int residue) {
    sendCommand(cdb, direction, length);
    if (length > 0) {
      driver.transfer(slot, direction == TO_HOST ? IN : OUT, XhciDriver.DATA, length);
      Event event = driver.await(TRANSFER);
      assertEquals(XhciDriver.SUCCESS, event.code());
      assertEquals(0, event.length());
    }
    return takeStatus(residue);
  }

  private String sense() {
    assertEquals(0, command(new byte[] {3, 0, 0, 0, 18, 0}, TO_HOST, 18));
    return java.util.HexFormat.of().formatHex(driver.bytes(XhciDriver.DATA, 18));
  }

  private static byte[] transferOf(int code, int block, int count) {
    return ByteBuffer.allocate(10)
        .put(0, (byte) code)
        .putInt(2, block)
        .putShort(7, (short) count)
        .array();
  }

  // ---- tests ----

  @Test
  void readsAndWritesWhatTheHostSees() throws IOException {
    assertEquals(0, command(transferOf(0x28, 100, 120), TO_HOST, 120 * BLOCK));
    assertArrayEquals(
        Arrays.copyOfRange(contents, 100 * BLOCK, 220 * BLOCK),
        driver.bytes(XhciDriver.DATA, 120 * BLOCK));
    byte[] written = new byte[64 * BLOCK];
    new Random(4).nextBytes(written);
    driver.store(XhciDriver.DATA, written);
    assertEquals(0, command(transferOf(0x2a, 5000, 64), 0, 64 * BLOCK));
    assertEquals(0, command(transferOf(0x35, 0, 0), 0, 0));
    System.arraycopy(written, 0, contents, 5000 * BLOCK, written.length);
    assertArrayEquals(contents, Files.readAllBytes(image));
  }

  /** Several TRBs of uneven length, which a link divides, are one stage of data. */
  @Test
  void dataMayLieInPieces() {
    int length = 100 * BLOCK;
    sendCommand(transferOf(0x28, 7, 100), TO_HOST, length);
    long at = XhciDriver.DATA + 3;
    for (int left = length; left > 0; ) {
      int part = Math.min(left, 4001);
      left -= part;
      driver.put(
          slot, IN, at, part, XhciDriver.NORMAL << 10 | (left > 0 ? 1 << 4 : XhciDriver.IOC));
      at += part;
    }
    driver.doorbell(slot, IN);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    assertArrayEquals(
        Arrays.copyOfRange(contents, 7 * BLOCK, 107 * BLOCK),
        driver.bytes(XhciDriver.DATA + 3, length));
    assertEquals(0, takeStatus(0));
  }

  @Test
  void whatTheDiskDoesNotGiveIsZeros() {
    driver.store(
        XhciDriver.DATA, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
    assertEquals(0, command(new byte[] {0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, TO_HOST, 16, 8));
    ByteBuffer answer = ByteBuffer.wrap(driver.bytes(XhciDriver.DATA, 16));
    assertEquals(BLOCKS - 1, answer.getInt());
    assertEquals(BLOCK, answer.getInt());
    assertEquals(0, answer.getLong());
  }

  @Test
  void refusedCommandsSayWhy() {
    assertEquals(1, command(transferOf(0x28, BLOCKS, 1), TO_HOST, BLOCK, BLOCK));
    assertTrue(sense().startsWith("700005000000000a0000000021"), "address out of range");
    assertEquals(2, command(transferOf(0x28, 0, 8), TO_HOST, BLOCK, BLOCK), "out of step");
    // More than the device keeps.
    sendCommand(transferOf(0x28, 0, 1), TO_HOST, 0x7fff_0000);
    driver.control(slot, 0x21, 0xff, 0, 0, 0);
    assertEquals(0, command(new byte[] {0, 0, 0, 0, 0, 0}, 0, 0));
  }

  @Test
  void whatIsNoCommandHaltsBothPipesUntilReset() {
    driver.store(COMMAND, new byte[31]);
    driver.transfer(slot, OUT, COMMAND, 31);
    assertEquals(XhciDriver.STALL, driver.await(TRANSFER).code());
    driver.transfer(slot, IN, STATUS, 13);
    assertEquals(XhciDriver.STALL, driver.await(TRANSFER).code());
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0x21, 0xff, 0, 0, 0).code());
    for (int endpoint : new int[] {IN, OUT}) {
      int address = endpoint == IN ? 0x81 : 2;
      assertEquals(XhciDriver.SUCCESS, driver.control(slot, 2, 1, 0, address, 0).code());
      assertEquals(XhciDriver.SUCCESS, driver.command(14, 0, slot << 24 | endpoint << 16).code());
      driver.skip(slot, endpoint);
    }
    assertEquals(0, command(new byte[] {0, 0, 0, 0, 0, 0}, 0, 0));
  }

  /** The other machine takes over between two parts of the data, both ways. */
  @Test
  void anotherMachineGoesOnInTheMiddleOfATransfer() throws IOException, StateException {
    byte[] written = new byte[64 * BLOCK];
    new Random(5).nextBytes(written);
    driver.store(XhciDriver.DATA, written);
    sendCommand(transferOf(0x2a, 1000, 64), 0, written.length);
    driver.transfer(slot, OUT, XhciDriver.DATA, 10_000);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    moveElsewhere();
    driver.transfer(slot, OUT, XhciDriver.DATA + 10_000, written.length - 10_000);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    assertEquals(0, takeStatus(0));
    sendCommand(transferOf(0x28, 990, 84), TO_HOST, 84 * BLOCK);
    driver.transfer(slot, IN, XhciDriver.DATA, 5 * BLOCK);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    moveElsewhere();
    driver.transfer(slot, IN, XhciDriver.DATA + 5 * BLOCK, 79 * BLOCK);
    assertEquals(XhciDriver.SUCCESS, driver.await(TRANSFER).code());
    System.arraycopy(written, 0, contents, 1000 * BLOCK, written.length);
    assertArrayEquals(
        Arrays.copyOfRange(contents, 990 * BLOCK, 1074 * BLOCK),
        driver.bytes(XhciDriver.DATA, 84 * BLOCK));
    assertEquals(0, takeStatus(0));
  }

  private static List<Device> devices(XhciDriver of) {
    List<Device> devices = new ArrayList<>(List.of(of.device));
    for (DeviceNode node : of.device.bus().devices()) {
      devices.add(node.device());
      node.buses().forEach(bus -> bus.devices().forEach(part -> devices.add(part.device())));
    }
    return devices;
  }

  private void moveElsewhere() throws IOException, StateException {
    XhciDriver from = driver;
    List<byte[]> states = new ArrayList<>();
    byte[] memory = from.bytes(0, (int) PciFixture.RAM);
    from.pci.machine.loop().call(() -> stopAndSave(from, states)).join();
    from.close();
    from.pci.devices.services().blocks().close();
    XhciDriver to = driver(image);
    to.store(0, memory);
    to.pci.machine.loop().call(() -> load(to, states)).join();
    to.follow(from);
    driver = to;
  }

  private static boolean stopAndSave(XhciDriver from, List<byte[]> states) {
    from.pci.machine.stop(RunState.PAUSED);
    for (Device device : devices(from)) {
      StateOutput out = new StateOutput();
      device.state().save(out);
      states.add(out.toByteArray());
    }
    return true;
  }

  private static boolean load(XhciDriver to, List<byte[]> states) {
    to.pci.machine.stop(RunState.PAUSED);
    List<Device> devices = devices(to);
    assertEquals(states.size(), devices.size());
    try {
      for (int i = 0; i < states.size(); i++) {
        var state = devices.get(i).state();
        state.load(new StateInput(states.get(i)), state.descriptor().version()).apply();
      }
    } catch (StateException e) {
      throw new AssertionError(e);
    }
    to.pci.machine.start();
    return true;
  }

  /** A host that takes data without end holds nobody up for more than 4 MiB at a time. */
  @Test
  void muchDataIsMovedInTurns() {
    sendCommand(transferOf(0x28, 0, 1), TO_HOST, -1);
    assertEquals(XhciDriver.SUCCESS, driver.configure(slot, IN, BULK_IN));
    driver.putForEver(slot, IN, 1 << 16, XhciDriver.NORMAL << 10, XhciDriver.IOC);
    int events =
        driver.locked(
            () -> {
              driver.doorbell(slot, IN);
              return driver.takeAll();
            });
    assertEquals((64 + 1 + 14) / 15, events);
  }
}
