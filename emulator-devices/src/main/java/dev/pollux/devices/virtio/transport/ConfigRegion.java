package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.devices.virtio.VirtioDevice;

/** Registers that several transports have. */
final class ConfigRegion {
  /** Reads a register. */
  @FunctionalInterface
  interface Reader {
    long read(int offset, int size);
  }

  private ConfigRegion() {}

  /** The configuration of a device. */
  static Region of(VirtioDevice device, long size) {
    return new Region.DeviceRegion("virtio-config", size, 4, access(device, 0));
  }

  /**
   * Access to the configuration of a device.
   *
   * @param start offset at which it begins
   */
  static BusDevice access(VirtioDevice device, int start) {
    return new BusDevice() {
      @Override
      public long read(long offset, int size) {
        return device.readConfig((int) offset - start, size);
      }

      @Override
      public void write(long offset, int size, long value) {
        device.writeConfig((int) offset - start, size, value);
      }
    };
  }

  /** Registers that are only read. */
  static Region bytes(String name, long size, Reader reader) {
    return new Region.DeviceRegion(
        name,
        size,
        4,
        new BusDevice() {
          @Override
          public long read(long offset, int accessSize) {
            return reader.read((int) offset, accessSize);
          }

          @Override
          public void write(long offset, int accessSize, long value) {}
        });
  }
}
