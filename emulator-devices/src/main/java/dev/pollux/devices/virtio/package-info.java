/**
 * Devices after the Virtual I/O Device specification, version 1.2: rings, the base of all devices,
 * and the devices. {@code .transport} puts them on PCI and MMIO. docs/device-model.md has the rules
 * of threads and locks.
 */
package dev.pollux.devices.virtio;
