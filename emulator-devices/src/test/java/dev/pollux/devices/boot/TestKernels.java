package dev.pollux.devices.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Kernel files of a few kilobytes with all the headers that loaders look at. */
final class TestKernels {
  static final int SETUP_SECTORS = 4;
  static final int CODE_SIZE = 0x1000;

  private TestKernels() {}

  /**
   * A relocatable bzImage of protocol 2.15 with a 64-bit entry; its code is full of 0xc0 and up.
   */
  static byte[] bzImage() {
    ByteBuffer b =
        ByteBuffer.allocate((SETUP_SECTORS + 1) * 512 + CODE_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    b.put(0x1f1, (byte) SETUP_SECTORS);
    b.putInt(0x1f4, CODE_SIZE / 16);
    b.putShort(0x1fe, (short) 0xaa55);
    b.put(0x200, (byte) 0xeb).put(0x201, (byte) (0x26c - 0x202));
    b.put(0x202, "HdrS".getBytes(StandardCharsets.US_ASCII));
    b.putShort(0x206, (short) 0x20f);
    b.put(0x211, (byte) 1);
    b.putInt(0x22c, 0x7fff_ffff);
    b.putInt(0x230, 0x20_0000);
    b.put(0x234, (byte) 1);
    b.putShort(0x236, (short) 0x7f);
    b.putInt(0x238, 2047);
    b.putLong(0x258, 0x100_0000);
    b.putInt(0x260, 0x80_0000);
    for (int i = 0; i < CODE_SIZE; i++) {
      b.put((SETUP_SECTORS + 1) * 512 + i, (byte) (0xc0 + i % 64));
    }
    return b.array();
  }

  /** A 64-bit ELF with one segment of 0x100 bytes (0x2000 in memory) at 2 MiB and a PVH note. */
  static byte[] pvhElf() {
    ByteBuffer b = ByteBuffer.allocate(0x400).order(ByteOrder.LITTLE_ENDIAN);
    b.put("\177ELF".getBytes(StandardCharsets.ISO_8859_1))
        .put((byte) 2)
        .put((byte) 1)
        .put((byte) 1);
    b.putShort(16, (short) 2).putShort(18, (short) 62).putInt(20, 1);
    b.putLong(24, 0x20_0000).putLong(32, 64);
    b.putShort(54, (short) 56).putShort(56, (short) 2);
    b.putInt(64, 1)
        .putLong(72, 0x200)
        .putLong(80, 0x20_0000)
        .putLong(88, 0x20_0000)
        .putLong(96, 0x100)
        .putLong(104, 0x2000);
    b.putInt(120, 4)
        .putLong(128, 0x180)
        .putLong(136, 0)
        .putLong(144, 0)
        .putLong(152, 0x24)
        .putLong(160, 0x24)
        .putLong(168, 4);
    int note = 0x180;
    b.putInt(note, 4)
        .putInt(note + 4, 0)
        .putInt(note + 8, 1)
        .put(note + 12, "Xen\0".getBytes(StandardCharsets.US_ASCII));
    note += 16;
    b.putInt(note, 4)
        .putInt(note + 4, 4)
        .putInt(note + 8, 18)
        .put(note + 12, "Xen\0".getBytes(StandardCharsets.US_ASCII));
    b.putInt(note + 16, 0x20_0040);
    for (int i = 0; i < 0x100; i++) {
      b.put(0x200 + i, (byte) (0x80 | i));
    }
    return b.array();
  }

  private static void multibootHeader(ByteBuffer b, int at, int flags) {
    b.putInt(at, 0x1bad_b002).putInt(at + 4, flags).putInt(at + 8, -(0x1bad_b002 + flags));
  }

  /** A 32-bit ELF with a multiboot header in its segment at 1 MiB. */
  static byte[] multibootElf() {
    ByteBuffer b = ByteBuffer.allocate(0x400).order(ByteOrder.LITTLE_ENDIAN);
    b.put("\177ELF".getBytes(StandardCharsets.ISO_8859_1))
        .put((byte) 1)
        .put((byte) 1)
        .put((byte) 1);
    b.putShort(16, (short) 2).putShort(18, (short) 3).putInt(20, 1);
    b.putInt(24, 0x10_0020).putInt(28, 52);
    b.putShort(42, (short) 32).putShort(44, (short) 1);
    b.putInt(52, 1)
        .putInt(56, 0x100)
        .putInt(60, 0x10_0000)
        .putInt(64, 0x10_0000)
        .putInt(68, 0x200)
        .putInt(72, 0x3000);
    multibootHeader(b, 0x100, 3);
    b.put(0x120, (byte) 0xf4);
    return b.array();
  }

  /** A flat file that says in its multiboot header where it goes: its byte 0x10 to 1 MiB. */
  static byte[] multibootFlat() {
    ByteBuffer b = ByteBuffer.allocate(0x300).order(ByteOrder.LITTLE_ENDIAN);
    multibootHeader(b, 0x40, 0x1_0003);
    b.putInt(0x4c, 0x10_0030)
        .putInt(0x50, 0x10_0000)
        .putInt(0x54, 0x10_0200)
        .putInt(0x58, 0x10_1000)
        .putInt(0x5c, 0x10_0080);
    b.put(0x10, (byte) 0x77);
    return b.array();
  }
}
