package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.memory.RamBlock;

/** What a hierarchy of PCI buses is connected to. Machine lock held. */
public interface PciHost {
  AddressSpace memory();

  AddressSpace io();

  /** Enters a ROM of a device: where guests map it they may execute it. */
  void addRom(RamBlock rom);

  /** Takes a write to the interrupt controllers' window by a device. */
  void send(MsiMessage message);

  /**
   * One more driver of the wire of a slot on the root bus.
   *
   * @param pin 0 for INTA# to 3
   */
  IrqLine wire(int slot, int pin);
}
