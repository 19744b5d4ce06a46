package dev.pollux.devices.pci;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.isa.IsaBus;
import dev.pollux.devices.model.DeviceManager;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Nested;

/** The contract of devices for the parts of PCI chip sets. */
class ChipContractTest {
  /** A function whose configuration space is written by the guest. */
  abstract static class Chip extends DeviceContractTest {
    @Override
    protected List<Region> regions(Device device) {
      return List.of();
    }

    @Override
    protected void disturb(Device device, Random random) {
      PciFunction pci = ((PciDevice) device).pci();
      int size = 1 << random.nextInt(3);
      pci.write(random.nextInt(256 / size) * size, size, random.nextInt());
    }
  }

  @Nested
  class Host extends Chip {
    @Override
    protected Device makeDevice() {
      return new I440Fx(Optional.empty());
    }
  }

  @Nested
  class IsaBridge extends Chip {
    @Override
    protected Device makeDevice() {
      return new Piix3(new IsaBus(machine, _ -> IrqLine.none()));
    }
  }

  @Nested
  class PowerManagement extends Chip {
    @Override
    protected Device makeDevice() {
      return new Piix4Pm(new AcpiPm(machine, IrqLine.none()), machine.io());
    }
  }

  @Nested
  class LpcBridge extends Chip {
    @Override
    protected Device makeDevice() {
      return new Ich9Lpc(
          new IsaBus(machine, _ -> IrqLine.none()),
          _ -> IrqLine.none(),
          new AcpiPm(machine, IrqLine.none()));
    }
  }

  @Nested
  class MemoryController extends Chip {
    @Override
    protected Device makeDevice() {
      return new Mch(
          PciBus.root("pcie.0", new NoWires(machine)), machine.memory(), Optional.empty());
    }
  }

  /** One that users plug in. */
  abstract static class Plugged extends Chip {
    private final String text;

    Plugged(String text) {
      this.text = text;
    }

    @Override
    protected Device makeDevice() {
      DeviceManager devices =
          Devices.manager(
              machine,
              new CharDevices(machine.loop()::post, () -> {}),
              new BlockGraph(new BlockListener() {}));
      devices.addBus(PciBus.root("pci.0", new NoWires(machine)));
      return devices.add(DeviceOptions.parse("-device", text, "driver"), false).device();
    }
  }

  @Nested
  class Port extends Plugged {
    Port() {
      super("pcie-root-port,id=port");
    }
  }

  @Nested
  class Bridge extends Plugged {
    Bridge() {
      super("pci-bridge,id=bridge,chassis_nr=1");
    }
  }

  /** Wires that lead nowhere. */
  private record NoWires(Machine machine) implements PciHost {
    @Override
    public AddressSpace memory() {
      return machine.memory();
    }

    @Override
    public AddressSpace io() {
      return machine.io();
    }

    @Override
    public void addRom(RamBlock rom) {
      machine.addRom(rom);
    }

    @Override
    public void send(MsiMessage message) {}

    @Override
    public IrqLine wire(int slot, int pin) {
      return IrqLine.none();
    }
  }
}
