package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;

/**
 * The registers of a VGA at ports 3b0 to 3df (IBM PS/2 Hardware Interface Technical Reference,
 * video subsystem). Offsets are from 3b0. Machine lock held.
 */
final class VgaRegisters implements BusDevice {
  static final int FIRST_PORT = 0x3b0;
  static final int PORTS = 0x30;

  private static final int DISPLAY_OFF = 0x01;
  private static final int RETRACE = 0x08;

  static final StateDescriptor<VgaRegisters> STATE =
      StateDescriptor.of(VgaRegisters.class, "vga-registers", 1)
          .u8("misc", r -> r.misc, (r, v) -> r.misc = v)
          .u8("feature", r -> r.feature, (r, v) -> r.feature = v)
          .u8("status", r -> r.status, (r, v) -> r.status = v & (DISPLAY_OFF | RETRACE))
          .u8("sequencer-index", 7, r -> r.sequencerIndex, (r, v) -> r.sequencerIndex = v)
          .u8("graphics-index", 15, r -> r.graphicsIndex, (r, v) -> r.graphicsIndex = v)
          .u8("crtc-index", r -> r.crtcIndex, (r, v) -> r.crtcIndex = v)
          .u8("attribute-index", 63, r -> r.attributeIndex, (r, v) -> r.attributeIndex = v)
          .bool("attribute-data", r -> r.attributeData, (r, v) -> r.attributeData = v)
          .bytes("sequencer", 8, r -> r.sequencer)
          .bytes("graphics", 16, r -> r.graphics)
          .bytes("crtc", 256, r -> r.crtc)
          .bytes("attributes", 32, r -> r.attributes)
          .bytes("palette", 768, r -> r.palette)
          .u8("dac-mask", r -> r.dacMask, (r, v) -> r.dacMask = v)
          .u8("dac-state", 3, r -> r.dacState, (r, v) -> r.dacState = v)
          .u16("dac-read", 767, r -> r.dacRead, (r, v) -> r.dacRead = v)
          .u16("dac-write", 767, r -> r.dacWrite, (r, v) -> r.dacWrite = v);

  /** Bits that the graphics controller's registers have. */
  private static final int[] GRAPHICS_BITS = {
    0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0
  };

