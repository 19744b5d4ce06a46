package dev.pollux.devices.virtio.gpu;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * What drivers ask for (5.7.6.7, 5.7.6.10).
 *
 * @param bytes that follow the header at least
 */
record GpuRequest(int number, String name, int bytes, Handler handler) {
  static final List<GpuRequest> ALL =
      List.of(
          new GpuRequest(0x0100, "GET_DISPLAY_INFO", 0, VirtioGpu::displayInfo),
          new GpuRequest(0x0101, "RESOURCE_CREATE_2D", 16, VirtioGpu::create),
          new GpuRequest(0x0102, "RESOURCE_UNREF", 8, VirtioGpu::unref),
          new GpuRequest(0x0103, "SET_SCANOUT", 24, VirtioGpu::setScanout),
          new GpuRequest(0x0104, "RESOURCE_FLUSH", 24, VirtioGpu::flush),
          new GpuRequest(0x0105, "TRANSFER_TO_HOST_2D", 32, VirtioGpu::transfer),
          new GpuRequest(0x0106, "RESOURCE_ATTACH_BACKING", 8, VirtioGpu::attach),
          new GpuRequest(0x0107, "RESOURCE_DETACH_BACKING", 8, VirtioGpu::detach),
          new GpuRequest(0x010a, "GET_EDID", 8, VirtioGpu::edid),
          new GpuRequest(0x0300, "UPDATE_CURSOR", 32, VirtioGpu::updateCursor),
          new GpuRequest(0x0301, "MOVE_CURSOR", 32, VirtioGpu::moveCursor));

  /** Carries a request out. */
  @FunctionalInterface
  interface Handler {
    /**
     * @param request what follows the header
     * @param answer for what follows the answer's header
     */
    GpuStatus run(VirtioGpu gpu, ByteBuffer request, ByteBuffer answer);
  }

  static Optional<GpuRequest> of(int number) {
    return ALL.stream().filter(request -> request.number == number).findFirst();
  }

  GpuStatus run(VirtioGpu gpu, ByteBuffer request, ByteBuffer answer) {
    return request.remaining() < bytes
        ? GpuStatus.INVALID_PARAMETER
        : handler.run(gpu, request, answer);
  }
}
