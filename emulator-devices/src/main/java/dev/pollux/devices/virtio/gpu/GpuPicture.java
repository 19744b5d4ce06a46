package dev.pollux.devices.virtio.gpu;

import dev.pollux.core.host.RawMemory;
import dev.pollux.devices.display.Screen;
import java.util.Optional;

/** Makes a picture of what a scanout shows, its cursor on top. With the I/O thread's lock. */
final class GpuPicture {
  /** Of a picture. */
  static final int MOST_PIXELS = 1 << 24;

  /** Pixels of a cursor's side (5.7.6.10). */
  private static final int CURSOR = 64;

  private GpuPicture() {}

  /** Black where the driver shows nothing. */
  static Screen of(GpuScanout scanout, GpuResources resources) {
    Optional<GpuResource> shown = resources.find(scanout.resource);
    if (shown.isEmpty()) {
      return Screen.blank(640, 480);
    }
    GpuResource resource = shown.get();
    Screen screen = Screen.blank(scanout.width, scanout.height);
    int at = 0;
    for (int y = 0; y < scanout.height; y++) {
      long row =
          resources.pixels(resource)
              + (scanout.y + y) * (long) resource.rowBytes()
              + scanout.x * (long) GpuFormat.BYTES;
      for (int x = 0; x < scanout.width; x++) {
        screen.pixels()[at++] =
            resource.format().rgb(RawMemory.getInt(row + x * (long) GpuFormat.BYTES));
      }
    }
    resources.find(scanout.cursor).ifPresent(cursor -> lay(cursor, scanout, resources, screen));
    return screen;
  }

  /** Lays the cursor over the picture; its colors are multiplied by its alpha already. */
  private static void lay(
      GpuResource cursor, GpuScanout scanout, GpuResources resources, Screen screen) {
    int side = Math.min(CURSOR, Math.min(cursor.width(), cursor.height()));
    for (int y = 0; y < side; y++) {
      for (int x = 0; x < side; x++) {
        long toX = (long) scanout.cursorX + x;
        long toY = (long) scanout.cursorY + y;
        if (toX < 0 || toX >= screen.width() || toY < 0 || toY >= screen.height()) {
          continue;
        }
        int word = resources.pixel(cursor, x, y);
        int at = (int) (toY * screen.width() + toX);
        screen.pixels()[at] =
            over(cursor.format().rgb(word), cursor.format().alpha(word), screen.pixels()[at]);
      }
    }
  }

  private static int over(int color, int alpha, int below) {
    int result = 0;
    for (int shift = 0; shift < 24; shift += 8) {
      int value = (color >> shift & 0xff) + (below >> shift & 0xff) * (255 - alpha) / 255;
      result |= Math.min(value, 255) << shift;
    }
    return result;
  }
}
