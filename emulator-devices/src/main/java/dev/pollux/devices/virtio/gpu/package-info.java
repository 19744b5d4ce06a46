/** A graphics card by virtio (virtio 1.3, 5.7), in two dimensions. */
package dev.pollux.devices.virtio.gpu;
