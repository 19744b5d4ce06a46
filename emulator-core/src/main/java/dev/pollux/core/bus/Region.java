package dev.pollux.core.bus;

import dev.pollux.core.memory.RamBlock;
import java.util.Optional;

/** What a range of an address space leads to. Sizes and offsets in bytes. */
public sealed interface Region {
  String name();

  long size();

  /**
   * RAM or ROM; {@code offset} is where the region starts in the block.
   *
   * @param readOnly writes do not reach the memory
   * @param commands takes writes to read-only memory, at the same offsets; empty where they are
   *     ignored
   */
  record RamRegion(
      RamBlock block, long offset, long size, boolean readOnly, Optional<DeviceRegion> commands)
      implements Region {
    public RamRegion(RamBlock block, long offset, long size, boolean readOnly) {
      this(block, offset, size, readOnly, Optional.empty());
    }

    /** Memory that is written unless its block is ROM. */
    public RamRegion(RamBlock block, long offset, long size) {
      this(block, offset, size, block.readOnly());
    }

    public RamRegion {
      if (offset < 0 || size <= 0 || offset > block.size() - size) {
        throw new IllegalArgumentException(block + ": " + offset + "+" + size);
      }
    }

    @Override
    public String name() {
      return block.name();
    }
  }

  /**
   * Registers that do nothing but tell a device's own thread that there is work. Writes come
   * without the machine lock, on the vCPU's thread, and cost it no more than that; reads give 0.
   */
  record DoorbellRegion(String name, long size, Doorbell bell) implements Region {
    /** Takes writes to such registers. */
    @FunctionalInterface
    public interface Doorbell {
      /**
       * A register was written. Any thread, no lock held; returns at once.
       *
       * @param offset within the region
       * @param value zero-extended from {@code size} bytes
       */
      void ring(long offset, int size, long value);
    }
  }

  /**
   * Registers of a device. Accesses narrower than {@code minAccess} or wider than {@code maxAccess}
   * bytes are widened or split by the bus.
   */
  record DeviceRegion(String name, long size, int minAccess, int maxAccess, BusDevice device)
      implements Region {
    public DeviceRegion {
      if (size <= 0
          || Integer.bitCount(minAccess) != 1
          || Integer.bitCount(maxAccess) != 1
          || minAccess > maxAccess
          || maxAccess > 8) {
        throw new IllegalArgumentException(name);
      }
    }

    /** Registers that take any access of 1 to {@code maxAccess} bytes. */
    public DeviceRegion(String name, long size, int maxAccess, BusDevice device) {
      this(name, size, 1, maxAccess, device);
    }
  }
}
