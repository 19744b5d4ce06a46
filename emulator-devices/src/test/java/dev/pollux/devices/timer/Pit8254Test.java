package dev.pollux.devices.timer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class Pit8254Test extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new Pit8254(machine.clocks(), IrqLine.none(), () -> false);
  }

  @Override
  protected List<Region> regions(Device device) {
    Pit8254 pit = (Pit8254) device;
    return List.of(pit.ports(), pit.controlPort());
  }

  private static final long SECOND = 1_000_000_000L;

  private boolean irq;
  private int edges;
  private boolean busy;
  private Pit8254 pit;

  private void start() {
    pit =
        new Pit8254(
            machine.clocks(),
            level -> {
              edges += level && !irq ? 1 : 0;
              irq = level;
            },
            () -> busy);
    pit.reset();
  }

  private void out(int port, int value) {
    Region region = port == 0x61 ? pit.controlPort() : pit.ports();
    ((Region.DeviceRegion) region).device().write(port & 3 & (port == 0x61 ? 0 : 3), 1, value);
  }

  private int in(int port) {
    Region region = port == 0x61 ? pit.controlPort() : pit.ports();
    return (int) ((Region.DeviceRegion) region).device().read(port & 3 & (port == 0x61 ? 0 : 3), 1);
  }

  private void program(int channel, int mode, int count) {
    out(0x43, channel << 6 | 0x30 | mode << 1);
    out(0x40 + channel, count & 0xff);
    out(0x40 + channel, count >> 8);
  }

  private int count(int channel) {
    out(0x43, channel << 6);
    return in(0x40 + channel) | in(0x40 + channel) << 8;
  }

  @Test
  void rateGeneratorTicks() {
    start();
    program(0, 2, 11_932);
    edges = 0;
    machine.clocks().step(SECOND + SECOND / 200);
    assertEquals(100, edges);
  }

  @Test
  void ticksOfALateGuestAreKept() {
    start();
    program(0, 2, 11_932);
    machine.clocks().step(15_000_000);
    edges = 0;
    busy = true;
    machine.clocks().step(5 * 10_000_000L);
    assertEquals(0, edges);
    busy = false;
    machine.clocks().step(4_000_000);
    assertEquals(5, edges);
  }

  @Test
  void squareWaveTicks() {
    start();
    program(0, 3, 11_932);
    edges = 0;
    machine.clocks().step(SECOND + SECOND / 200);
    assertEquals(100, edges);
  }

  @Test
  void terminalCountRaisesOnce() {
    start();
    program(0, 0, 1193);
    assertFalse(irq);
    machine.clocks().step(900_000);
    assertFalse(irq);
    machine.clocks().step(200_000);
    assertTrue(irq);
    edges = 0;
    machine.clocks().step(SECOND);
    assertEquals(0, edges);
  }

  @Test
  void softwareStrobePulsesOnce() {
    start();
    program(0, 4, 1193);
    edges = 0;
    machine.clocks().step(SECOND);
    assertEquals(1, edges);
  }

  @Test
  void latchedCountStaysUntilItIsRead() {
    start();
    program(1, 2, 0x8000);
    machine.clocks().step(1_000_000);
    out(0x43, 1 << 6);
    machine.clocks().step(1_000_000);
    int latched = in(0x41) | in(0x41) << 8;
    assertEquals(0x8000 - 1193, latched, 3);
    assertEquals(0x8000 - 2386, count(1), 6);
  }

  @Test
  void readBackGivesStatusThenCount() {
    start();
    program(1, 3, 1000);
    out(0x43, 0xc4);
    assertEquals(0xb6, in(0x41), "output high, count loaded, both bytes, mode 3");
    assertEquals(1000, in(0x41) | in(0x41) << 8, 10);
    out(0x43, 0x72);
    out(0x43, 0xe4);
    assertEquals(0xf2, in(0x41), "no count loaded");
  }

  @Test
  void countsInDecimal() {
    start();
    out(0x43, 0x40 | 0x30 | 1);
    out(0x41, 0x00);
    out(0x41, 0x50);
    machine.clocks().step(1_000_000);
    int value = count(1);
    int decimal =
        (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
    assertEquals(5000 - 1193, decimal, 3);
  }

  /** How operating systems measure their clocks: gate on, wait for the output. */
  @Test
  void channel2CountsWhileItsGateIsOpen() {
    start();
    out(0x61, 0);
    program(2, 0, 11_932);
    machine.clocks().step(SECOND);
    assertEquals(0, in(0x61) & 0x20);
    out(0x61, 1);
    machine.clocks().step(SECOND / 100 - 100_000);
    assertEquals(0, in(0x61) & 0x20);
    machine.clocks().step(200_000);
    assertEquals(0x20, in(0x61) & 0x20);
  }
}
