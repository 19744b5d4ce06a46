package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.state.StateDescriptor;

/**
 * A screen: what the user wants of it, which part of which resource it shows, and its cursor.
 * Guarded by the I/O thread's lock; sizes in pixels.
 */
final class GpuScanout {
  static final StateDescriptor<GpuScanout> STATE =
      StateDescriptor.of(GpuScanout.class, "virtio-gpu-scanout", 1)
          .u32("wanted-width", s -> s.wantedWidth, (s, v) -> s.wantedWidth = v)
          .u32("wanted-height", s -> s.wantedHeight, (s, v) -> s.wantedHeight = v)
          .u32("resource", s -> s.resource, (s, v) -> s.resource = v)
          .u32("x", s -> s.x, (s, v) -> s.x = v)
          .u32("y", s -> s.y, (s, v) -> s.y = v)
          .u32("width", s -> s.width, (s, v) -> s.width = v)
          .u32("height", s -> s.height, (s, v) -> s.height = v)
          .u32("cursor", s -> s.cursor, (s, v) -> s.cursor = v)
          .u32("cursor-x", s -> s.cursorX, (s, v) -> s.cursorX = v)
          .u32("cursor-y", s -> s.cursorY, (s, v) -> s.cursorY = v)
          .u32("hot-x", s -> s.hotX, (s, v) -> s.hotX = v)
          .u32("hot-y", s -> s.hotY, (s, v) -> s.hotY = v);

  int wantedWidth;
  int wantedHeight;

  /** Its number; 0 where nothing is shown. */
  int resource;

  int x;
  int y;
  int width;
  int height;

  /** The resource with its picture; 0 for none. */
  int cursor;

  int cursorX;
  int cursorY;
  int hotX;
  int hotY;

  void reset(int newWidth, int newHeight) {
    wantedWidth = newWidth;
    wantedHeight = newHeight;
    cursor = 0;
    cursorX = 0;
    cursorY = 0;
    hotX = 0;
    hotY = 0;
    showNothing();
  }

  void showNothing() {
    resource = 0;
    x = 0;
    y = 0;
    width = 0;
    height = 0;
  }

  void show(int id, GpuArea area) {
    resource = id;
    x = (int) area.x();
    y = (int) area.y();
    width = (int) area.width();
    height = (int) area.height();
  }

  void moveCursor(int toX, int toY) {
    cursorX = toX;
    cursorY = toY;
  }

  GpuArea area() {
    return new GpuArea(x, y, width, height);
  }
}
