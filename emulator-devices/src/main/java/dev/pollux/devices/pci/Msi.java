package dev.pollux.devices.pci;

import dev.pollux.core.irq.MsiMessage;
import java.util.function.Consumer;

/**
 * MSI: messages of which the capability holds the address and data, 64-bit and without masks (PCI
 * 3.0, 6.8.1). All state is in the configuration space. Machine lock held.
 */
public final class Msi {
  static final int CAPABILITY = 0x05;
  static final int CAPABILITY_SIZE = 14;

  private static final int ENABLE = 1;

  private final PciConfig config;
  private final int capability;
  private final Consumer<MsiMessage> bus;

  /**
   * @param vectorsLog2 the logarithm of the number of messages, 0 to 5
   */
  Msi(PciConfig config, int capability, int vectorsLog2, Consumer<MsiMessage> bus) {
    this.config = config;
    this.capability = capability;
    this.bus = bus;
    config.init(capability + 2, 2, 0x80 | vectorsLog2 << 1);
    config.allow(capability + 2, 2, ENABLE | 0x70);
    config.allow(capability + 4, 4, 0xffff_fffcL);
    config.allow(capability + 8, 4, 0xffff_ffffL);
    config.allow(capability + 12, 2, 0xffff);
  }

  /** Whether the guest uses MSI instead of wires. */
  public boolean isEnabled() {
    return (config.get(capability + 2, 2) & ENABLE) != 0;
  }

  /** Sends a message; the guest may have allowed fewer than there are. */
  public void notify(int vector) {
    if (!isEnabled()) {
      return;
    }
    int control = config.get(capability + 2, 2);
    int allowed = 1 << Math.min(control >> 4 & 7, control >> 1 & 7);
    int data = config.get(capability + 12, 2);
    if (allowed > 1) {
      data = data & -allowed | vector & allowed - 1;
    }
    long address =
        config.get(capability + 4, 4) & 0xffff_ffffL | (long) config.get(capability + 8, 4) << 32;
    bus.accept(new MsiMessage(address, data));
  }
}
