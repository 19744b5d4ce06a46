package dev.pollux.devices.virtio.gpu;

import java.util.Optional;

/**
 * A picture that the host keeps for the driver.
 *
 * @param page where its pixels begin in the device's memory, row by row
 * @param backing where the driver has it, if it has said so
 */
record GpuResource(
    int id, GpuFormat format, int width, int height, int page, Optional<GpuBacking> backing) {
  GpuResource with(Optional<GpuBacking> other) {
    return new GpuResource(id, format, width, height, page, other);
  }

  int rowBytes() {
    return width * GpuFormat.BYTES;
  }

  long bytes() {
    return (long) rowBytes() * height;
  }
}
