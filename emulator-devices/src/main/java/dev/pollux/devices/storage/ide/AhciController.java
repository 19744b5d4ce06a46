package dev.pollux.devices.storage.ide;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.pci.Msi;
import dev.pollux.devices.pci.PciBar;
import dev.pollux.devices.pci.PciBus;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFunction;
import dev.pollux.devices.pci.PciIdentity;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The SATA adapter of the ICH9 (data sheet, chapter 15; AHCI 1.3.1): six ports with a drive each.
 * Machine lock held.
 *
 * <pre>
 *   memory   00 capabilities  04 control  08 interrupts by port  0c ports there are  10 version
 *            100 ports of 80 bytes each
 *   ports    10 index, 14 data: the same registers
 * </pre>
 */
public final class AhciController implements PciDevice, AhciPort.Adapter {
  public static final DeviceType<PciBus> TYPE =
      DeviceType.on(PciBus.KIND, "ich9-ahci", AhciController::create)
          .alias("ahci")
          .category(DeviceCategory.STORAGE)
          .description("SATA adapter with six ports")
          .coldPlugOnly();

  /** Where the chipset of {@code q35} has it. */
  public static final int FUNCTION = 2;

  private static final int PORTS = 6;
  private static final int REGISTERS = 0x1000;
  private static final int PORTS_AT = 0x100;

  // Capabilities: 64-bit addresses, queued commands, 1.5 Gbit/s, AHCI only, 32 slots.
  private static final int CAPABILITIES =
      1 << 31 | 1 << 30 | 1 << 20 | 1 << 18 | AhciQueue.DEPTH - 1 << 8 | PORTS - 1;
  private static final int VERSION = 0x1_0000;

  // Of the control register.
  private static final int RESET = 1;
  private static final int INTERRUPTS_ENABLED = 2;
  private static final int IS_AHCI = 1 << 31;

  private static final int INDEX = 0x10;
  private static final int DATA = 0x14;
  private static final int INDEX_PORTS = 32;
  private static final int SATA_CAPABILITY = 0x12;
  private static final int ADDRESS_MAP = 0x90;

  private final StateDescriptor<AhciController> declaration;
  private final PciFunction pci =
      new PciFunction("ich9-ahci", new PciIdentity(0x8086, 0x2922, 0x01_0601, 2));
  private final Msi msi;
  private final List<AhciPort> ports;
  private boolean interruptsEnabled;
  private int interrupts;
  private int index;

  /**
   * @param busNames names the ports' buses
   */
  public AhciController(Machine machine, IntFunction<String> busNames) {
    GuestMemory memory = new GuestMemory(machine.memory());
    ports =
        IntStream.range(0, PORTS)
            .mapToObj(n -> new AhciPort(busNames.apply(n), machine, memory, this))
            .toList();
    pci.config().init(ADDRESS_MAP, 1, 1 << 6); // AHCI, not IDE
    pci.setInterruptPin(1);
    msi = pci.addMsi(0);
    int sata = pci.addCapability(SATA_CAPABILITY, 8);
    pci.config().init(sata + 2, 2, 0x10).init(sata + 4, 4, 4 + 4 | INDEX / 4 << 4);
    pci.addBar(4, PciBar.Kind.IO, indexPorts());
    pci.addBar(5, PciBar.Kind.MEMORY, registers());
    pci.onConfigWrite(
        () -> {
          if (machine.runState().is(RunState.RUNNING)) {
            ports.forEach(AhciPort::run); // they may have waited for access to memory
          }
        });
    declaration =
        StateDescriptor.of(AhciController.class, "ich9-ahci", 1)
            .struct("pci", pci.descriptor(), d -> d.pci)
            .bool("interrupts-enabled", d -> d.interruptsEnabled, (d, v) -> d.interruptsEnabled = v)
            .u32("interrupts", d -> d.interrupts, (d, v) -> d.interrupts = v & (1 << PORTS) - 1)
            .u16("index", d -> d.index, (d, v) -> d.index = v & REGISTERS - 4)
            .structs("ports", PORTS, AhciPort.STATE, d -> d.ports);
  }

  private static Device create(PciBus bus, DeviceContext context) {
    String name = context.node().id().orElseGet(() -> context.busName("ahci", 0));
    AhciController device = new AhciController(context.machine(), n -> name + "." + n);
    device.buses().forEach(context::addBus);
    return device;
  }

  /** The ports' buses. */
  public List<IdeBus> buses() {
    return ports.stream().map(AhciPort::bus).toList();
  }

  // ---- registers ----

  Region registers() {
    return new Region.DeviceRegion(
        "ahci",
        REGISTERS,
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return readRegister((int) offset) & 0xffff_ffffL;
          }

          @Override
          public void write(long offset, int size, long value) {
            writeRegister((int) offset, (int) value);
          }
        });
  }

  Region indexPorts() {
    return new Region.DeviceRegion(
        "ahci-idp",
        INDEX_PORTS,
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return switch ((int) offset) {
              case INDEX -> index;
              case DATA -> readRegister(index) & 0xffff_ffffL;
              default -> 0;
            };
          }

          @Override
          public void write(long offset, int size, long value) {
            if (offset == INDEX) {
              index = (int) value & REGISTERS - 4;
            } else if (offset == DATA) {
              writeRegister(index, (int) value);
            }
          }
        });
  }

  private AhciPort port(int offset) {
    int number = (offset - PORTS_AT) / AhciPort.SIZE;
    return offset >= PORTS_AT && number < PORTS ? ports.get(number) : null;
  }

  private int readRegister(int offset) {
    AhciPort port = port(offset);
    if (port != null) {
      return port.read(offset % AhciPort.SIZE);
    }
    return switch (offset) {
      case 0x00 -> CAPABILITIES;
      case 0x04 -> IS_AHCI | (interruptsEnabled ? INTERRUPTS_ENABLED : 0);
      case 0x08 -> interrupts;
      case 0x0c -> (1 << PORTS) - 1;
      case 0x10 -> VERSION;
      default -> 0;
    };
  }

  private void writeRegister(int offset, int value) {
    AhciPort port = port(offset);
    if (port != null) {
      port.write(offset % AhciPort.SIZE, value);
      return;
    }
    switch (offset) {
      case 0x04 -> {
        if ((value & RESET) != 0) {
          resetAdapter();
        } else {
          interruptsEnabled = (value & INTERRUPTS_ENABLED) != 0;
          interruptsChanged();
        }
      }
      case 0x08 -> {
        interrupts &= ~value;
        interruptsChanged();
      }
      default -> {}
    }
  }

  private void resetAdapter() {
    interruptsEnabled = false;
    ports.forEach(AhciPort::reset);
    interrupts = 0;
    interruptsChanged();
  }

  // ---- for ports ----

  @Override
  public boolean isMaster() {
    return pci.isMaster();
  }

  @Override
  public void interruptsChanged() {
    for (int i = 0; i < PORTS; i++) {
      interrupts |= ports.get(i).isInterrupting() ? 1 << i : 0;
    }
    boolean up = interruptsEnabled && interrupts != 0;
    pci.setInterrupt(up);
    if (up) {
      msi.notify(0);
    }
  }

  // ---- device ----

  @Override
  public PciFunction pci() {
    return pci;
  }

  @Override
  public String sectionName() {
    return "ich9_ahci";
  }

  @Override
  public void reset() {
    pci.reset();
    index = 0;
    ports.forEach(AhciPort::forgetAddresses);
    resetAdapter();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(declaration, this);
  }
}