  /** Bits that the sequencer's registers have. */
  private static final int[] SEQUENCER_BITS = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff};

  final byte[] sequencer = new byte[8];
  final byte[] graphics = new byte[16];
  final byte[] crtc = new byte[256];
  final byte[] attributes = new byte[32];

  /** Red, green and blue of each of 256 colors, 6 bits unless the DAC is set to 8. */
  final byte[] palette = new byte[768];

  private int misc;
  private int feature;

  /** Changes with each read: nobody sees a beam here. */
  private int status;

  private int sequencerIndex;
  private int graphicsIndex;
  private int crtcIndex;
  private int attributeIndex;

  /** The next write to the attribute controller is data. */
  private boolean attributeData;

  private int dacMask;
  private int dacState;
  private int dacRead;
  private int dacWrite;

  @HostOnly("wiring")
  private boolean eightBits;

  void reset() {
    Arrays.fill(sequencer, (byte) 0);
    Arrays.fill(graphics, (byte) 0);
    Arrays.fill(crtc, (byte) 0);
    Arrays.fill(attributes, (byte) 0);
    Arrays.fill(palette, (byte) 0);
    misc = 0;
    feature = 0;
    status = 0;
    sequencerIndex = 0;
    graphicsIndex = 0;
    crtcIndex = 0;
    attributeIndex = 0;
    attributeData = false;
    dacMask = 0xff;
    dacState = 0;
    dacRead = 0;
    dacWrite = 0;
    eightBits = false;
  }

  int sequencer(int index) {
    return sequencer[index] & 0xff;
  }

  int graphics(int index) {
    return graphics[index] & 0xff;
  }

  int crtc(int index) {
    return crtc[index] & 0xff;
  }

  int attribute(int index) {
    return attributes[index] & 0xff;
  }

  /** The screen is on: the attribute controller shows the palette's colors. */
  boolean isOn() {
    return (attributeIndex & 0x20) != 0;
  }

  /** Whether the DAC's registers have 8 bits instead of 6. */
  void setEightBits(boolean on) {
    eightBits = on;
  }

  /** A color of the palette. */
  int color(int index) {
    int at = (index & dacMask & 0xff) * 3;
    return scale(palette[at]) << 16 | scale(palette[at + 1]) << 8 | scale(palette[at + 2]);
  }

  private int scale(byte value) {
    int v = value & 0xff;
    return eightBits ? v : (v & 0x3f) << 2 | (v & 0x3f) >> 4;
  }

  /** Whether a port of the CRT controller is at its place for the kind of monitor. */
  private boolean isThere(int offset) {
    boolean mono = (misc & 1) == 0;
    return offset < 0x10 ? mono : offset < 0x20 || !mono;
  }

  @Override
  public long read(long offset, int size) {
    int at = (int) offset;
    if (!isThere(at)) {
      return 0xff;
    }
    return switch (at) {
      case 0x04, 0x24 -> crtcIndex;
      case 0x05, 0x25 -> crtc(crtcIndex);
      case 0x0a, 0x2a -> {
        attributeData = false;
        status ^= RETRACE | DISPLAY_OFF;
        yield status;
      }
      case 0x10 -> attributeData ? 0 : attributeIndex;
      case 0x11 -> attribute(attributeIndex & 0x1f);
      case 0x12 -> 0x10; // a monitor is connected
      case 0x14 -> sequencerIndex;
      case 0x15 -> sequencer(sequencerIndex);
      case 0x16 -> dacMask;
      case 0x17 -> dacState;
      case 0x18 -> dacWrite / 3;
      case 0x19 -> {
        int value = palette[dacRead] & 0xff;
        dacRead = (dacRead + 1) % palette.length;
        yield value;
      }
      case 0x1a -> feature;
      case 0x1c -> misc;
      case 0x1e -> graphicsIndex;
      case 0x1f -> graphics(graphicsIndex);
      default -> 0xff;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    int v = (int) value & 0xff;
    int at = (int) offset;
    if (!isThere(at)) {
      return;
    }
    switch (at) {
      case 0x04, 0x24 -> crtcIndex = v;
      case 0x05, 0x25 -> writeCrtc(v);
      case 0x0a, 0x2a -> feature = v & 0x10;
      case 0x10 -> writeAttribute(v);
      case 0x12 -> misc = v & ~0x10;
      case 0x14 -> sequencerIndex = v & 7;
      case 0x15 -> sequencer[sequencerIndex] = (byte) (v & SEQUENCER_BITS[sequencerIndex]);
      case 0x16 -> dacMask = v;
      case 0x17 -> {
        dacRead = v * 3;
        dacState = 0;
      }
      case 0x18 -> {
        dacWrite = v * 3;
        dacState = 3;
      }
      case 0x19 -> {
        palette[dacWrite] = (byte) v;
        dacWrite = (dacWrite + 1) % palette.length;
      }
      case 0x1e -> graphicsIndex = v & 0xf;
      case 0x1f -> graphics[graphicsIndex] = (byte) (v & GRAPHICS_BITS[graphicsIndex]);
      default -> {}
    }
  }

  private void writeCrtc(int value) {
    boolean protectedNow = (crtc(0x11) & 0x80) != 0 && crtcIndex <= 7;
    if (!protectedNow) {
      crtc[crtcIndex] = (byte) value;
    } else if (crtcIndex == 7) {
      crtc[7] = (byte) (crtc(7) & ~0x10 | value & 0x10); // line compare stays open
    }
  }

  private void writeAttribute(int value) {
    if (!attributeData) {
      attributeIndex = value & 0x3f;
    } else {
      int index = attributeIndex & 0x1f;
      attributes[index] = (byte) (index < 0x10 || index == 0x12 ? value & 0x3f : value);
    }
    attributeData = !attributeData;
  }
}
