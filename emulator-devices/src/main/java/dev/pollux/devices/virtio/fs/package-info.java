/** virtio-fs: a folder of the host that the guest mounts, served by this process. */
package dev.pollux.devices.virtio.fs;
