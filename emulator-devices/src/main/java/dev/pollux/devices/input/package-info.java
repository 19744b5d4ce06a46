/** Keyboards and pointers of a machine, and which of them hears the user. */
package dev.pollux.devices.input;
