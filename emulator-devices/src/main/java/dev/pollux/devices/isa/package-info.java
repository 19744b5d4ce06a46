/** Devices of the ISA bus. */
package dev.pollux.devices.isa;
