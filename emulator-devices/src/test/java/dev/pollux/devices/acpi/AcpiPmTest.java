package dev.pollux.devices.acpi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.WakeupReason;
import dev.pollux.devices.DeviceContractTest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AcpiPmTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new AcpiPm(machine, IrqLine.none());
  }

  @Override
  protected List<Region> regions(Device device) {
    AcpiPm pm = (AcpiPm) device;
    return List.of(pm.pmPorts(), pm.gpePorts(), pm.apmPorts());
  }

  private boolean sci;
  private AcpiPm pm;

  private void start() {
    pm = new AcpiPm(machine, level -> sci = level);
    machine.io().map(AcpiPm.PM_BASE, pm.pmPorts());
    machine.io().map(AcpiPm.APM_BASE, pm.apmPorts());
    machine.io().map(AcpiPm.GPE_BASE, pm.gpePorts());
    pm.reset();
  }

  @Test
  void smiCommandSwitchesAcpiOn() {
    start();
    assertEquals(0, machine.io().read(0x604, 2));
    machine.io().write(0xb2, 1, AcpiPm.ACPI_ENABLE);
    assertEquals(1, machine.io().read(0x604, 2));
    machine.io().write(0xb2, 1, AcpiPm.ACPI_DISABLE);
    assertEquals(0, machine.io().read(0x604, 2));
  }

  @Test
  void powerButtonInterruptsUntilCleared() {
    start();
    machine.io().write(0xb2, 1, AcpiPm.ACPI_ENABLE);
    pm.pressPowerButton();
    assertFalse(sci, "not enabled");
    machine.io().write(0x602, 2, 0x100);
    assertTrue(sci);
    machine.io().write(0x600, 2, 0x100);
    assertFalse(sci);
    pm.raiseGpe(3);
    machine.io().write(0xafe2, 1, 8);
    assertTrue(sci);
    machine.io().write(0xafe0, 1, 8);
    assertFalse(sci);
  }

  @Test
  void timerCountsAndTellsWhenItsTopBitChanges() {
    start();
    int before = (int) machine.io().read(0x608, 4);
    machine.clocks().step(1_000_000_000L);
    assertEquals(AcpiPm.TIMER_FREQUENCY, (int) machine.io().read(0x608, 4) - before, 100);
    machine.io().write(0xb2, 1, AcpiPm.ACPI_ENABLE);
    machine.io().write(0x602, 2, 1);
    assertFalse(sci);
    machine.clocks().step(1_400_000_000L);
    assertTrue(sci);
    machine.io().write(0x600, 2, 1);
    assertFalse(sci);
    machine.clocks().step(2_400_000_000L);
    assertTrue(sci);
  }

  @Test
  void softOffEndsTheMachine() {
    start();
    machine.io().write(0x604, 2, 1 << 10 | 1 << 13);
    machine.io().write(0x604, 2, 1 << 13);
    machine.lock().unlock();
    machine.loop().run();
    machine.lock().lock();
    assertEquals(RunState.SHUTDOWN, machine.runState().current());
    assertEquals(0, machine.exitStatus());
  }

  @Test
  void sleepTypesSuspendAndPowerOff() {
    start();
    List<String> asked = new ArrayList<>();
    machine.addListener(
        new MachineListener() {
          @Override
          public void suspended() {
            asked.add("RAM");
          }

          @Override
          public void suspendedToDisk() {
            asked.add("disk");
          }

          @Override
          public void shutdown(ShutdownCause cause) {
            asked.add(cause.qmpName());
          }
        });
    machine.start();
    machine.io().write(0x604, 2, 3 << 10 | 1 << 13);
    machine.io().write(0x604, 2, 1 << 10); // no enable bit
    machine.io().write(0x604, 2, 1 << 10 | 1 << 13);
    machine.io().write(0x604, 2, 2 << 10 | 1 << 13);
    machine.loop().run(); // up to the power-off
    assertEquals(List.of("RAM", "disk", "guest-shutdown"), asked);
    assertEquals(2 << 10, machine.io().read(0x604, 2));
  }

  @Test
  void theClockWakesWhoWantsItAndTheReasonIsShown() {
    start();
    List<Object> seen = new ArrayList<>();
    machine.addListener(
        new MachineListener() {
          @Override
          public void wokenUp(WakeupReason reason) {
            seen.add(reason);
            seen.add((int) machine.io().read(0x600, 2) & 0x8500);
            machine.loop().stop();
          }
        });
    machine.start();
    machine.requestSuspend();
    machine.loop().post(pm::clockAlarm);
    machine
        .loop()
        .post(
            () -> {
              seen.add(machine.runState().current());
              machine.io().write(0x602, 2, 0x400);
              pm.clockAlarm();
            });
    machine.loop().run();
    assertEquals(List.of(RunState.SUSPENDED, WakeupReason.RTC, 0x8400), seen);
  }
}
