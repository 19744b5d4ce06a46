package dev.pollux.devices.board;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.SharedIrq;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.irqchip.ApicBus;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.irqchip.LocalApic;
import dev.pollux.devices.irqchip.Pic8259;
import dev.pollux.devices.isa.A20Gate;
import dev.pollux.devices.isa.DmaController;
import dev.pollux.devices.isa.FloatErrorLatch;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.isa.Port92;
import dev.pollux.devices.isa.ResetControl;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.SystemBus;
import dev.pollux.devices.timer.CmosRtc;
import dev.pollux.devices.timer.Hpet;
import dev.pollux.devices.timer.Pit8254;
import dev.pollux.devices.timer.RtcBase;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What every PC has had since the ISA days, with APICs and HPET, at its usual addresses: the part
 * that machine types share. Machine lock held.
 */
final class Chipset {
  /** First of the two ports that say which ISA interrupts are level-triggered. */
  static final int TRIGGER_MODES = 0x4d0;

  private final Machine machine;
  private final DeviceManager devices;
  private final Pic8259 pic;
  private final ApicBus apicBus;
  private final IoApic ioApic;
  private final IsaBus isaBus;
  private final Pit8254 pit;
  private final Optional<Hpet> hpet;
  private final CmosRtc rtc;
  private final Optional<I8042> keyboardController;
  private final IrqLine rtcIrq;

  /** Inputs 16 and up of the I/O APIC. */
  private final List<SharedIrq> highPins;

  /**
   * @param withPit without it the timer is wired to nothing and found nowhere
   * @param complete whether there are a HPET and a keyboard controller too
   */
  Chipset(
      DeviceManager devices, SystemBus systemBus, RtcBase time, boolean withPit, boolean complete) {
    this.devices = devices;
    machine = devices.services().machine();
    pic = new Pic8259(this::setIntr);
    apicBus = new ApicBus(machine.memory(), pic);
    for (Vcpu vcpu : machine.vcpus()) {
      devices.enter(LocalApic.TYPE, systemBus, new LocalApic(apicBus, vcpu));
    }
    ioApic = devices.enter(IoApic.TYPE, systemBus, new IoApic(apicBus));
    highPins =
        IntStream.range(16, IoApic.PINS)
            .mapToObj(pin -> new SharedIrq(level -> ioApic.setPin(pin, level)))
            .toList();
    isaBus = new IsaBus(machine, this::isaWire);
    devices.enter(Pic8259.TYPE, isaBus, pic);
    pit =
        devices.enter(
            Pit8254.TYPE,
            isaBus,
            new Pit8254(
                machine.clocks(),
                withPit ? isaBus.irq(0) : IrqLine.none(),
                () -> isIsaIrqWaiting(0)));
    hpet =
        complete
            ? Optional.of(
                devices.enter(Hpet.TYPE, systemBus, new Hpet(machine.clocks(), new HpetRouting())))
            : Optional.empty();
    rtcIrq = isaBus.irq(8);
    rtc = devices.enter(CmosRtc.TYPE, isaBus, new CmosRtc(machine.clocks(), time, this::setRtcIrq));
    keyboardController = complete ? Optional.of(addKeyboardController()) : Optional.empty();
    if (complete) {
      addDma();
    }
    ResetControl resetControl = devices.enter(ResetControl.TYPE, isaBus, new ResetControl(machine));
    FloatErrorLatch latch =
        devices.enter(FloatErrorLatch.TYPE, isaBus, new FloatErrorLatch(isaBus.irq(13)));
    machine.setFloatErrorLine(latch::setFerr);
    mapPorts(resetControl, latch);
    if (withPit) {
      machine.io().map(0x40, pit.ports());
      machine.io().map(0x61, pit.controlPort());
    }
    machine.memory().map(IoApic.ADDRESS, ioApic.registers());
    hpet.ifPresent(timer -> machine.memory().map(Hpet.ADDRESS, timer.registers()));
  }

  private I8042 addKeyboardController() {
    A20Gate a20 = new A20Gate(machine);
    I8042 controller =
        devices.enter(I8042.TYPE, isaBus, new I8042(machine, a20, isaBus.irq(1), isaBus.irq(12)));
    devices.services().inputs().add(controller.keyboard(), Optional.empty());
    devices.services().inputs().add(controller.mouse(), Optional.empty());
    machine.io().map(0x60, controller.dataPort());
    machine.io().map(0x64, controller.commandPort());
    Port92 port92 = devices.enter(Port92.TYPE, isaBus, new Port92(machine, a20));
    machine.io().map(0x92, port92.port());
    return controller;
  }

