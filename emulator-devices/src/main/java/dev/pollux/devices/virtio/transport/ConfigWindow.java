package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciFunction;

/**
 * A way to the registers through the configuration space (4.1.4.9), for firmware that has given the
 * BAR no address that it reaches. Machine lock held.
 *
 * <pre>
 *   4 which BAR   8 offset in it   12 bytes: 1, 2 or 4   16 what is read or written there
 * </pre>
 */
final class ConfigWindow {
  private static final int BAR = 4;
  private static final int OFFSET = 8;
  private static final int LENGTH = 12;
  private static final int DATA = 16;

  private final PciConfig config;
  private final int at;
  private final int bar;
  private final AddressSpace registers;

  /**
   * @param at where its capability of 20 bytes is
   * @param bar the BAR that the registers are in
   */
  private ConfigWindow(PciConfig config, int at, int bar, AddressSpace registers) {
    this.config = config;
    this.at = at;
    this.bar = bar;
    this.registers = registers;
  }

  /**
   * Makes the fields of a capability such a way.
   *
   * @param at where the capability of 20 bytes is
   * @param bar the BAR that the registers are in
   */
  static void add(PciFunction pci, int at, int bar, AddressSpace registers) {
    pci.config().allow(at + BAR, 1, 0xff);
    pci.config().allow(at + OFFSET, 4, -1);
    pci.config().allow(at + LENGTH, 4, -1);
    pci.config().allow(at + DATA, 4, -1);
    ConfigWindow window = new ConfigWindow(pci.config(), at, bar, registers);
    pci.setWindow(at + DATA, window::fetch, window::store);
  }

  private long offset() {
    return config.get(at + OFFSET, 4) & 0xffff_ffffL;
  }

  /** Bytes of an access; 0 for one that is not allowed. */
  private int length() {
    int length = config.get(at + LENGTH, 4);
    boolean allowed =
        config.get(at + BAR, 1) == bar
            && (length == 1 || length == 2 || length == 4)
            && offset() % length == 0;
    return allowed ? length : 0;
  }

  private void fetch() {
    int length = length();
    if (length != 0) {
      config.set(at + DATA, length, registers.read(offset(), length));
    }
  }

  private void store() {
    int length = length();
    if (length != 0) {
      registers.write(offset(), length, config.get(at + DATA, length) & 0xffff_ffffL);
    }
  }
}
