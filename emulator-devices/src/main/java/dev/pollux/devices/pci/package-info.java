/**
 * PCI and PCI Express as software sees them (PCI Local Bus Specification 3.0, PCI-to-PCI Bridge
 * Architecture Specification 1.2, PCI Express Base Specification 4.0): configuration space, BARs,
 * interrupts, bridges, hosts.
 */
package dev.pollux.devices.pci;
