package dev.pollux.devices.pci;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * MSI-X: a table of messages in a BAR, each of which can be masked (PCI 3.0, 6.8.2). Machine lock
 * held.
 */
public final class Msix {
  /** Bytes of the capability. */
  static final int CAPABILITY_SIZE = 12;

  static final int CAPABILITY = 0x11;

  private static final int ENTRY = 16;
  private static final int VECTOR_CONTROL = 12;
  private static final int MASKED = 1;
  private static final int ENABLE = 0x8000;
  private static final int MASK_ALL = 0x4000;

  private final byte[] table;

  /** Bit <i>n</i> of byte <i>n / 8</i>: vector <i>n</i> waits for being unmasked. */
  private final byte[] pending;

  @HostOnly("number of vectors; fixed by the device")
  private final int vectors;

  @HostOnly("where the capability is; fixed by the device")
  private final int capability;

  @HostOnly("wiring")
  private final PciConfig config;

  @HostOnly("wiring")
  private final Consumer<MsiMessage> bus;

  /** Whether the function was enabled and unmasked when last looked at. */
  @HostOnly("derived from the capability")
  private boolean active;

  Msix(PciConfig config, int capability, int vectors, Consumer<MsiMessage> bus) {
    this.config = config;
    this.capability = capability;
    this.vectors = vectors;
    this.bus = bus;
    table = new byte[vectors * ENTRY];
    pending = new byte[pbaSize(vectors)];
    config.init(capability + 2, 2, vectors - 1);
    config.allow(capability + 2, 2, ENABLE | MASK_ALL);
    reset();
  }

  static int tableSize(int vectors) {
    return vectors * ENTRY;
  }

  /** The pending bits fill whole quad words. */
  static int pbaSize(int vectors) {
    return (vectors + 63) / 64 * 8;
  }

  StateDescriptor<Msix> descriptor() {
    return StateDescriptor.of(Msix.class, "msix", 1)
        .bytes("table", table.length, m -> m.table)
        .bytes("pending", pending.length, m -> m.pending)
        .afterLoad(m -> m.active = m.isActive());
  }

  void reset() {
    Arrays.fill(table, (byte) 0);
    Arrays.fill(pending, (byte) 0);
    for (int i = 0; i < vectors; i++) {
      table[i * ENTRY + VECTOR_CONTROL] = MASKED;
    }
    active = false;
  }

  public int vectors() {
    return vectors;
  }

  private int control() {
    return config.get(capability + 2, 2);
  }

  /** Whether the guest uses MSI-X instead of wires. */
  public boolean isEnabled() {
    return (control() & ENABLE) != 0;
  }

  private boolean isActive() {
    return (control() & (ENABLE | MASK_ALL)) == ENABLE;
  }

  private boolean isMasked(int vector) {
    return (table[vector * ENTRY + VECTOR_CONTROL] & MASKED) != 0;
  }

  /** Sends a vector's message, or remembers it while it is masked; others are ignored. */
  public void notify(int vector) {
    if (vector < 0 || vector >= vectors || !isEnabled()) {
      return;
    }
    if (!active || isMasked(vector)) {
      pending[vector >> 3] |= (byte) (1 << (vector & 7));
      return;
    }
    long address = entry(vector, 0) & 0xffff_ffffL | (long) entry(vector, 4) << 32;
    bus.accept(new MsiMessage(address, entry(vector, 8)));
  }

  private int entry(int vector, int offset) {
    int value = 0;
    for (int i = 3; i >= 0; i--) {
      value = value << 8 | table[vector * ENTRY + offset + i] & 0xff;
    }
    return value;
  }

  /** The capability was written: sends what has become unmasked. */
  void configWritten() {
    boolean was = active;
    active = isActive();
    if (active && !was) {
      for (int i = 0; i < vectors; i++) {
        sendPending(i);
      }
    }
  }

  private void sendPending(int vector) {
    int bit = 1 << (vector & 7);
    if (active && !isMasked(vector) && (pending[vector >> 3] & bit) != 0) {
      pending[vector >> 3] &= (byte) ~bit;
      notify(vector);
    }
  }

  Region table() {
    return new Region.DeviceRegion("msix-table", table.length, 4, 4, new Table());
  }

  Region pendingBits() {
    return new Region.DeviceRegion("msix-pba", pending.length, 4, 8, new PendingBits());
  }

  private final class Table implements BusDevice {
    @Override
    public long read(long offset, int size) {
      return entry((int) offset / ENTRY, (int) offset % ENTRY);
    }

    @Override
    public void write(long offset, int size, long value) {
      for (int i = 0; i < size; i++) {
        table[(int) offset + i] = (byte) (value >>> i * 8);
      }
      sendPending((int) offset / ENTRY);
    }
  }

  private final class PendingBits implements BusDevice {
    @Override
    public long read(long offset, int size) {
      long value = 0;
      for (int i = 0; i < size; i++) {
        value |= (pending[(int) offset + i] & 0xffL) << i * 8;
      }
      return value;
    }

    @Override
    public void write(long offset, int size, long value) {}
  }
}
