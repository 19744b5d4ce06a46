/** Chipset, buses, consoles, back ends, machine types and boot; knows neither migration nor QMP. */
package dev.pollux.devices;
