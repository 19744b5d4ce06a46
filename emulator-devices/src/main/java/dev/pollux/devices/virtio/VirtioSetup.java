package dev.pollux.devices.virtio;

import dev.pollux.core.machine.IoThread;
import dev.pollux.core.machine.Machine;

/**
 * What every virtio device is made from.
 *
 * @param io works on the queues
 * @param features bits of the rings that are offered, of {@link VirtioFeature}
 */
public record VirtioSetup(Machine machine, IoThread io, long features) {}
