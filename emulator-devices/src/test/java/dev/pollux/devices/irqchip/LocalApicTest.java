package dev.pollux.devices.irqchip;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.TestMachines;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LocalApicTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    ApicBus bus = new ApicBus(machine.memory(), new Pic8259(IrqLine.none()));
    return new LocalApic(bus, machine.vcpus().getFirst());
  }

  /** The registers as MMIO, and above them the x2APIC's MSRs: 16 bytes for each, 8 at a time. */
  @Override
  protected List<Region> regions(Device device) {
    LocalApic apic = (LocalApic) device;
    BusDevice mmio =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return apic.readMmio((int) offset);
          }

          @Override
          public void write(long offset, int size, long value) {
            apic.writeMmio((int) offset, (int) value);
          }
        };
    BusDevice msrs =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            int index = (int) offset / 8;
            return apic.x2apicReadable(index) ? apic.readX2apic(index) : 0;
          }

          @Override
          public void write(long offset, int size, long value) {
            apic.writeX2apic((int) offset / 8, value);
          }
        };
    return List.of(
        new Region.DeviceRegion("mmio", 0x1000, 4, 4, mmio),
        new Region.DeviceRegion("msr", 0x100 * 8, 8, 8, msrs));
  }

  @Override
  protected void disturb(Device device, Random random) {
    LocalApic apic = (LocalApic) device;
    switch (random.nextInt(6)) {
      case 0 -> apic.acknowledge();
      case 1 -> apic.setLint0(random.nextBoolean());
      case 2 ->
          apic.accept(DeliveryMode.of(random.nextInt()), random.nextInt(256), random.nextBoolean());
      case 3 ->
          apic.setApicBase(
              random.nextBoolean() ? ApicBus.ADDRESS | random.nextInt(16) << 8 : random.nextLong());
      case 4 -> apic.setTaskPriority(random.nextInt());
      default -> apic.setTscDeadline(random.nextLong());
    }
  }

  // ---- behaviour, on a machine with several APICs ----

  private static final int TPR = 0x80;
  private static final int EOI = 0xb0;
  private static final int LDR = 0xd0;
  private static final int DFR = 0xe0;
  private static final int SVR = 0xf0;
  private static final int ESR = 0x280;
  private static final int ICR = 0x300;
  private static final int LVT_TIMER = 0x320;
  private static final int LVT_LINT0 = 0x350;
  private static final int LVT_ERROR = 0x370;
  private static final int INITIAL_COUNT = 0x380;
  private static final int CURRENT_COUNT = 0x390;
  private static final int DIVIDE = 0x3e0;

  private Machine smp;
  private ApicBus bus;
  private final Pic8259 pic = new Pic8259(level -> bus.setLint0(level));
  private final List<LocalApic> apics = new ArrayList<>();
  private IoApic ioApic;

  private void start(int cpus) throws IOException {
    smp = TestMachines.create(cpus);
    smp.lock().lock();
    bus = new ApicBus(smp.memory(), pic);
    smp.vcpus().forEach(vcpu -> apics.add(smp.add(new LocalApic(bus, vcpu))));
    ioApic = smp.add(new IoApic(bus));
    smp.add(pic);
    smp.resetDevices();
    for (LocalApic apic : apics) {
      apic.writeMmio(SVR, 0x1ff);
    }
  }

  @AfterEach
  void stop() {
    if (smp != null) {
      smp.lock().unlock();
      smp.close();
    }
  }

  private boolean pending(int cpu, int bit) {
    return (smp.vcpus().get(cpu).cpuState().pending() & bit) != 0;
  }

  /** Sends an IPI from CPU 0 through the two halves of the command register. */
  private void send(int destination, int command) {
    apics.getFirst().writeMmio(ICR + 0x10, destination << 24);
    apics.getFirst().writeMmio(ICR, command);
  }

  @Test
  void highestPriorityFirstAndNoneBelowTheTaskPriority() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    bus.send(new MsiMessage(0xfee00000L, 0x41));
    bus.send(new MsiMessage(0xfee00000L, 0x62));
    assertTrue(pending(0, Interrupts.HARD));
    assertEquals(0x62, apic.acknowledge());
    assertFalse(pending(0, Interrupts.HARD), "0x62 is in service");
    assertEquals(0x60, apic.readMmio(0xa0));
    apic.setTaskPriority(5);
    apic.writeMmio(EOI, 0);
    assertEquals(-1, apic.acknowledge());
    apic.setTaskPriority(3);
    assertTrue(pending(0, Interrupts.HARD));
    assertEquals(0x41, apic.acknowledge());
    apic.writeMmio(TPR, 0x7f);
    assertEquals(7, apic.taskPriority());
  }

  @Test
  void levelInterruptComesAgainAfterItsEnd() throws IOException {
    start(1);
    ioApic.write(0, 4, 0x10 + 2 * 9);
    ioApic.write(0x10, 4, 0x8000 | 0x51);
    ioApic.setPin(9, true);
    assertEquals(0x51, apics.getFirst().acknowledge());
    assertEquals(0xc051, ioApic.read(0x10, 4), "remote IRR");
    apics.getFirst().writeMmio(EOI, 0);
    assertEquals(0x51, apics.getFirst().acknowledge());
    ioApic.setPin(9, false);
    apics.getFirst().writeMmio(EOI, 0);
    assertEquals(-1, apics.getFirst().acknowledge());
    assertEquals(0x8051, ioApic.read(0x10, 4));
  }

  @Test
  void edgeAtMaskedPinIsLost() throws IOException {
    start(1);
    ioApic.write(0, 4, 0x10 + 2 * 4);
    ioApic.write(0x10, 4, 0x1_0052);
    ioApic.setPin(4, true);
    ioApic.write(0x10, 4, 0x52);
    assertEquals(-1, apics.getFirst().acknowledge());
    ioApic.setPin(4, false);
    ioApic.setPin(4, true);
    assertEquals(0x52, apics.getFirst().acknowledge());
    ioApic.write(0, 4, 1);
    assertEquals(0x17_0020, ioApic.read(0x10, 4));
  }

  @Test
  void ipisFindTheirDestinations() throws IOException {
    start(3);
    send(1, 0x71);
    assertFalse(pending(0, Interrupts.HARD));
    assertTrue(pending(1, Interrupts.HARD));
    assertEquals(0x71, apics.get(1).acknowledge());
    send(0, 0xc0072); // all but self
    assertEquals(-1, apics.get(0).acknowledge());
    apics.get(1).writeMmio(EOI, 0);
    assertEquals(0x72, apics.get(1).acknowledge());
    assertEquals(0x72, apics.get(2).acknowledge());
    send(0, 0x40073); // self
    assertEquals(0x73, apics.get(0).acknowledge());
    send(2, 0x4400);
    assertTrue(pending(2, Interrupts.NMI));
    assertFalse(pending(1, Interrupts.NMI));
    send(1, 0x4500);
    assertTrue(pending(1, Interrupts.INIT));
    send(1, 0x4600 | 0x9a);
    assertTrue(pending(1, Interrupts.SIPI));
    send(2, 0x8500);
    assertFalse(pending(2, Interrupts.INIT), "level de-assert");
  }

  @Test
  void logicalDestinationsInFlatAndClusterModel() throws IOException {
    start(3);
    for (int i = 0; i < 3; i++) {
      apics.get(i).writeMmio(LDR, 1 << 24 + i);
    }
    send(0b110, 0x4871);
    assertEquals(-1, apics.get(0).acknowledge());
    assertEquals(0x71, apics.get(1).acknowledge());
    assertEquals(0x71, apics.get(2).acknowledge());
    for (int i = 0; i < 3; i++) {
      apics.get(i).writeMmio(DFR, 0x0fff_ffff);
      apics.get(i).writeMmio(LDR, (i / 2 << 4 | 1 << i % 2) << 24);
    }
    send(0x11, 0x4882);
    assertEquals(-1, apics.get(0).acknowledge());
    assertEquals(0x82, apics.get(2).acknowledge());
  }

  @Test
  void lowestPriorityGoesToOne() throws IOException {
    start(2);
    apics.get(0).writeMmio(TPR, 0x40);
    bus.send(new MsiMessage(0xfeeff000L, 0x161));
    assertEquals(-1, apics.get(0).acknowledge());
    assertEquals(0x61, apics.get(1).acknowledge());
  }

  @Test
  void picReachesTheFirstCpuAsExternalInterrupt() throws IOException {
    start(2);
    for (int value : new int[] {0x11, 0x30, 4, 1, 0}) {
      ((Region.DeviceRegion) pic.masterPorts()).device().write(value == 0x11 ? 0 : 1, 1, value);
    }
    pic.setInput(4, true);
    assertTrue(pending(0, Interrupts.HARD));
    assertFalse(pending(1, Interrupts.HARD));
    apics.getFirst().writeMmio(TPR, 0xff); // does not hold back external interrupts
    assertEquals(0x34, apics.getFirst().acknowledge());
    apics.getFirst().writeMmio(LVT_LINT0, 0x10700);
    pic.setInput(3, true);
    assertFalse(pending(0, Interrupts.HARD), "masked");
  }

  @Test
  void oneShotTimerCountsDown() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_TIMER, 0xec);
    apic.writeMmio(0x3e0, 0x3); // by 16
    apic.writeMmio(0x380, 100_000);
    smp.clocks().step(800_000);
    assertEquals(50_000, (int) apic.readMmio(0x390), 500);
    assertEquals(-1, apic.acknowledge());
    smp.clocks().step(900_000);
    assertEquals(0xec, apic.acknowledge());
    assertEquals(0, apic.readMmio(0x390));
    apic.writeMmio(EOI, 0);
    smp.clocks().step(10_000_000);
    assertEquals(-1, apic.acknowledge());
  }

  @Test
  void countTooShortToBeSeenRunningStillEnds() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_TIMER, 0xec);
    apic.writeMmio(0x3e0, 0xb); // by 1: a count of 1 is a nanosecond
    for (int i = 0; i < 100; i++) {
      smp.clocks().setRunning(true);
      apic.writeMmio(0x380, 1);
      apic.writeMmio(LVT_TIMER, 0xec);
      smp.clocks().setRunning(false);
      smp.clocks().step(1_000);
      assertEquals(0xec, apic.acknowledge(), "count " + i);
      apic.writeMmio(EOI, 0);
    }
    apic.writeMmio(LVT_TIMER, 0xec);
    smp.clocks().step(1_000);
    assertEquals(-1, apic.acknowledge());
  }

  @Test
  void periodicTimerComesAgainAndAgain() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(0x3e0, 0xb); // by 1
    apic.writeMmio(LVT_TIMER, 0x200ec);
    apic.writeMmio(0x380, 1_000_000);
    for (int i = 0; i < 5; i++) {
      smp.clocks().step(1_000_000);
      assertEquals(0xec, apic.acknowledge());
      apic.writeMmio(EOI, 0);
    }
    apic.writeMmio(0x380, 0);
    smp.clocks().step(5_000_000);
    assertEquals(-1, apic.acknowledge());
  }

  @Test
  void tscDeadlineFires() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.setTscDeadline(1);
    assertEquals(0, apic.tscDeadline(), "not in this mode");
    apic.writeMmio(LVT_TIMER, 0x400ec);
    long deadline = smp.vcpus().getFirst().tsc() + 1_000_000;
    apic.setTscDeadline(deadline);
    assertEquals(deadline, apic.tscDeadline());
    smp.clocks().step(900_000);
    assertEquals(-1, apic.acknowledge());
    smp.clocks().step(200_000);
    assertEquals(0xec, apic.acknowledge());
    assertEquals(0, apic.tscDeadline());
    apic.writeMmio(EOI, 0);
    apic.setTscDeadline(5); // long past: at once
    assertTrue(pending(0, Interrupts.HARD));
    assertEquals(0, apic.tscDeadline());
    assertEquals(0xec, apic.acknowledge());
  }

  @Test
  void deadlineThatComesWhileMaskedIsGone() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_TIMER, 0x500ec);
    apic.setTscDeadline(smp.vcpus().getFirst().tsc() + 1_000_000);
    smp.clocks().step(2_000_000);
    assertEquals(0, apic.tscDeadline());
    apic.setTscDeadline(5);
    assertEquals(0, apic.tscDeadline());
    apic.writeMmio(LVT_TIMER, 0x400ec);
    smp.clocks().step(1_000_000);
    assertEquals(-1, apic.acknowledge());
  }

  @Test
  void deadlineMovesWithTheCounter() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_TIMER, 0x400ec);
    apic.setTscDeadline(smp.vcpus().getFirst().tsc() + 1_000_000);
    smp.vcpus().getFirst().msrs().write(0x10, 1L << 40); // IA32_TIME_STAMP_COUNTER
    assertEquals(0xec, apic.acknowledge(), "the counter has passed it");
  }

  /** A count that has come to 0 stays there in every mode, until it is written. */
  @Test
  void endedCountStaysAtZero() throws IOException {
    for (boolean masked : new boolean[] {false, true}) {
      start(1);
      LocalApic apic = apics.getFirst();
      int mask = masked ? 0x10000 : 0;
      apic.writeMmio(DIVIDE, 0xb); // by 1
      apic.writeMmio(LVT_TIMER, mask | 0xec);
      apic.writeMmio(INITIAL_COUNT, 1_000_000);
      smp.clocks().step(1_500_000);
      assertEquals(masked ? -1 : 0xec, apic.acknowledge());
      apic.writeMmio(EOI, 0);
      apic.writeMmio(LVT_TIMER, 0x200ec);
      assertEquals(0, apic.readMmio(CURRENT_COUNT));
      apic.writeMmio(DIVIDE, 0);
      smp.clocks().step(5_000_000);
      assertEquals(0, apic.readMmio(CURRENT_COUNT));
      assertEquals(-1, apic.acknowledge());
      assertEquals(1_000_000, apic.readMmio(INITIAL_COUNT));
      apic.writeMmio(DIVIDE, 0xb);
      apic.writeMmio(INITIAL_COUNT, 1_000_000);
      smp.clocks().step(1_000_000);
      assertEquals(0xec, apic.acknowledge());
      stop();
      apics.clear();
      smp = null;
    }
  }

  /** A periodic count that becomes a one-shot one ends with the period that it is in. */
  @Test
  void periodicCountEndsOnceAsOneShot() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(DIVIDE, 0xb); // by 1
    apic.writeMmio(LVT_TIMER, 0x200ec);
    apic.writeMmio(INITIAL_COUNT, 1_000_000);
    smp.clocks().step(2_400_000);
    assertEquals(0xec, apic.acknowledge());
    apic.writeMmio(EOI, 0);
    apic.writeMmio(LVT_TIMER, 0xec);
    assertEquals(600_000, (int) apic.readMmio(CURRENT_COUNT), 50_000);
    smp.clocks().step(700_000);
    assertEquals(0xec, apic.acknowledge());
    apic.writeMmio(EOI, 0);
    assertEquals(0, apic.readMmio(CURRENT_COUNT));
    smp.clocks().step(3_000_000);
    assertEquals(-1, apic.acknowledge());
  }

  /** An expiry that the event loop is late for comes before what software does next. */
  @Test
  void lateExpiryIsNotLostByAChangeOfMode() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(DIVIDE, 0xb); // by 1
    apic.writeMmio(LVT_TIMER, 0xec);
    smp.clocks().setRunning(true);
    apic.writeMmio(INITIAL_COUNT, 1);
    apic.writeMmio(LVT_TIMER, 0x200ed);
    smp.clocks().setRunning(false);
    assertEquals(0xec, apic.acknowledge());
    assertEquals(0, apic.readMmio(CURRENT_COUNT));
  }

  @Test
  void errorsAreLatchedByAWrite() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_ERROR, 0xfe);
    bus.send(new MsiMessage(0xfee00000L, 5));
    assertEquals(0, apic.readMmio(ESR));
    apic.writeMmio(ESR, 0);
    assertEquals(0x40, apic.readMmio(ESR));
    assertEquals(0xfe, apic.acknowledge());
    apic.writeMmio(ESR, 0);
    assertEquals(0, apic.readMmio(ESR));
  }

  @Test
  void disabledBySoftwareItMasksAllAndTakesNothing() throws IOException {
    start(1);
    LocalApic apic = apics.getFirst();
    apic.writeMmio(LVT_TIMER, 0xec);
    apic.writeMmio(SVR, 0xff);
    assertEquals(0x100ec, apic.readMmio(LVT_TIMER));
    apic.writeMmio(LVT_TIMER, 0xed);
    assertEquals(0x100ed, apic.readMmio(LVT_TIMER));
    bus.send(new MsiMessage(0xfee00000L, 0x41));
    assertEquals(-1, apic.acknowledge());
  }

  @Test
  void x2apicModeIsEnteredAndLeftOnlyAsAllowed() throws IOException {
    start(2);
    LocalApic apic = apics.get(1);
    assertFalse(apic.setApicBase(0xfee00400L), "x2APIC without enable");
    assertFalse(apic.x2apicReadable(2));
    assertTrue(apic.setApicBase(0xfee00c00L));
    assertEquals(1, apic.readX2apic(2));
    assertEquals(2, apic.readX2apic(0xd));
    assertFalse(apic.x2apicReadable(0xe), "no DFR");
    assertFalse(apic.setApicBase(0xfee00800L), "back to xAPIC");
    assertFalse(apic.writeX2apic(8, 0x100), "reserved bits");
    assertTrue(apic.writeX2apic(0x3f, 0x45));
    assertEquals(0x45, apic.acknowledge());
    assertTrue(apic.writeX2apic(0xb, 0));
    assertFalse(apic.writeX2apic(0xb, 1));
    assertTrue(apic.setApicBase(0xfee00000L));
    assertTrue(apic.setApicBase(0xfee00800L));
    assertEquals(0xff, apic.readMmio(SVR));
  }

  @Test
  void initResetsTheApicButNotItsBase() throws IOException {
    start(2);
    apics.get(1).writeMmio(TPR, 0x50);
    assertTrue(apics.get(1).setApicBase(0xfed40800L));
    send(1, 0x4500);
    assertEquals(0, apics.get(1).readMmio(TPR));
    assertEquals(0xfed40800L, apics.get(1).apicBase());
    assertEquals("apic-moved", smp.memory().view().find(0xfed40000L).region().name());
    apics.get(1).reset();
    assertEquals(null, smp.memory().view().find(0xfed40000L));
    assertEquals(0, smp.vcpus().get(1).cpuState().u32(CpuLayout.HALTED));
  }
}
