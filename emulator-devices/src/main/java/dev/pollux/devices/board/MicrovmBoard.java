package dev.pollux.devices.board;

import static dev.pollux.devices.acpi.AmlBuilder.device;
import static dev.pollux.devices.acpi.AmlBuilder.integer;
import static dev.pollux.devices.acpi.AmlBuilder.memory;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.resources;
import static dev.pollux.devices.acpi.AmlBuilder.sharedInterrupts;
import static dev.pollux.devices.acpi.AmlBuilder.string;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.acpi.AcpiTables;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.isa.IsaSerial;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.virtio.transport.VirtioMmio;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The machine type {@code microvm}: no PCI, no HPET, no keyboard controller, so that a kernel has
 * little to look for; virtio devices on MMIO, which ACPI tells of.
 *
 * <pre>
 *   feb00000 + 512 n   transport n, interrupt 16 + n mod 8, level-triggered
 * </pre>
 */
public final class MicrovmBoard extends Board {
  private static final Split SPLIT = new Split(0xc000_0000L, 0xc000_0000L);
  private static final long MMIO_BASE = 0xfeb0_0000L;
  private static final int TRANSPORTS = 24;
  private static final int FIRST_GSI = 16;
  private static final int GSIS = 8;

  public static final MachineType TYPE =
      new MachineType("microvm", "", "", "microvm (i386)", false, false, 0, 0, MicrovmBoard::new);

  private final Chipset chipset;
  private final List<VirtioMmio> transports = new ArrayList<>();

  public MicrovmBoard(DeviceManager devices, BoardConfig config) throws IOException {
    super(devices, config, SPLIT);
    chipset = new Chipset(devices, systemBus(), config.rtc(), config.pit(), false);
    devices.addBus(isaBus());
    AcpiPm pm = devices.enter(AcpiPm.TYPE, isaBus(), new AcpiPm(machine(), isaBus().irq(9)));
    machine().io().map(AcpiPm.PM_BASE, pm.pmPorts());
    machine().io().map(AcpiPm.GPE_BASE, pm.gpePorts());
    machine().io().map(AcpiPm.APM_BASE, pm.apmPorts());
    for (int i = 0; i < TRANSPORTS; i++) {
      addTransport(i);
    }
    chipset.fillCmos(this);
  }

  private static long address(int transport) {
    return MMIO_BASE + (long) transport * VirtioMmio.SIZE;
  }

  private static int gsi(int transport) {
    return FIRST_GSI + transport % GSIS;
  }

  private void addTransport(int number) {
    VirtioMmio transport = new VirtioMmio(number, address(number), chipset.gsi(gsi(number)));
    transport.map(machine().memory());
    transports.add(transport);
    DeviceManager devices = devices();
    DeviceNode node =
        devices.enterPart(VirtioMmio.TYPE, systemBus(), devices.values(VirtioMmio.TYPE), transport);
    node.setFirmwareName("virtio-mmio@%016x".formatted(address(number)));
    devices.provide(node, transport.bus());
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
        Optional.empty(),
        Optional.empty(),
        false,
        sleepStates(),
        transportTerms());
  }

  /** The transports that have a device. */
  private List<byte[]> transportTerms() {
    List<byte[]> terms = new ArrayList<>();
    for (int i = 0; i < transports.size(); i++) {
      if (!transports.get(i).bus().devices().isEmpty()) {
        terms.add(
            device(
                String.format(Locale.ROOT, "VR%02X", i),
                name("_HID", string("LNRO0005")),
                name("_UID", integer(i)),
                name("_CCA", integer(1)),
                name(
                    "_CRS",
                    resources(memory(address(i), VirtioMmio.SIZE), sharedInterrupts(gsi(i))))));
      }
    }
    return terms;
  }

  @Override
  public void setCmos(int index, int value) {
    chipset.rtc().setCmos(index, value);
  }
}
