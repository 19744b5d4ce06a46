/**
 * QMP monitors on character devices.
 *
 * <p>One thread, the monitor's, reads for all monitors, runs out-of-band commands and sends delayed
 * events; it never takes the machine lock, so a stuck machine does not delay it. All other commands
 * run on the machine's event loop.
 */
package dev.pollux.qmp.server;
