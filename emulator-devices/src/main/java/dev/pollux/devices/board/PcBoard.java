package dev.pollux.devices.board;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.SharedIrq;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.AcpiTables;
import dev.pollux.devices.irqchip.ApicBus;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.irqchip.LocalApic;
import dev.pollux.devices.irqchip.Pic8259;
import dev.pollux.devices.isa.A20Gate;
import dev.pollux.devices.isa.FloatErrorLatch;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.Port92;
import dev.pollux.devices.isa.ResetControl;
import dev.pollux.devices.isa.Uart16550;
import dev.pollux.devices.timer.CmosRtc;
import dev.pollux.devices.timer.Hpet;
import dev.pollux.devices.timer.Pit8254;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The machine type {@code pc}: memory, vCPUs and the chipset of an ISA PC with APICs and ACPI at
 * the addresses that QEMU's i440fx machine has. Made before the machine runs, with its lock held;
 * {@link Machine#resetDevices} then gives the power-on state.
 *
 * <pre>
 *   0          640K    768K     1M          low end     fec00000 fed00000 fee00000  4G
 *   | RAM       | VGA  | ROM/RAM | RAM ...   | -- hole -- | I/O APIC | HPET | APIC | RAM ...
 * </pre>
 *
 * The last 64 KiB of RAM below 4 GiB are for ACPI tables. A machine without firmware has them
 * written by its kernel loader, with {@link #writeAcpiTables}, at each reset.
 */
public final class PcBoard {
  private static final long FOUR_GIB = 1L << 32;

  /** RAM from this size on is split, to leave room for devices below 4 GiB. */
  private static final long SPLIT_FROM = 0xe000_0000L;

  private static final long SPLIT_LOW = 0xc000_0000L;

  /** Extended BIOS data area, as much as firmware takes from the top of the first 640 KiB. */
  private static final long EBDA = 0x9_fc00;

  private static final long VGA_START = 0xa_0000;
  private static final long VGA_END = 0xc_0000;

  /** The segment in which guests look for firmware tables. */
  private static final long BIOS_START = 0xf_0000;

  private static final long BIOS_END = 0x10_0000;

  /** COM1 to COM4. */
  private static final int[] SERIAL_PORTS = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

  private static final long ACPI_AREA = 64 << 10;

  private final Machine machine;
  private final BoardConfig config;
  private final RamBlock ram;
  private final Pic8259 pic;
  private final ApicBus apicBus;
  private final IoApic ioApic;
  private final Pit8254 pit;
  private final Hpet hpet;
  private final CmosRtc rtc;
  private final I8042 keyboardController;
  private final FwCfg fwCfg;

  /** Of COM1 and COM3, and of COM2 and COM4. */
  private final List<SharedIrq> serialIrqs =
      List.of(new SharedIrq(isaIrq(4)), new SharedIrq(isaIrq(3)));

  /** Serial ports present, bit <i>n</i> for COM<i>n+1</i>. */
  private int serialPorts;

  public PcBoard(Machine machine, BoardConfig config) throws IOException {
    this.machine = machine;
    this.config = config;
    ram = new RamBlock("pc.ram", config.ramSize(), false);
    machine.addRamBlock(ram);
    for (int i = 0; i < config.cpus(); i++) {
      machine.add(new Vcpu(machine, i, config.cpuModel(), new CpuState(), config.engine()));
    }
    pic = new Pic8259(this::setIntr);
    apicBus = new ApicBus(machine.memory(), pic);
    for (Vcpu vcpu : machine.vcpus()) {
      machine.add(new LocalApic(apicBus, vcpu));
    }
    ioApic = machine.add(new IoApic(apicBus));
    machine.add(pic);
    pit = machine.add(new Pit8254(machine.clocks(), isaIrq(0), () -> isIsaIrqWaiting(0)));
    hpet = machine.add(new Hpet(machine.clocks(), new HpetRouting()));
    rtc = machine.add(new CmosRtc(machine.clocks(), config.rtc(), this::setRtcIrq));
    A20Gate a20 = new A20Gate(machine);
    keyboardController = machine.add(new I8042(machine, a20, isaIrq(1), isaIrq(12)));
    fwCfg = machine.add(new FwCfg(machine.memory()));
    mapMemory();
    mapPorts(machine.add(new Port92(machine, a20)), machine.add(new ResetControl(machine)));
    connectFloatErrors(machine.add(new FloatErrorLatch(isaIrq(13))));
    mapPowerManagement(machine.add(new AcpiPm(machine, isaIrq(9))));
    fillCmos();
    fillFwCfg();
  }

  private void setIntr(boolean level) {
    apicBus.setLint0(level);
  }

  private void setRtcIrq(boolean level) {
    isaIrq(8).set(level && !hpet.legacyReplacement());
  }

  private void mapMemory() {
    AddressSpace memory = machine.memory();
    long low = lowRamEnd();
    memory.map(0, new Region.RamRegion(ram, 0, VGA_START));
    memory.map(VGA_END, new Region.RamRegion(ram, VGA_END, low - VGA_END));
    if (highRamSize() > 0) {
      memory.map(FOUR_GIB, new Region.RamRegion(ram, low, highRamSize()));
    }
    memory.map(IoApic.ADDRESS, ioApic.registers());
    memory.map(Hpet.ADDRESS, hpet.registers());
  }

  private void mapPorts(Port92 port92, ResetControl resetControl) {
    AddressSpace io = machine.io();
    io.map(0x20, pic.masterPorts());
    io.map(0xa0, pic.slavePorts());
    io.map(0x4d0, pic.elcrPorts());
    io.map(0x40, pit.ports());
    io.map(0x60, keyboardController.dataPort());
    io.map(0x61, pit.controlPort());
    io.map(0x64, keyboardController.commandPort());
    io.map(0x70, rtc.ports());
    io.map(0x92, port92.port());
    io.map(0xcf9, resetControl.port(), 1); // inside the ports that a PCI bus takes
    io.map(FwCfg.PORT, fwCfg.ports());
    io.map(FwCfg.DMA_PORT, fwCfg.dmaPort());
  }

  private void connectFloatErrors(FloatErrorLatch latch) {
    machine.io().map(0xf0, latch.port());
    machine.setFloatErrorLine(latch::setFerr);
  }

  private void mapPowerManagement(AcpiPm pm) {
    machine.io().map(AcpiPm.PM_BASE, pm.pmPorts());
    machine.io().map(AcpiPm.GPE_BASE, pm.gpePorts());
    machine.io().map(AcpiPm.APM_BASE, pm.apmPorts());
  }

  /** What the BIOS of a PC finds in CMOS memory: sizes of memory, number of vCPUs, equipment. */
  private void fillCmos() {
    long base = Math.min(config.ramSize() >> 10, 640);
    setCmos16(0x15, base);
    long extended = Math.min((config.ramSize() >> 10) - 1024, 65_535);
    setCmos16(0x17, extended);
    setCmos16(0x30, extended);
    setCmos16(0x34, Math.clamp((lowRamEnd() - (16 << 20)) >> 16, 0, 65_535));
    setCmos16(0x5b, highRamSize() >> 16);
    rtc.setCmos(0x5d, (int) (highRamSize() >> 32));
    rtc.setCmos(0x5f, config.cpus() - 1);
    rtc.setCmos(0x14, 0x06); // mathematical coprocessor, PS/2 mouse
  }

  private void setCmos16(int index, long value) {
    rtc.setCmos(index, (int) value & 0xff);
    rtc.setCmos(index + 1, (int) (value >> 8) & 0xff);
  }

  private void fillFwCfg() {
    fwCfg.putLong(FwCfg.RAM_SIZE, config.ramSize());
    fwCfg.putShort(FwCfg.CPU_COUNT, config.cpus());
    fwCfg.putShort(FwCfg.MAX_CPUS, config.cpus());
    List<E820Entry> map = ramMap();
    ByteBuffer e820 = ByteBuffer.allocate(map.size() * 20).order(ByteOrder.LITTLE_ENDIAN);
    for (E820Entry entry : map) {
      e820.putLong(entry.start()).putLong(entry.size()).putInt(entry.type().code());
    }
    fwCfg.putFile("etc/e820", e820.array());
  }

  public Machine machine() {
    return machine;
  }

  public BoardConfig config() {
    return config;
  }

  public RamBlock ram() {
    return ram;
  }

  public Pic8259 pic() {
    return pic;
  }

  public IoApic ioApic() {
    return ioApic;
  }

  public ApicBus apicBus() {
    return apicBus;
  }

  public CmosRtc rtc() {
    return rtc;
  }

  public I8042 keyboardController() {
    return keyboardController;
  }

  public FwCfg fwCfg() {
    return fwCfg;
  }

  /** First address above the RAM below 4 GiB. */
  public long lowRamEnd() {
    return config.ramSize() >= SPLIT_FROM ? SPLIT_LOW : config.ramSize();
  }

  /** Bytes of RAM from 4 GiB on. */
  public long highRamSize() {
    return config.ramSize() - lowRamEnd();
  }

  /** RAM as it is wired; what firmware keeps for itself is not taken off. */
  private List<E820Entry> ramMap() {
    List<E820Entry> map = new ArrayList<>();
    map.add(new E820Entry(0, lowRamEnd(), E820Entry.Type.RAM));
    if (highRamSize() > 0) {
      map.add(new E820Entry(FOUR_GIB, highRamSize(), E820Entry.Type.RAM));
    }
    return map;
  }

  /** The memory map for a guest that is booted without firmware, in ascending order. */
  public List<E820Entry> memoryMap() {
    List<E820Entry> map = new ArrayList<>();
    map.add(new E820Entry(0, EBDA, E820Entry.Type.RAM));
    map.add(new E820Entry(EBDA, VGA_START - EBDA, E820Entry.Type.RESERVED));
    map.add(new E820Entry(BIOS_START, BIOS_END - BIOS_START, E820Entry.Type.RESERVED));
    map.add(new E820Entry(BIOS_END, usableLowRamEnd() - BIOS_END, E820Entry.Type.RAM));
    map.add(new E820Entry(facsAddress(), RamBlock.PAGE_SIZE, E820Entry.Type.NVS));
    map.add(
        new E820Entry(
            facsAddress() + RamBlock.PAGE_SIZE,
            ACPI_AREA - RamBlock.PAGE_SIZE,
            E820Entry.Type.ACPI));
    if (highRamSize() > 0) {
      map.add(new E820Entry(FOUR_GIB, highRamSize(), E820Entry.Type.RAM));
    }
    return map;
  }

  /** First address above the RAM below 4 GiB that a loader may fill. */
  public long usableLowRamEnd() {
    return lowRamEnd() - ACPI_AREA;
  }

  private long facsAddress() {
    return usableLowRamEnd();
  }

  /** Where {@link #writeAcpiTables} puts the root pointer. */
  public long rsdpAddress() {
    return BIOS_START;
  }

  /** Writes the ACPI tables into RAM, as firmware would. vCPUs parked, machine lock held. */
  public void writeAcpiTables() {
    List<Integer> apicIds =
        machine.vcpus().stream().map(vcpu -> vcpu.model().topology().apicId(vcpu.index())).toList();
    AcpiTables.write(
        new AcpiTables.Config(apicIds, serialPorts),
        new AcpiTables.Placement(facsAddress(), facsAddress() + RamBlock.PAGE_SIZE, rsdpAddress()),
        machine.memory());
  }

  /**
   * Adds a serial port where PCs have it: COM1 and COM3 share interrupt 4, COM2 and COM4 interrupt
   * 3.
   *
   * @param number 0 for COM1, at most 3
   */
  public void addSerialPort(int number, CharBackend backend) {
    IrqLine irq = serialIrqs.get(number % 2).newInput();
    Uart16550 uart = new Uart16550(machine.clocks(), irq, backend, machine.loop()::post);
    machine.io().map(SERIAL_PORTS[number], machine.add(uart).ports());
    serialPorts |= 1 << number;
  }

  /**
   * The wire of an ISA interrupt, 0 to 15: to the 8259 pair and to the I/O APIC, where interrupt 0
   * is pin 2.
   */
  public IrqLine isaIrq(int irq) {
    int pin = irq == 0 ? 2 : irq;
    return level -> {
      pic.setInput(irq, level);
      ioApic.setPin(pin, level);
    };
  }

  /** True while the CPU has not accepted the last interrupt of that wire. */
  private boolean isIsaIrqWaiting(int irq) {
    return pic.isRequested(irq) || ioApic.isRequested(irq == 0 ? 2 : irq);
  }

  private final class HpetRouting implements Hpet.Routing {
    @Override
    public IrqLine legacy(int irq) {
      return isaIrq(irq);
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
