/** SCSI disks and disc drives, and what carries commands to them. */
package dev.pollux.devices.storage.scsi;
