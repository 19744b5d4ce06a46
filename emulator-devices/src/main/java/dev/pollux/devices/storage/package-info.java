/** Controllers and disks, and what all disks have in common. */
package dev.pollux.devices.storage;
