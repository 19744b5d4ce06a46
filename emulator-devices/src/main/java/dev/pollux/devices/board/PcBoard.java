package dev.pollux.devices.board;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.AcpiTables;
import dev.pollux.devices.acpi.PciNamespace;
import dev.pollux.devices.acpi.SleepStates;
import dev.pollux.devices.irqchip.ApicBus;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.irqchip.Pic8259;
import dev.pollux.devices.isa.I8042;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.isa.IsaSerial;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.pci.ConfigPorts;
import dev.pollux.devices.pci.I440Fx;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciSetup;
import dev.pollux.devices.pci.Piix3;
import dev.pollux.devices.pci.Piix4Pm;
import dev.pollux.devices.pci.SlotHotplug;
import dev.pollux.devices.storage.ide.PiixIde;
import dev.pollux.devices.timer.CmosRtc;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * The machine type {@code pc}: the chipset of a PC with APICs and ACPI at the addresses that QEMU's
 * i440fx machine has.
 */
public final class PcBoard extends Board {
  public static final MachineType TYPE =
      new MachineType(
          "pc-i440fx-10.2",
          "pc",
          "pc-i440fx-",
          "Standard PC (i440FX + PIIX, 1996)",
          true,
          true,
          2,
          2,
          PcBoard::new);

  private static final Split SPLIT = new Split(0xe000_0000L, 0xc000_0000L);

  /** The first port that is given to PCI devices. */
  private static final int PCI_PORTS = 0xc000;

  private static final long PCI_END = IoApic.ADDRESS;

  /** ISA interrupts of the four PCI wires, as PCs' firmware routes them. */
  private static final int[] PCI_IRQS = {10, 10, 11, 11};

  private static final int ISA_SLOT = 1;

  private final Chipset chipset;
  private final PciBus pciBus;
  private final Piix3 piix3;
  private final I440Fx i440Fx;
  private final Piix4Pm powerManagement;

  public PcBoard(DeviceManager devices, BoardConfig config) throws IOException {
    super(devices, config, SPLIT);
    chipset = new Chipset(devices, systemBus(), config.rtc(), config.pit(), true);
    piix3 = new Piix3(isaBus());
    pciBus =
        PciBus.root(
            "pci.0",
            new PciWiring(
                machine(),
                chipset.apicBus(),
                (slot, pin) -> piix3.wire(PciNamespace.wire(slot, pin))));
    i440Fx = new I440Fx(shadowRam());
    addPciHost();
    addIde();
    AcpiPm pm = devices.enter(AcpiPm.TYPE, isaBus(), new AcpiPm(machine(), isaBus().irq(9)));
    machine().io().map(AcpiPm.GPE_BASE, pm.gpePorts());
    machine().io().map(AcpiPm.APM_BASE, pm.apmPorts());
    rtc().onAlarm(pm::clockAlarm);
    powerManagement = place(0x0b, Piix4Pm.TYPE, new Piix4Pm(pm, machine().io()));
    SlotHotplug hotplug =
        devices.enter(
            SlotHotplug.TYPE,
            systemBus(),
            new SlotHotplug(pciBus, devices, () -> pm.raiseGpe(SlotHotplug.EVENT)));
    machine().io().map(SlotHotplug.PORT, hotplug.ports());
    pciBus.setHotplug(hotplug);
    chipset.fillCmos(this);
  }

  private void addPciHost() {
    ConfigPorts ports = new ConfigPorts(pciBus);
    machine().io().map(ConfigPorts.ADDRESS_PORT, ports.addressPort());
    machine().io().map(ConfigPorts.DATA_PORT, ports.dataPort());
    DeviceManager devices = devices();
    DeviceNode host =
        devices.enterPart(
            ConfigPorts.I440FX, systemBus(), devices.values(ConfigPorts.I440FX), ports);
    host.setFirmwareName(ConfigPorts.FIRMWARE_NAME);
    devices.provide(host, pciBus);
    place(0, I440Fx.TYPE, i440Fx);
    pciBus.place(ISA_SLOT * 8);
    devices.provide(
        devices.enterPart(Piix3.TYPE, pciBus, devices.values(Piix3.TYPE), piix3), isaBus());
  }

  private void addIde() {
    PiixIde ide = new PiixIde(machine(), isaBus());
    pciBus.place(ISA_SLOT * 8 + 1);
    DeviceNode node =
        devices().enterPart(PiixIde.TYPE, pciBus, devices().values(PiixIde.TYPE), ide);
    ide.buses().forEach(bus -> devices().provide(node, bus));
  }

  private <D extends PciDevice> D place(int devfn, DeviceType<PciBus> type, D device) {
    pciBus.place(devfn);
    return devices().enter(type, pciBus, device);
  }

  /** The root of all PCI buses. */
  public PciBus pciBus() {
    return pciBus;
  }

  /** A board on which users make no devices. */
  public PcBoard(Machine machine, BoardConfig config) throws IOException {
    this(Devices.manager(machine), config);
  }

  public Pic8259 pic() {
    return chipset.pic();
  }

  public IoApic ioApic() {
    return chipset.ioApic();
  }

  public ApicBus apicBus() {
    return chipset.apicBus();
  }

  public CmosRtc rtc() {
    return chipset.rtc();
  }

  public I8042 keyboardController() {
    return chipset.keyboardController();
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
  AcpiTables.Config acpi() {
    return new AcpiTables.Config(
        apicIds(),
        isaBus().devices().stream().map(DeviceNode::acpi).toList(),
        Optional.of(pciNamespace()),
        Optional.empty(),
        true,
        sleepStates(),
        List.of());
  }

  private PciNamespace.Config pciNamespace() {
    long high = FOUR_GIB + highRamSize() + (1 << 30) - 1 & -(1L << 30);
    int fixed = 0;
    for (DeviceNode node : pciBus.devices()) {
      if (!node.declaration().hotpluggable()) {
        fixed |= 1 << PciBus.slot(node);
      }
    }
    return new PciNamespace.Config(
        false,
        pciMemory(),
        PCI_END,
        high,
        high + PciNamespace.HIGH_SIZE,
        ISA_SLOT,
        SlotHotplug.PORT,
        fixed);
  }

  /** Where PCI memory begins, below 4 GiB. */
  private long pciMemory() {
    return Math.max(deviceHole(), SPLIT.low());
  }

  @Override
  public SleepStates sleepStates() {
    return SleepStates.of(devices().values(Piix4Pm.TYPE));
  }

  @Override
  public void prepareBoot() {
    int levelTriggered = 0;
    for (int wire = 0; wire < PCI_IRQS.length; wire++) {
      piix3.pci().write(Piix3.ROUTES + wire, 1, PCI_IRQS[wire]);
      levelTriggered |= 1 << PCI_IRQS[wire];
    }
    machine().io().write(Chipset.TRIGGER_MODES, 2, levelTriggered);
    powerManagement.enable(AcpiPm.PM_BASE);
    showRam();
    PciSetup.run(
        pciBus,
        new PciSetup.Space(PCI_PORTS, 0x1_0000, pciMemory(), PCI_END),
        (slot, pin) -> PCI_IRQS[PciNamespace.wire(slot, pin)]);
  }

  @Override
  public void showRam() {
    i440Fx.showRam();
  }

  @Override
  public void setCmos(int index, int value) {
    chipset.rtc().setCmos(index, value);
  }
}
