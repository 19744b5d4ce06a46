package dev.pollux.devices.pci;

/**
 * Who a function is (PCI 3.0, 6.2.1).
 *
 * @param classCode base class, subclass and programming interface: 24 bits
 */
public record PciIdentity(
    int vendor, int device, int classCode, int revision, int subsystemVendor, int subsystem) {
  private static final int QUMRANET = 0x1af4;
  private static final int QEMU_SUBSYSTEM = 0x1100;

  /** With the subsystem ids that QEMU gives to everything that has none of its own. */
  public PciIdentity(int vendor, int device, int classCode, int revision) {
    this(vendor, device, classCode, revision, QUMRANET, QEMU_SUBSYSTEM);
  }
}
