package dev.pollux.devices.pci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;

/**
 * Configuration mechanism 1 of a host bridge: an address port and a data port (PCI 3.0, 3.2.2.3).
 *
 * <pre>
 *   31      30..24  23..16  15..11  10..8     7..2
 *   enable  -       bus     slot    function  register
 * </pre>
 */
public final class ConfigPorts implements Device {
  public static final DeviceType<SystemBus> I440FX =
      DeviceType.part(SystemBus.KIND, "i440FX-pcihost").category(DeviceCategory.BRIDGE);

  public static final DeviceType<SystemBus> Q35 =
      DeviceType.part(SystemBus.KIND, "q35-pcihost").category(DeviceCategory.BRIDGE);

  public static final int ADDRESS_PORT = 0xcf8;

  /** How firmware calls what is behind the ports. */
  public static final String FIRMWARE_NAME = "pci@i0cf8";

  public static final int DATA_PORT = 0xcfc;

  private static final StateDescriptor<ConfigPorts> STATE =
      StateDescriptor.of(ConfigPorts.class, "pci-host", 1)
          .u32("address", p -> p.address, (p, v) -> p.address = v & ~3);

  private final PciBus root;
  private int address;

  public ConfigPorts(PciBus root) {
    this.root = root;
  }

  /** Takes only whole double words; the rest of what is written there is for others. */
  public Region addressPort() {
    return new Region.DeviceRegion(
        "pci-conf-idx",
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return (address & 0xffff_ffffL) >>> offset * 8;
          }

          @Override
          public void write(long offset, int size, long value) {
            if (size == 4) {
              address = (int) value & ~3;
            }
          }
        });
  }

  public Region dataPort() {
    return new Region.DeviceRegion(
        "pci-conf-data",
        4,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            if (address >= 0) {
              return 0xffff_ffffL;
            }
            return root.readConfig(busNumber(), devfn(), register(offset), size);
          }

          @Override
          public void write(long offset, int size, long value) {
            if (address < 0) {
              root.writeConfig(busNumber(), devfn(), register(offset), size, (int) value);
            }
          }
        });
  }

  private int busNumber() {
    return address >> 16 & 0xff;
  }

  private int devfn() {
    return address >> 8 & 0xff;
  }

  private int register(long offset) {
    return address & 0xfc | (int) offset;
  }

  @Override
  public String id() {
    return "PCIHOST";
  }

  @Override
  public void reset() {
    address = 0;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
