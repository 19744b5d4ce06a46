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

class HpetTest extends DeviceContractTest {
  private static final class Wires implements Hpet.Routing {
    @Override
    public IrqLine legacy(int irq) {
      return IrqLine.none();
    }

    @Override
    public IrqLine input(int pin) {
      return IrqLine.none();
    }

    @Override
    public boolean isLegacyWaiting(int irq) {
      return false;
    }

    @Override
    public boolean isInputWaiting(int pin) {
      return false;
    }

    @Override
    public void legacyReplacement(boolean on) {}
  }

  @Override
  protected Device makeDevice() {
    return new Hpet(machine.clocks(), new Wires());
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((Hpet) device).registers());
  }

  private static final long MILLI = 1_000_000;

  private final int[] edges = new int[24];
  private final boolean[] lines = new boolean[24];
  private boolean legacy;
  private boolean busy;
  private Hpet hpet;

  private void start() {
    hpet =
        new Hpet(
            machine.clocks(),
            new Hpet.Routing() {
              private IrqLine line(int n) {
                return level -> {
                  edges[n] += level && !lines[n] ? 1 : 0;
                  lines[n] = level;
                };
              }

              @Override
              public IrqLine legacy(int irq) {
                return line(irq);
              }

              @Override
              public IrqLine input(int pin) {
                return line(pin);
              }

              @Override
              public boolean isLegacyWaiting(int irq) {
                return busy;
              }

              @Override
              public boolean isInputWaiting(int pin) {
                return busy;
              }

              @Override
              public void legacyReplacement(boolean on) {
                legacy = on;
              }
            });
    hpet.reset();
  }

  private long counter() {
    return hpet.read(0xf0, 4) & 0xffff_ffffL | hpet.read(0xf4, 4) << 32;
  }

  @Test
  void countsTensOfNanoseconds() {
    start();
    assertEquals(10_000_000, hpet.read(4, 4));
    machine.clocks().step(MILLI);
    assertEquals(0, counter());
    hpet.write(0xf4, 4, 1);
    hpet.write(0x10, 4, 1);
    machine.clocks().step(MILLI);
    assertEquals(100_000, (int) (counter() - 0x1_0000_0000L), 2000);
  }

  @Test
  void comparatorInterruptsOnce() {
    start();
    hpet.write(0x10, 4, 1);
    hpet.write(0x100, 4, 2 << 9 | 4);
    hpet.write(0x108, 4, counter() + 100_000);
    hpet.write(0x10c, 4, 0);
    machine.clocks().step(MILLI * 9 / 10);
    assertEquals(0, edges[2]);
    machine.clocks().step(MILLI * 5);
    assertEquals(1, edges[2]);
  }

  @Test
  void periodThatPassedWhileNobodyLookedDoesNotWaitForTheCounterToWrap() {
    start();
    hpet.write(0x10, 4, 1 | 2);
    hpet.write(0x100, 4, 4 | 8 | 0x40 | 0x100);
    hpet.write(0x108, 4, 100_000);
    hpet.write(0x108, 4, 100_000);
    // Switched off over the first match, then on again: the match is behind the counter.
    hpet.write(0x100, 4, 8 | 0x100);
    machine.clocks().step(10 * MILLI);
    assertEquals(0, edges[0]);
    hpet.write(0x100, 4, 4 | 8 | 0x100);
    machine.clocks().step(10 * MILLI);
    assertTrue(edges[0] >= 9, () -> edges[0] + " ticks");
  }

  @Test
  void ticksOfALateGuestAreKept() {
    start();
    hpet.write(0x100, 4, 4 | 8 | 0x40 | 0x100);
    hpet.write(0x108, 4, 1_000_000);
    hpet.write(0x108, 4, 1_000_000);
    hpet.write(0x10, 4, 3);
    busy = true;
    machine.clocks().step(55 * MILLI);
    assertEquals(0, edges[0]);
    busy = false;
    machine.clocks().step(4 * MILLI);
    assertEquals(5, edges[0]);
  }

  @Test
  void periodicTimerStandsInForThe8254() {
    start();
    hpet.write(0x100, 4, 4 | 8 | 0x40 | 0x100);
    hpet.write(0x108, 4, 100_000);
    hpet.write(0x108, 4, 100_000);
    hpet.write(0x10, 4, 3);
    assertTrue(legacy);
    machine.clocks().step(10 * MILLI + MILLI / 2);
    assertEquals(10, edges[0], 1);
    hpet.write(0x10, 4, 0);
    assertFalse(legacy);
  }

  @Test
  void levelInterruptStaysUntilItsStatusIsCleared() {
    start();
    hpet.write(0x10, 4, 1);
    hpet.write(0x100, 4, 2 << 9 | 4 | 2);
    hpet.write(0x108, 4, counter() + 1000);
    hpet.write(0x10c, 4, 0);
    machine.clocks().step(MILLI);
    assertTrue(lines[2]);
    assertEquals(1, hpet.read(0x20, 4));
    hpet.write(0x20, 4, 1);
    assertFalse(lines[2]);
  }
}
