/** virtio-scsi: a controller of SCSI disks. */
package dev.pollux.devices.virtio.scsi;
