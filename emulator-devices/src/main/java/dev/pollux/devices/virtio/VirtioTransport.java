package dev.pollux.devices.virtio;

/** What carries a virtio device: PCI or MMIO. Machine lock held. */
public interface VirtioTransport {
  /** Interrupts the driver: something was pushed to a queue. */
  void notifyQueue(int queue);

  /** Interrupts the driver: the configuration or the status has changed. */
  void notifyConfig();

  /** Where the device is, as names in saved state begin. */
  String path();
}