  private void addDma() {
    DmaController dma = devices.enter(DmaController.TYPE, isaBus, new DmaController(machine));
    machine.io().map(DmaController.BYTE_PORT, dma.bytePorts());
    machine.io().map(DmaController.PAGE_PORT, dma.pagePorts());
    machine.io().map(DmaController.WORD_PORT, dma.wordPorts());
  }

  private void mapPorts(ResetControl resetControl, FloatErrorLatch latch) {
    AddressSpace io = machine.io();
    io.map(0x20, pic.masterPorts());
    io.map(0xa0, pic.slavePorts());
    io.map(TRIGGER_MODES, pic.elcrPorts());
    io.map(0x70, rtc.ports());
    io.map(0xf0, latch.port());
    io.map(0xcf9, resetControl.port(), 1); // inside the ports that a PCI bus takes
  }

  private void setIntr(boolean level) {
    apicBus.setLint0(level);
  }

  private void setRtcIrq(boolean level) {
    rtcIrq.set(level && !hpet.map(Hpet::legacyReplacement).orElse(false));
  }

  /** What the BIOS of a PC finds in CMOS memory: sizes of memory, number of vCPUs, equipment. */
  void fillCmos(Board board) {
    long size = board.config().ramSize();
    long base = Math.min(size >> 10, 640);
    setCmos16(0x15, base);
    long extended = Math.min((size >> 10) - 1024, 65_535);
    setCmos16(0x17, extended);
    setCmos16(0x30, extended);
    setCmos16(0x34, Math.clamp((board.lowRamEnd() - (16 << 20)) >> 16, 0, 65_535));
    setCmos16(0x5b, board.highRamSize() >> 16);
    rtc.setCmos(0x5d, (int) (board.highRamSize() >> 32));
    rtc.setCmos(0x5f, board.config().cpus() - 1);
    rtc.setCmos(0x14, 0x06); // mathematical coprocessor, PS/2 mouse
  }

  private void setCmos16(int index, long value) {
    rtc.setCmos(index, (int) value & 0xff);
    rtc.setCmos(index + 1, (int) (value >> 8) & 0xff);
  }

  /** To the 8259 pair and to the I/O APIC, where ISA interrupt 0 is pin 2. */
  private IrqLine isaWire(int irq) {
    int pin = irq == 0 ? 2 : irq;
    return level -> {
      pic.setInput(irq, level);
      ioApic.setPin(pin, level);
    };
  }

  /** One more driver of a global interrupt: an ISA interrupt below 16, otherwise the pin. */
  IrqLine gsi(int number) {
    return number < 16 ? isaBus.irq(number) : highPins.get(number - 16).newInput();
  }

  /** True while the CPU has not accepted the last interrupt of that wire. */
  private boolean isIsaIrqWaiting(int irq) {
    return pic.isRequested(irq) || ioApic.isRequested(irq == 0 ? 2 : irq);
  }

  DeviceManager devices() {
    return devices;
  }

  Pic8259 pic() {
    return pic;
  }

  ApicBus apicBus() {
    return apicBus;
  }

  IoApic ioApic() {
    return ioApic;
  }

  IsaBus isaBus() {
    return isaBus;
  }

  CmosRtc rtc() {
    return rtc;
  }

  I8042 keyboardController() {
    return keyboardController.orElseThrow();
  }

  private final class HpetRouting implements Hpet.Routing {
    private final IrqLine[] legacy = {
      isaBus.irq(0), null, null, null, null, null, null, null, isaBus.irq(8)
    };

    @Override
    public IrqLine legacy(int irq) {
      return legacy[irq];
    }

    @Override
    public IrqLine input(int pin) {
      return level -> ioApic.setPin(pin, level);
    }

    @Override
    public boolean isLegacyWaiting(int irq) {
      return isIsaIrqWaiting(irq);
    }

    @Override
    public boolean isInputWaiting(int pin) {
      return ioApic.isRequested(pin);
    }

    @Override
    public void legacyReplacement(boolean on) {
      pit.setIrqEnabled(!on);
    }
  }
}
