package dev.pollux.devices.usb.xhci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.input.Inputs;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.isa.QKeyCode;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.usb.xhci.XhciDriver.Event;
import java.io.IOException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The controller with a keyboard, a tablet and a mouse, as a driver sees them. */
class XhciTest {
  private static final HexFormat HEX = HexFormat.of();
  private static final int HOST_ERROR = 1 << 12;
  private static final int IN = 3;
  private static final int INTERRUPT_IN = 7;
  private static final int NO_OP = 8 << 10;

  /** Ports of USB 2 follow the four of USB 3. */
  private static final int KEYBOARD_PORT = 5;

  private static final int TABLET_PORT = 6;
  private static final int MOUSE_PORT = 7;

  private XhciDriver driver;
  private Inputs inputs;

  @BeforeEach
  void make() throws IOException {
    PciFixture pci = new PciFixture();
    inputs = pci.devices.services().inputs();
    driver =
        new XhciDriver(
            pci, "qemu-xhci,id=usb", "usb-kbd", "usb-tablet,id=tablet", "usb-mouse,usb_version=1");
    driver.start();
  }

  @AfterEach
  void close() {
    driver.close();
  }

  /** The values are those of QEMU 7.2, without its streams. */
  @Test
  void registersAreThoseOfQemu() {
    int[] capabilities = {
      0x0100_0040, 0x0800_1040, 0x0000_000f, 0, 0x0008_0001, 0x2000, 0x1000, 0,
      0x0200_0402, 0x2042_5355, 0x0000_0405, 0, 0x0300_0002, 0x2042_5355, 0x0000_0401, 0
    };
    int[] read = new int[capabilities.length];
    for (int i = 0; i < read.length; i++) {
      read[i] = driver.read(i * 4);
    }
    assertArrayEquals(capabilities, read);
    assertEquals(0x000d_1b36, driver.device.pci().read(0, 4));
    assertEquals(0x0c03_3001, driver.device.pci().read(8, 4));
    assertEquals(0x30, driver.device.pci().read(0x60, 1));
    assertEquals(0x2a0, driver.read(0x440), "an empty port");
    assertEquals(0x2_0ee1, driver.read(0x440 + (KEYBOARD_PORT - 1) * 16), "high speed");
    assertEquals(0x2_06e1, driver.read(0x440 + (MOUSE_PORT - 1) * 16), "full speed");
  }

