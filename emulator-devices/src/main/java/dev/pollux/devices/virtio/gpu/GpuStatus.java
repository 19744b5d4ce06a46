package dev.pollux.devices.virtio.gpu;

/** What answers begin with (5.7.6.7). */
enum GpuStatus {
  OK(0x1100),
  DISPLAY_INFO(0x1101),
  EDID(0x1104),
  UNSPECIFIED(0x1200),
  OUT_OF_MEMORY(0x1201),
  INVALID_SCANOUT(0x1202),
  INVALID_RESOURCE(0x1203),
  INVALID_PARAMETER(0x1205);

  private final int number;

  GpuStatus(int number) {
    this.number = number;
  }

  int number() {
    return number;
  }
}
