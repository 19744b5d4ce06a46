package dev.pollux.devices.board;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;

/**
 * A picture in the guest's own memory: firmware writes to a file of the firmware configuration
 * device where it is (QEMU, {@code hw/display/ramfb.c}, of whose file the layout is public).
 * Machine lock held.
 *
 * <pre>
 *   etc/ramfb, big-endian:  0 address (8)   8 format   12 flags   16 width   20 height   24 stride
 * </pre>
 */
public final class RamFramebuffer implements Device, Display {
  static final String FILE = "etc/ramfb";
  static final int FILE_BYTES = 28;

  public static final DeviceType<SystemBus> TYPE =
      DeviceType.on(SystemBus.KIND, "ramfb", RamFramebuffer::create)
          .category(DeviceCategory.DISPLAY)
          .description("a picture in the guest's own memory, of which firmware tells")
          .coldPlugOnly();

  private static final StateDescriptor<RamFramebuffer> STATE =
      StateDescriptor.of(RamFramebuffer.class, "ramfb", 1).bytes("file", FILE_BYTES, d -> d.file);

  /** Red, green and blue in 32 bits, with and without alpha, by their four letters. */
  private static final int XR24 = 0x3432_5258;

  private static final int AR24 = 0x3432_5241;
  private static final int PIXEL_BYTES = 4;
  private static final int MOST_SIDE = 16_384;
  private static final int MOST_PIXELS = 1 << 24;

  private final GuestMemory memory;

  /** What the guest has written; it says what is shown. */
  private final byte[] file = new byte[FILE_BYTES];

  RamFramebuffer(GuestMemory memory) {
    this.memory = memory;
  }

  private static RamFramebuffer create(SystemBus bus, DeviceContext context) {
    if (context.machine().devices().stream().anyMatch(RamFramebuffer.class::isInstance)) {
      throw context.error("there is one already; a machine has one");
    }
    RamFramebuffer framebuffer = new RamFramebuffer(new GuestMemory(context.machine().memory()));
    FwCfg fwCfg =
        context.machine().devices().stream()
            .filter(FwCfg.class::isInstance)
            .map(FwCfg.class::cast)
            .findFirst()
            .orElseThrow(() -> context.error("the machine has no fw_cfg to tell of it"));
    fwCfg.putWritableFile(FILE, framebuffer.file);
    return framebuffer;
  }

  /** The file as it is; for the firmware configuration device and tests. */
  byte[] file() {
    return file;
  }

  @Override
  public Screen screen() {
    ByteBuffer said = ByteBuffer.wrap(file);
    long address = said.getLong();
    int format = said.getInt();
    int width = said.position(16).getInt();
    int height = said.getInt();
    long stride = said.getInt() & 0xffff_ffffL;
    if ((format != XR24 && format != AR24)
        || width < 1
        || width > MOST_SIDE
        || height < 1
        || height > MOST_SIDE
        || width * height > MOST_PIXELS) {
      return Screen.blank(640, 480);
    }
    Screen screen = Screen.blank(width, height);
    long rowBytes = stride == 0 ? (long) width * PIXEL_BYTES : stride;
    for (int y = 0; y < height; y++) {
      GuestMemory.Piece row =
          memory.whole(address + y * rowBytes, (long) width * PIXEL_BYTES, false);
      for (int x = 0; row != null && x < width; x++) { // what is no RAM is black
        screen.pixels()[y * width + x] =
            RawMemory.getInt(row.host() + x * (long) PIXEL_BYTES) & 0xff_ffff;
      }
    }
    return screen;
  }

  @Override
  public Optional<TextScreen> text() {
    return Optional.empty();
  }

  @Override
  public String id() {
    return "ramfb";
  }

  @Override
  public void reset() {
    Arrays.fill(file, (byte) 0);
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
