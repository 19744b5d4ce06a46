package dev.pollux.devices.pci;

import dev.pollux.core.state.StateDescriptor;

/**
 * The upper side of a bridge to another bus: a header of type 1 with its windows (PCI-to-PCI Bridge
 * Architecture Specification 1.2, chapter 3). Machine lock held.
 */
public final class PciBridge {
  private static final int PRIMARY = 0x18;
  private static final int SECONDARY = 0x19;
  private static final int SUBORDINATE = 0x1a;
  private static final int IO_BASE = 0x1c;
  private static final int IO_LIMIT = 0x1d;
  private static final int SECONDARY_STATUS = 0x1e;
  private static final int MEMORY_BASE = 0x20;
  private static final int MEMORY_LIMIT = 0x22;
  private static final int PREFETCHABLE_BASE = 0x24;
  private static final int PREFETCHABLE_LIMIT = 0x26;
  private static final int BASE_UPPER = 0x28;
  private static final int LIMIT_UPPER = 0x2c;
  private static final int CONTROL = 0x3e;

  private static final int SECONDARY_RESET = 1 << 6;

  private final PciFunction pci;
  private PciBus secondary;
  private boolean inReset;

  /**
   * @param pci of which the header becomes one of a bridge
   */
  PciBridge(PciFunction pci) {
    this.pci = pci;
    pci.config()
        .init(PciConfig.HEADER_TYPE, 1, 1)
        .init(PciConfig.SUBSYSTEM_VENDOR, 4, 0)
        .allow(PRIMARY, 4, 0xffff_ffffL)
        .init(IO_BASE, 2, 0)
        .allow(IO_BASE, 2, 0xf0f0)
        .allowClear(SECONDARY_STATUS, 2, 0xf900)
        .allow(MEMORY_BASE, 4, 0xfff0_fff0L)
        .init(PREFETCHABLE_BASE, 4, 0x0001_0001)
        .allow(PREFETCHABLE_BASE, 4, 0xfff0_fff0L)
        .allow(BASE_UPPER, 4, 0xffff_ffffL)
        .allow(LIMIT_UPPER, 4, 0xffff_ffffL)
        .allow(CONTROL, 2, 0x0fff);
  }

  /** Connects the bus behind it. While the device is made. */
  void connect(PciBus bus) {
    secondary = bus;
  }

  PciFunction pci() {
    return pci;
  }

  PciBus secondary() {
    return secondary;
  }

  int secondaryBus() {
    return pci.config().get(SECONDARY, 1);
  }

  /** Whether a bus is behind it; before it is given a number none is. */
  boolean leadsTo(int busNumber) {
    return secondaryBus() > 0
        && busNumber >= secondaryBus()
        && busNumber <= pci.config().get(SUBORDINATE, 1);
  }

  /** The part of a range of ports that it passes down. */
  PciBar.Window passIo(PciBar.Window range) {
    PciConfig c = pci.config();
    if ((c.get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_IO) == 0) {
      return PciBar.Window.EMPTY;
    }
    long base = (c.get(IO_BASE, 1) & 0xf0L) << 8;
    long limit = (c.get(IO_LIMIT, 1) & 0xf0L) << 8 | 0xfff;
    return limit < base ? PciBar.Window.EMPTY : range.clip(new PciBar.Window(base, limit + 1));
  }

  /** The part of a range of memory that it passes down, through either of its windows. */
  PciBar.Window passMemory(PciBar.Window range) {
    PciConfig c = pci.config();
    if ((c.get(PciConfig.COMMAND, 2) & PciConfig.COMMAND_MEMORY) == 0) {
      return PciBar.Window.EMPTY;
    }
    PciBar.Window plain =
        range.clip(
            window(
                (c.get(MEMORY_BASE, 2) & 0xfff0L) << 16, (c.get(MEMORY_LIMIT, 2) & 0xfff0L) << 16));
    long upperBase = (c.get(BASE_UPPER, 4) & 0xffff_ffffL) << 32;
    long upperLimit = (c.get(LIMIT_UPPER, 4) & 0xffff_ffffL) << 32;
    PciBar.Window prefetchable =
        range.clip(
            window(
                upperBase | (c.get(PREFETCHABLE_BASE, 2) & 0xfff0L) << 16,
                upperLimit | (c.get(PREFETCHABLE_LIMIT, 2) & 0xfff0L) << 16));
    return prefetchable.size() > plain.size() ? prefetchable : plain;
  }

  private static PciBar.Window window(long base, long lastMegabyte) {
    return base < 0 || lastMegabyte < base || lastMegabyte > Long.MAX_VALUE - 0x10_0000
        ? PciBar.Window.EMPTY
        : new PciBar.Window(base, lastMegabyte + 0x10_0000);
  }

  /** The header was written or loaded: moves what is behind, and resets it where asked to. */
  void update() {
    secondary.updateMappings();
    boolean reset = (pci.config().get(CONTROL, 2) & SECONDARY_RESET) != 0;
    if (reset && !inReset) {
      secondary.devices().forEach(node -> node.device().reset());
    }
    inReset = reset;
  }

  /** The declaration of the state: all of it is the header's. */
  StateDescriptor<PciFunction> descriptor() {
    return pci.descriptor();
  }
}
