/** What carries virtio devices: PCI (Virtual I/O Device 1.2, 4.1) and MMIO (4.2). */
package dev.pollux.devices.virtio.transport;
