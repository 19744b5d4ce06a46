package dev.pollux.core.bus;

/**
 * A device's registers on a range of memory or ports. Called with the machine lock held. Offsets
 * are relative to the range and inside it; sizes are 1, 2, 4 or 8 bytes, within what the {@link
 * Region.DeviceRegion} declares. The guest chooses offset and value: no combination may throw.
 */
public interface BusDevice {
  /** Returns the value in the low {@code size} bytes; the rest is ignored. */
  long read(long offset, int size);

  /** The value is zero-extended from {@code size} bytes. */
  void write(long offset, int size, long value);
}
