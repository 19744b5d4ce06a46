package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A driver of a modern device on PCI, with one queue in guest memory. */
final class VirtioDriver {
  static final long BAR = 0xc000_0000L;
  static final long DESCRIPTORS = 0x1000;
  static final long DRIVER_AREA = 0x3000;
  static final long DEVICE_AREA = 0x5000;
  static final long BUFFERS = 0x10_0000;

  private final AddressSpace memory;
  private final int size;
  int nextAvailable;

  VirtioDriver(PciFixture pci, PciFunction function, int size) {
    this.memory = pci.machine.memory();
    this.size = size;
    pci.machine.lock().lock();
    try {
      function.write(PciConfig.BAR0 + 16, 4, (int) BAR);
      function.write(PciConfig.COMMAND, 2, 7);
    } finally {
      pci.machine.lock().unlock();
    }
  }

  void write(long offset, int bytes, long value) {
    memory.write(BAR + offset, bytes, value);
  }

  long read(long offset, int bytes) {
    return memory.read(BAR + offset, bytes);
  }

  int status() {
    return (int) read(0x14, 1);
  }

  /** Resets the device and starts it with these features and queue 0. */
  void start(long features) {
    write(0x14, 1, 0);
    assertEquals(0, status());
    nextAvailable = 0;
    memory.write(DESCRIPTORS, new byte[0x8000], 0, 0x8000);
    write(0x14, 1, 3);
    for (int half = 0; half < 2; half++) {
      write(0x08, 4, half);
      write(0x0c, 4, features >>> half * 32);
    }
    write(0x14, 1, 0xb);
    assertEquals(0xb, status(), "features accepted");
    write(0x16, 2, 0);
    write(0x18, 2, size);
    area(0x20, DESCRIPTORS);
    area(0x28, DRIVER_AREA);
    area(0x30, DEVICE_AREA);
    write(0x1c, 2, 1);
    write(0x14, 1, 0xf);
  }

  private void area(long register, long address) {
    write(register, 4, address);
    write(register + 4, 4, address >>> 32);
  }

  void kick() {
    write(0x3000, 2, 0);
  }

  // ---- split rings ----

  void descriptor(int index, long address, int length, int flags, int next) {
    long at = DESCRIPTORS + 16L * index;
    memory.write(at, 8, address);
    memory.write(at + 8, 4, length);
    memory.write(at + 12, 2, flags);
    memory.write(at + 14, 2, next);
  }

  /** Makes a chain available. */
  void offer(int head) {
    memory.write(DRIVER_AREA + 4 + 2L * (nextAvailable % size), 2, head);
    nextAvailable = nextAvailable + 1 & 0xffff;
    memory.write(DRIVER_AREA + 2, 2, nextAvailable);
  }

  int usedIndex() {
    return (int) memory.read(DEVICE_AREA + 2, 2);
  }

  void awaitUsed(int index) {
    await(() -> usedIndex() == index, "used index " + index);
  }

  // ---- packed rings ----

  void packed(int index, long address, int length, int id, int flags) {
    long at = DESCRIPTORS + 16L * index;
    memory.write(at, 8, address);
    memory.write(at + 8, 4, length);
    memory.write(at + 12, 2, id);
    memory.write(at + 14, 2, flags);
  }

  int packedFlags(int index) {
    return (int) memory.read(DESCRIPTORS + 16L * index + 14, 2);
  }

  void await(BooleanSupplier condition, String what) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, () -> "waited in vain for " + what);
      Thread.onSpinWait();
    }
  }
}
