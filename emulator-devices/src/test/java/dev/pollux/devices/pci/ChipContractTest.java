package dev.pollux.devices.pci;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.acpi.AcpiPm;
import dev.pollux.devices.isa.IsaBus;
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
      return new Piix3(new IsaBus(machine, _ -> IrqLine.NONE));
    }
  }

  @Nested
  class PowerManagement extends Chip {
    @Override
    protected Device makeDevice() {
      return new Piix4Pm(new AcpiPm(machine, IrqLine.NONE), machine.io());
    }
  }

  @Nested
  class LpcBridge extends Chip {
    @Override
    protected Device makeDevice() {
      return new Ich9Lpc(
          new IsaBus(machine, _ -> IrqLine.NONE),
          _ -> IrqLine.NONE,
          new AcpiPm(machine, IrqLine.NONE));
    }
  }
}
