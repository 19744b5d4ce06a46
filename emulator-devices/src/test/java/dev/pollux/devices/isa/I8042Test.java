package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class I8042Test extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new I8042(machine, new A20Gate(machine), IrqLine.none(), IrqLine.none());
  }

  @Override
  protected List<Region> regions(Device device) {
    I8042 i = (I8042) device;
    return List.of(i.dataPort(), i.commandPort());
  }

  private boolean keyboardIrq;
  private boolean auxIrq;
  private I8042 controller;

  private void start() {
    controller =
        new I8042(
            machine, new A20Gate(machine), level -> keyboardIrq = level, level -> auxIrq = level);
    machine.io().map(0x60, controller.dataPort());
    machine.io().map(0x64, controller.commandPort());
    controller.reset();
  }

  private void command(int value) {
    machine.io().write(0x64, 1, value);
  }

  private void data(int value) {
    machine.io().write(0x60, 1, value);
  }

  /** Reads all that waits, as hex digits. */
  private String read() {
    StringBuilder text = new StringBuilder();
    while ((machine.io().read(0x64, 1) & 1) != 0) {
      text.append(String.format("%02x", machine.io().read(0x60, 1)));
    }
    return text.toString();
  }

  @Test
  void testsItself() {
    start();
    assertEquals(0, machine.io().read(0x64, 1) & 4);
    command(0xaa);
    assertEquals("55", read());
    assertEquals(4, machine.io().read(0x64, 1) & 4);
    command(0xab);
    assertEquals("00", read());
    command(0x60);
    data(0x65);
    command(0x20);
    assertEquals("65", read());
  }

  @Test
  void keyboardIdentifiesItself() {
    start();
    data(0xf2);
    assertEquals("faab83", read());
    command(0x60);
    data(0x41);
    data(0xf2);
    assertEquals("faab41", read(), "translated");
    data(0xff);
    assertEquals("faaa", read());
    data(0xed);
    data(0x02);
    assertEquals("fafa", read());
    assertEquals(2, controller.keyboard().leds());
  }

  @Test
  void keysArriveInBothSets() {
    start();
    controller.keyboard().key(0x1e, false, true); // A
    assertTrue(keyboardIrq);
    assertEquals("1c", read());
    assertFalse(keyboardIrq);
    controller.keyboard().key(0x48, true, false); // cursor up
    assertEquals("e0f075", read());
    command(0x60);
    data(0x41);
    controller.keyboard().key(0x1e, false, true);
    controller.keyboard().key(0x1e, false, false);
    controller.keyboard().key(0x48, true, true);
    controller.keyboard().key(0x48, true, false);
    assertEquals("1e9ee048e0c8", read());
    for (int code = 1; code <= 0x58; code++) {
      controller.keyboard().key(code, false, true);
      assertEquals(String.format("%02x", code), read());
    }
  }

  @Test
  void keyboardBufferIsBounded() {
    start();
    int taken = 0;
    for (int i = 0; i < 100; i++) {
      taken += controller.keyboard().key(0x1e, false, true) ? 1 : 0;
    }
    assertEquals(17, taken, "16 in the keyboard, one in the controller");
  }

  @Test
  void mouseMovesAndKnowsItsWheel() {
    start();
    for (int[] bytes : new int[][] {{0xf3, 200}, {0xf3, 100}, {0xf3, 80}}) {
      for (int value : bytes) {
        command(0xd4);
        data(value);
      }
    }
    assertEquals("fa".repeat(6), read());
    command(0xd4);
    data(0xf2);
    assertEquals("fa03", read());
    command(0xd4);
    data(0xf4);
    assertEquals("fa", read());
    controller.mouse().move(5, -2, 1, 1);
    assertTrue(auxIrq);
    assertEquals(0x21, machine.io().read(0x64, 1) & 0x21);
    assertEquals("2905fe01", read());
  }

  @Test
  void controlsAddressLine20() {
    start();
    A20Gate gate = new A20Gate(machine);
    gate.set(true);
    command(0xd1);
    data(0xdd);
    assertFalse(gate.enabled());
    command(0xd1);
    data(0xdf);
    assertTrue(gate.enabled());
  }
}