  private int begin(int port) {
    int slot = driver.address(port);
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0, 9, 1, 0, 0).code());
    assertEquals(XhciDriver.SUCCESS, driver.configure(slot, IN, INTERRUPT_IN));
    return slot;
  }

  private String report(int slot, int length) {
    driver.transfer(slot, IN, XhciDriver.DATA, length);
    Event event = driver.await(32);
    assertEquals(slot, event.slot());
    assertEquals(IN, event.endpoint());
    return HEX.formatHex(driver.bytes(XhciDriver.DATA, length - event.length()));
  }

  private void key(QKeyCode key, boolean down) {
    driver.locked(() -> key.send(inputs.keyboard(Optional.empty()).orElseThrow(), down));
  }

  @Test
  void keysArriveOneByOneAndInOrder() {
    int slot = begin(KEYBOARD_PORT);
    key(QKeyCode.CTRL, true);
    key(QKeyCode.A, true);
    key(QKeyCode.A, false);
    key(QKeyCode.CTRL, false);
    key(QKeyCode.UP, true);
    key(QKeyCode.UP, false);
    assertEquals("0100000000000000", report(slot, 8));
    assertEquals("0100040000000000", report(slot, 8));
    assertEquals("0100000000000000", report(slot, 8));
    assertEquals("0000000000000000", report(slot, 8));
    assertEquals("0000520000000000", report(slot, 8));
    assertEquals("0000000000000000", report(slot, 8));
    driver.transfer(slot, IN, XhciDriver.DATA, 8);
    assertNull(driver.poll(), "there is nothing to report");
    key(QKeyCode.PAUSE, true);
    assertEquals(XhciDriver.SUCCESS, driver.await(32).code());
    assertEquals("0000480000000000", HEX.formatHex(driver.bytes(XhciDriver.DATA, 8)));
  }

  @Test
  void moreThanSixKeysRollOver() {
    int slot = begin(KEYBOARD_PORT);
    QKeyCode[] keys = {
      QKeyCode.A, QKeyCode.B, QKeyCode.C, QKeyCode.D, QKeyCode.E, QKeyCode.F, QKeyCode.G
    };
    for (QKeyCode key : keys) {
      key(key, true);
    }
    for (int i = 0; i < 5; i++) {
      report(slot, 8);
    }
    assertEquals("0000040506070809", report(slot, 8));
    assertEquals("0000010101010101", report(slot, 8));
    key(QKeyCode.A, false);
    assertEquals("000005060708090a", report(slot, 8));
  }

  @Test
  void keyboardHasLedsIdleAndDescriptors() {
    int slot = begin(KEYBOARD_PORT);
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0x80, 6, 0x100, 0, 18).code());
    assertEquals(
        "1201000200000040270601000000010203" + "01",
        HEX.formatHex(driver.bytes(XhciDriver.DATA, 18)));
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0x81, 6, 0x2200, 0, 200).code());
    assertEquals("05010906a101", HEX.formatHex(driver.bytes(XhciDriver.DATA, 6)));
    assertEquals(XhciDriver.STALL, driver.control(slot, 0x80, 6, 0x900, 0, 8).code());
    assertEquals(XhciDriver.SUCCESS, driver.command(14, 0, slot << 24 | 1 << 16).code());
    driver.skip(slot, 1);
    // Repeated every 8 ms from now on, although nothing happens.
    assertEquals(XhciDriver.SUCCESS, driver.control(slot, 0x21, 10, 0x200, 0, 0).code());
    assertEquals("0000000000000000", report(slot, 8));
    assertEquals("0000000000000000", report(slot, 8));
  }

  @Test
  void pointersTellPlacesAndDistances() {
    assertTrue(driver.locked(() -> inputs.pointers().size() == 2));
    int mouse = begin(MOUSE_PORT);
    driver.locked(
        () -> {
          inputs.move(300, -5, 1);
          inputs.press(1);
          return 0;
        });
    assertEquals("007f05ff", report(mouse, 4), "no farther than a byte says");
    assertEquals("007f0000", report(mouse, 4));
    assertEquals("002e0000", report(mouse, 4));
    assertEquals("01000000", report(mouse, 4));
    int tablet = begin(TABLET_PORT);
    driver.locked(
        () -> {
          Pointer.Absolute pointer = inputs.absolute(Optional.empty()).orElseThrow();
          pointer.put(0x1234, 0x7fff, 0, 0);
          pointer.put(0x2345, 0x0102, 0, 0);
          pointer.put(0x2345, 0x0102, 0, 1);
          pointer.put(0x3456, 0x0203, -2, 1);
          return 0;
        });
    assertEquals("004523020100", report(tablet, 6), "movements are put together");
    assertEquals("014523020100", report(tablet, 6), "a click is where it was");
    assertEquals("015634030202", report(tablet, 6));
    assertEquals(
        "tablet",
        driver
            .locked(() -> inputs.absolute(Optional.empty()).orElseThrow().pointerName())
            .toLowerCase(java.util.Locale.ROOT)
            .replaceAll(".* ", ""));
  }

  @Test
  void devicesComeAndGo() {
    int slot = begin(TABLET_PORT);
    driver.transfer(slot, IN, XhciDriver.DATA, 6);
    driver.locked(
        () -> {
          driver.pci.devices.requestRemoval("tablet");
          return 0;
        });
    Event gone = driver.await(34);
    assertEquals((long) TABLET_PORT << 24, gone.pointer());
    assertEquals(0x22_02a0, driver.read(0x440 + (TABLET_PORT - 1) * 16));
    driver.transfer(slot, IN, XhciDriver.DATA, 6);
    assertEquals(4, driver.await(32).code(), "transaction error");
    ConfigException taken =
        assertThrows(ConfigException.class, () -> driver.pci.add("usb-mouse,port=1"));
    assertTrue(taken.getMessage().contains("usb port 1 (bus usb.0) not found"), taken.getMessage());
    ConfigException none =
        assertThrows(ConfigException.class, () -> driver.pci.add("usb-mouse,port=x"));
    assertTrue(none.getMessage().contains("port=x is no port"), none.getMessage());
  }

  @Test
  void aSleepingDeviceWakesItsPort() {
    int slot = begin(KEYBOARD_PORT);
    driver.transfer(slot, IN, XhciDriver.DATA, 8);
    int port = 0x440 + (KEYBOARD_PORT - 1) * 16;
    driver.write(port, driver.read(port) & 0xfffd | 1 << 16 | 3 << 5);
    assertEquals(3, driver.read(port) >> 5 & 0xf, "asleep");
    key(QKeyCode.A, true);
    driver.await(34);
    assertEquals(15, driver.read(port) >> 5 & 0xf, "asks to be woken");
    driver.write(port, 1 << 9 | 1 << 16);
    assertEquals(0, driver.read(port) >> 5 & 0xf);
  }

  @Test
  void endpointsStopAndGoOnElsewhere() {
    int slot = begin(KEYBOARD_PORT);
    driver.transfer(slot, IN, XhciDriver.DATA, 8);
    assertEquals(19, driver.command(14, 0, slot << 24 | IN << 16).code(), "it is not halted");
    long first = driver.place(slot, IN) - 16;
    assertEquals(19, driver.command(16, first | 1, slot << 24 | IN << 16).code(), "it runs");
    driver.give(15, 0, slot << 24 | IN << 16);
    Event stopped = driver.await(32);
    assertEquals(26, stopped.code());
    assertEquals(first, stopped.pointer());
    assertEquals(XhciDriver.SUCCESS, driver.await(33).code());
    assertEquals(3, driver.load(XhciDriver.context(slot) + IN * 32) & 7, "stopped");
    assertEquals(first | 1, driver.load(XhciDriver.context(slot) + IN * 32 + 8));
    driver.skip(slot, IN);
    key(QKeyCode.B, true);
    assertNull(driver.poll());
    assertEquals("0000050000000000", report(slot, 8));
  }

  /** As UEFI's driver has it, which learns from the second event how many bytes have come. */
  @Test
  void eachStageOfAControlTransferIsToldOf() {
    int slot = begin(KEYBOARD_PORT);
    int each = XhciDriver.IOC | 1 << 2;
    long first = driver.place(slot, 1);
    driver.put(slot, 1, 0x0012_0000_0100_0680L, 8, 2 << 10 | 1 << 6 | 3 << 16 | each);
    driver.put(slot, 1, XhciDriver.DATA, 20, 3 << 10 | 1 << 16 | each);
    driver.put(slot, 1, 0, 0, 4 << 10 | each);
    driver.doorbell(slot, 1);
    Event setup = driver.await(32);
    assertEquals(first, setup.pointer());
    assertEquals(XhciDriver.SUCCESS, setup.code());
    Event data = driver.await(32);
    assertEquals(first + 16, data.pointer());
    assertEquals(XhciDriver.SHORT_PACKET, data.code());
    assertEquals(2, data.length(), "of 20 bytes 18 came");
    Event status = driver.await(32);
    assertEquals(first + 32, status.pointer());
    assertEquals(XhciDriver.SUCCESS, status.code());
    assertNull(driver.poll());
  }

  // ---- drivers that are wrong ----

  private void assertHostError() {
    driver.pci.await(() -> (driver.read(0x44) & HOST_ERROR) != 0, "the controller to give up");
    assertEquals(1, driver.read(0x44) & 1, "halted");
    driver.write(0x40, 5);
    assertEquals(1, driver.read(0x44) & 1, "only a reset helps");
    driver.start();
    assertEquals(XhciDriver.SUCCESS, driver.command(23, 0, 0).code());
  }

  @Test
  void aLoopOfLinksIsAnError() {
    driver.store(0x2000, 0x2000, (long) (XhciDriver.LINK << 10 | 1) << 32);
    driver.write(0x2000, 0);
    assertHostError();
  }

  @Test
  void ringsAndContextsOutsideOfMemoryAreErrors() {
    driver.write(0x40, 0);
    driver.write(0x58, 0x7000_0001);
    driver.write(0x40, 1);
    driver.write(0x2000, 0);
    assertHostError();
    int slot = begin(KEYBOARD_PORT);
    driver.transfer(slot, IN, 0x7000_0000, 8);
    assertHostError();
    driver.write(0x1034, -1);
    assertHostError();
    driver.write(0x1038, 0);
    driver.give(23, 0, 0);
    assertHostError();
    begin(TABLET_PORT);
  }

  @Test
  void aTransferWithoutEndIsAnError() {
    int slot = begin(KEYBOARD_PORT);
    for (int i = 0; i < XhciDriver.RING_TRBS - 1; i++) {
      driver.put(slot, IN, XhciDriver.DATA, 1, XhciDriver.NORMAL << 10 | 1 << 4);
    }
    long link = driver.place(slot, IN);
    long base = link - (XhciDriver.RING_TRBS - 1) * 16L;
    driver.store(link, base, (long) (XhciDriver.LINK << 10 | 1 << 4 | 1) << 32);
    driver.doorbell(slot, IN);
    assertHostError();
  }

  /** A ring of empty transfers that follow each other for ever keeps nobody from stopping it. */
  @Test
  void workWithoutEndLeavesRoomForOthers() {
    int slot = begin(KEYBOARD_PORT);
    driver.putForEver(slot, IN, 0, NO_OP, 0);
    driver.doorbell(slot, IN);
    driver.give(15, 0, slot << 24 | IN << 16);
    assertEquals(XhciDriver.SUCCESS, driver.await(33).code());
    assertEquals(0, driver.read(0x44) & HOST_ERROR);
  }

  /** However often its bell is rung, the event loop is asked once to go on: 256 TRBs at a turn. */
  @Test
  void ringingAgainAddsNoWork() throws Exception {
    int slot = begin(KEYBOARD_PORT);
    driver.putForEver(slot, IN, 0, NO_OP, XhciDriver.IOC);
    var turn =
        driver.locked(
            () -> {
              for (int i = 0; i < 100; i++) {
                driver.doorbell(slot, IN);
              }
              assertEquals(XhciDriver.EVENT_COUNT - 1, driver.takeAll());
              return driver.pci.machine.loop().call(driver::takeAll);
            });
    int events = turn.get(20, TimeUnit.SECONDS);
    assertTrue(events > 0 && events < 256 / 15 + 2, events + " events");
  }

  @Test
  void nothingIsDoneAfterItsEnd() throws Exception {
    int slot = begin(KEYBOARD_PORT);
    driver.putForEver(slot, IN, 0, NO_OP, XhciDriver.IOC);
    var turn =
        driver.locked(
            () -> {
              driver.doorbell(slot, IN);
              assertTrue(driver.takeAll() > 0);
              driver.device.close();
              return driver.pci.machine.loop().call(driver::takeAll);
            });
    assertEquals(0, turn.get(20, TimeUnit.SECONDS));
  }

  @Test
  void aFullEventRingSaysSo() {
    for (int i = 0; i < 2 * XhciDriver.EVENT_COUNT; i++) {
      driver.give(23, 0, 0);
    }
    for (int i = 0; i < XhciDriver.EVENT_COUNT - 2; i++) {
      assertEquals(33, driver.peek(i).type(), "event " + i);
    }
    Event full = driver.peek(XhciDriver.EVENT_COUNT - 2);
    assertEquals(37, full.type());
    assertEquals(21, full.code());
    assertNull(driver.peek(XhciDriver.EVENT_COUNT - 1));
  }

  @Test
  void badCommandsAreRefused() {
    assertEquals(11, driver.command(11, 0x6000, 5 << 24).code(), "slot not enabled");
    assertEquals(11, driver.command(15, 0, 200 << 24 | 1 << 16).code());
    assertEquals(5, driver.command(60, 0, 0).code(), "no such command");
    int slot = begin(KEYBOARD_PORT);
    assertEquals(12, driver.command(15, 0, slot << 24 | 9 << 16).code(), "endpoint not enabled");
    assertEquals(8, driver.configure(slot, IN, 5), "no isochronous transfers");
    assertEquals(17, driver.configure(slot, IN, 2), "the direction is wrong");
    assertEquals(17, driver.configure(slot, IN, 0));
    for (int i = 0; i < 63; i++) {
      driver.enableSlot();
    }
    assertEquals(9, driver.command(9, 0, 0).code(), "there are 64");
    assertEquals(XhciDriver.SUCCESS, driver.command(10, 0, 64 << 24).code());
    assertEquals(64, driver.enableSlot());
    assertEquals(
        "[0, 1]",
        Arrays.toString(
            new int[] {driver.read(0x44) & HOST_ERROR, driver.command(23, 0, 0).code()}));
  }

  @Test
  void interruptersSendTheirMessages() {
    var function = driver.device.pci();
    int capability = 0x40;
    assertEquals(0x11, driver.locked(() -> function.read(capability, 1)));
    driver.locked(
        () -> {
          function.write(capability + 2, 2, 0x8000);
          return 0;
        });
    driver.write(0x3000, 0xfee0_0000);
    driver.write(0x3008, 0x41);
    driver.write(0x300c, 0);
    int before = driver.pci.messages.size();
    assertEquals(XhciDriver.SUCCESS, driver.command(23, 0, 0).code());
    assertEquals(before + 1, driver.pci.messages.size());
    assertEquals(0x41, driver.pci.messages.getLast().data());
    assertEquals(2, driver.read(0x1020), "sent, so no longer pending");
    assertEquals(8, driver.read(0x44) & 8);
  }
}
