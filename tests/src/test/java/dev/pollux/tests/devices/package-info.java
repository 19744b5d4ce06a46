/** Devices with the drivers of Debian's kernels. */
package dev.pollux.tests.devices;
