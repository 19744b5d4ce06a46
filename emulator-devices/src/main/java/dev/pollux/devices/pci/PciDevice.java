package dev.pollux.devices.pci;

import dev.pollux.core.machine.Device;

/** A device that is one function of a PCI bus. Everything with the machine lock held. */
public interface PciDevice extends Device {
  /** Its configuration space, BARs and interrupts; saved as a part of its state. */
  PciFunction pci();

  /** The last part of its name in saved state, for instance {@code edu}. */
  String sectionName();

  /** The name in saved state: its place, so that it does not depend on who came first. */
  @Override
  default String id() {
    return pci().path() + "/" + sectionName();
  }

  /** Whether it may go while the machine runs. */
  default boolean isRemovable() {
    return true;
  }
}
