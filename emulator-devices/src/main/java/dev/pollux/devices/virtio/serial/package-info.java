/** virtio-serial: consoles and channels of a guest, each the front end of a character device. */
package dev.pollux.devices.virtio.serial;
