/** The {@code pollux} command: options in QEMU's spelling, and the machine built from them. */
package dev.pollux.cli;
