/**
 * The human monitor: commands for people, with the names, arguments and output of QEMU's. {@link
 * dev.pollux.qmp.hmp.HumanMonitor} takes a line and gives text; {@link
 * dev.pollux.qmp.hmp.MonitorConsole} puts it on a character back end.
 */
package dev.pollux.qmp.hmp;
