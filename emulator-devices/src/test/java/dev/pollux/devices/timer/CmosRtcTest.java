package dev.pollux.devices.timer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class CmosRtcTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new CmosRtc(
        machine.clocks(), new RtcBase(1_700_000_000, ClockType.VIRTUAL), IrqLine.none());
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((CmosRtc) device).ports());
  }

  /** The battery keeps all of it. */
  @Override
  protected byte[] resetState(byte[] state) {
    return new byte[0];
  }

  private static final long SECOND = 1_000_000_000L;

  private boolean irq;
  private int edges;

  /** At 2023-11-14 22:13:20, a Tuesday. */
  private CmosRtc rtc;

  private void start() {
    rtc =
        new CmosRtc(
            machine.clocks(),
            new RtcBase(1_700_000_000, ClockType.VIRTUAL),
            level -> {
              edges += level && !irq ? 1 : 0;
              irq = level;
            });
    rtc.reset();
  }

  private int get(int index) {
    rtc.write(0, 1, index);
    return (int) rtc.read(1, 1);
  }

  private void set(int index, int value) {
    rtc.write(0, 1, index);
    rtc.write(1, 1, value);
  }

  private String time() {
    return String.format(
        "%02x%02x-%02x-%02x %02x:%02x:%02x %d",
        get(0x32), get(9), get(8), get(7), get(4), get(2), get(0), get(6));
  }

  @Test
  void showsTheTimeInAllFormats() {
    start();
    assertEquals("2023-11-14 22:13:20 3", time());
    set(11, 0x06);
    assertEquals(22, get(4));
    assertEquals(13, get(2));
    set(11, 0x00);
    assertEquals(0x90, get(4), "10 in the afternoon");
    set(11, 0x02);
    machine.clocks().step(100 * SECOND);
    assertEquals("2023-11-14 22:15:00 3", time());
  }

  @Test
  void runsOnFromTheTimeThatWasSet() {
    start();
    set(11, 0x82);
    int[][] values = {
      {0x32, 0x19}, {9, 0x99}, {8, 0x12}, {7, 0x31}, {4, 0x23}, {2, 0x59}, {0, 0x58}
    };
    for (int[] v : values) {
      set(v[0], v[1]);
    }
    machine.clocks().step(10 * SECOND);
    assertEquals(0x58, get(0), "stands while it is set");
    set(11, 0x02);
    machine.clocks().step(3 * SECOND + SECOND / 2);
    assertEquals("2000-01-01 00:00:01 7", time());
  }

  @Test
  void updateIsAnnounced() {
    start();
    machine.clocks().step(SECOND - SECOND / 1000);
    assertEquals(0, get(10) & 0x80);
    machine.clocks().step(800_000);
    assertEquals(0x80, get(10) & 0x80);
    machine.clocks().step(300_000);
    assertEquals(0, get(10) & 0x80);
  }

  @Test
  void updateInterruptsEachSecond() {
    start();
    get(12);
    set(11, 0x12);
    for (int i = 0; i < 3; i++) {
      machine.clocks().step(SECOND);
      assertTrue(irq);
      assertEquals(0x90, get(12) & 0x90);
      assertFalse(irq);
    }
    assertEquals(3, edges);
  }

  @Test
  void alarmComesAtItsTime() {
    start();
    set(5, 0x22);
    set(3, 0x14);
    set(1, 0x05);
    get(12);
    set(11, 0x22);
    machine.clocks().step(44 * SECOND);
    assertFalse(irq);
    machine.clocks().step(2 * SECOND);
    assertTrue(irq);
    assertEquals(0xa0, get(12) & 0xa0);
    machine.clocks().step(86_399 * SECOND);
    assertTrue(irq, "a day later again");
  }

  @Test
  void alarmWithoutHourComesEachHour() {
    start();
    set(5, 0xff);
    set(3, 0x00);
    set(1, 0x00);
    set(11, 0x22);
    for (int i = 0; i < 3; i++) {
      get(12);
      machine.clocks().step(3600 * SECOND);
      assertTrue(irq);
    }
  }

  @Test
  void periodicInterruptHasItsRate() {
    start();
    set(10, 0x26);
    set(11, 0x42);
    for (int i = 0; i < 1024; i++) {
      machine.clocks().step(SECOND / 1024 + 1);
      get(12);
    }
    assertEquals(1024, edges, 1);
  }

  @Test
  void keepsMemoryThroughReset() {
    start();
    set(0x40, 0x5a);
    set(11, 0x7a);
    rtc.reset();
    assertEquals(0x5a, get(0x40));
    assertEquals(0x02, get(11), "interrupts off");
    assertEquals(0x80, get(13));
  }
}
