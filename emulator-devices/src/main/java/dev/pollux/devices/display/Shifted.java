package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;

/** Registers at ports, seen in memory too. */
final class Shifted {
  private Shifted() {}

  /** The registers from an offset on. */
  static BusDevice by(BusDevice registers, int offset) {
    return new BusDevice() {
      @Override
      public long read(long at, int size) {
        return registers.read(at + offset, size);
      }

      @Override
      public void write(long at, int size, long value) {
        registers.write(at + offset, size, value);
      }
    };
  }

  /** The registers of the Bochs interface one after the other, without an index. */
  record Indexed(BochsVbe vbe) implements BusDevice {
    @Override
    public long read(long at, int size) {
      return vbe.value((int) at / 2);
    }

    @Override
    public void write(long at, int size, long value) {
      vbe.set((int) at / 2, (int) value & 0xffff);
    }
  }
}
