/**
 * Intel's 82540EM, the network card that most operating systems know by themselves. "Manual" is
 * Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (317453).
 */
package dev.pollux.devices.e1000;
