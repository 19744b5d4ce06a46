package dev.pollux.devices.board;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.irqchip.ApicBus;
import dev.pollux.devices.pci.PciHost;

/**
 * Connects PCI to a board.
 *
 * @param wires where the wires of slots lead
 */
record PciWiring(Machine machine, ApicBus apics, Wires wires) implements PciHost {
  /** Finds wires. */
  @FunctionalInterface
  interface Wires {
    /** One more driver of the wire of a slot's pin, 0 for INTA#. */
    IrqLine wire(int slot, int pin);
  }

  @Override
  public AddressSpace memory() {
    return machine.memory();
  }

  @Override
  public AddressSpace io() {
    return machine.io();
  }

  @Override
  public void addRom(RamBlock rom) {
    machine.addRom(rom);
  }

  @Override
  public void send(MsiMessage message) {
    apics.send(message);
  }

  @Override
  public IrqLine wire(int slot, int pin) {
    return wires.wire(slot, pin);
  }
}
