package dev.pollux.devices.board;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.AcpiTables;
import dev.pollux.devices.acpi.PciNamespace;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.isa.IsaSerial;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.ConfigPorts;
import dev.pollux.devices.pci.Ich9Lpc;
import dev.pollux.devices.pci.Mch;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciSetup;
import dev.pollux.devices.storage.ide.AhciController;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * The machine type {@code q35}: PCI Express with configuration spaces in memory, root ports with
 * native hot-plug; apart from that as {@code pc}.
 */
public final class Q35Board extends Board {
  private static final Split SPLIT = new Split(0xb000_0000L, 0x8000_0000L);

  /** Where configuration spaces are shown. */
  private static final long ECAM = 0xb000_0000L;

  private static final long PCI_MEMORY = 0xc000_0000L;
  private static final long PCI_END = IoApic.ADDRESS;
  private static final int PCI_PORTS = 0xc000;
  private static final int LPC_SLOT = 31;

  /** ISA interrupts of the wires, for guests without APIC. */
  private static final int[] PCI_IRQS = {10, 10, 11, 11, 10, 10, 11, 11};

  public static final MachineType TYPE =
      new MachineType(
          "pc-q35-10.2",
          "q35",
          "pc-q35-",
          "Standard PC (Q35 + ICH9, 2009)",
          false,
          true,
          6,
          1,
          Q35Board::new);

  private final Chipset chipset;
  private final PciBus pciBus;
  private final Mch mch;
  private final Ich9Lpc lpc;

  public Q35Board(DeviceManager devices, BoardConfig config) throws IOException {
    super(devices, config, SPLIT);
    chipset = new Chipset(devices, systemBus(), config.rtc(), config.pit(), true);
    AcpiPm pm = devices.enter(AcpiPm.TYPE, isaBus(), new AcpiPm(machine(), isaBus().irq(9)));
    machine().io().map(AcpiPm.GPE_BASE, pm.gpePorts());
    machine().io().map(AcpiPm.APM_BASE, pm.apmPorts());
    chipset.rtc().onAlarm(pm::clockAlarm);
    lpc = new Ich9Lpc(isaBus(), chipset::gsi, pm);
    pciBus =
        PciBus.root(
            "pcie.0",
            new PciWiring(
                machine(), chipset.apicBus(), (slot, pin) -> lpc.wire(Ich9Lpc.wireOf(slot, pin))));
    ConfigPorts ports = new ConfigPorts(pciBus);
    machine().io().map(ConfigPorts.ADDRESS_PORT, ports.addressPort());
    machine().io().map(ConfigPorts.DATA_PORT, ports.dataPort());
    DeviceNode host =
        devices.enterPart(ConfigPorts.Q35, systemBus(), devices.values(ConfigPorts.Q35), ports);
    host.setFirmwareName(ConfigPorts.FIRMWARE_NAME);
    devices.provide(host, pciBus);
    mch = new Mch(pciBus, machine().memory(), shadowRam());
    pciBus.place(0);
    devices.enter(Mch.TYPE, pciBus, mch);
    pciBus.place(LPC_SLOT * 8);
    devices.provide(
        devices.enterPart(Ich9Lpc.TYPE, pciBus, devices.values(Ich9Lpc.TYPE), lpc), isaBus());
    addSata();
    chipset.fillCmos(this);
  }

  private void addSata() {
    AhciController sata = new AhciController(machine(), port -> "ide." + port);
    pciBus.place(LPC_SLOT * 8 + AhciController.FUNCTION);
    DeviceNode node =
        devices()
            .enterPart(AhciController.TYPE, pciBus, devices().values(AhciController.TYPE), sata);
    sata.buses().forEach(bus -> devices().provide(node, bus));
  }

  /** The root of all PCI buses. */
  public PciBus pciBus() {
    return pciBus;
  }

  @Override
  public IsaBus isaBus() {
    return chipset.isaBus();
  }

  @Override
  public void addSerialPort(int number, CharBackend backend) {
    IsaSerial.addTo(devices(), isaBus(), number, backend);
  }

  @Override
  public List<E820Entry> memoryMap() {
    List<E820Entry> map = new ArrayList<>(super.memoryMap());
    map.add(new E820Entry(ECAM, Mch.ECAM_SIZE, E820Entry.Type.RESERVED));
    map.sort(Comparator.comparingLong(E820Entry::start));
    return map;
  }

  @Override
  AcpiTables.Config acpi() {
    long high = FOUR_GIB + highRamSize() + (1 << 30) - 1 & -(1L << 30);
    return new AcpiTables.Config(
        apicIds(),
        isaBus().devices().stream().map(DeviceNode::acpi).toList(),
        Optional.of(
            new PciNamespace.Config(
                true, PCI_MEMORY, PCI_END, high, high + PciNamespace.HIGH_SIZE, LPC_SLOT, 0, 0)),
        Optional.of(ECAM),
        true,
        sleepStates(),
        List.of());
  }

  @Override
  public SleepStates sleepStates() {
    return SleepStates.of(devices().values(Ich9Lpc.TYPE));
  }

  @Override
  public void prepareBoot() {
    int levelTriggered = 0;
    for (int wire = 0; wire < PCI_IRQS.length; wire++) {
      lpc.pci().write(Ich9Lpc.routeOf(wire), 1, PCI_IRQS[wire]);
      levelTriggered |= 1 << PCI_IRQS[wire];
    }
    machine().io().write(Chipset.TRIGGER_MODES, 2, levelTriggered);
    lpc.enable(AcpiPm.PM_BASE);
    mch.enableEcam(ECAM);
    showRam();
    PciSetup.run(
        pciBus,
        new PciSetup.Space(PCI_PORTS, 0x1_0000, PCI_MEMORY, PCI_END),
        (slot, pin) -> PCI_IRQS[Ich9Lpc.wireOf(slot, pin)]);
  }

  @Override
  public void showRam() {
    mch.showRam();
  }

  @Override
  public void setCmos(int index, int value) {
    chipset.rtc().setCmos(index, value);
  }
}
