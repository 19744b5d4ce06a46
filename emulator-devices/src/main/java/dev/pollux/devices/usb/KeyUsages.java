package dev.pollux.devices.usb;

import dev.pollux.devices.input.Keyboard;

/** The keys of scan code set 1 as HID numbers them (HID Usage Tables 1.4, 10). */
final class KeyUsages {
  /** Left control; the other modifiers follow. */
  static final int MODIFIERS = 0xe0;

  static final int AFTER_MODIFIERS = 0xe8;

  /** By code, 16 a line; 00 where there is no such key. */
  private static final String USAGES =
      """
      48 29 1e 1f 20 21 22 23 24 25 26 27 2d 2e 2a 2b
      14 1a 08 15 17 1c 18 0c 12 13 2f 30 28 e0 04 16
      07 09 0a 0b 0d 0e 0f 33 34 35 e1 31 1d 1b 06 19
      05 11 10 36 37 38 e5 55 e2 2c 39 3a 3b 3c 3d 3e
      3f 40 41 42 43 53 47 5f 60 61 56 5c 5d 5e 57 59
      5a 5b 62 63 46 00 64 44 45 67 00 00 8c 00 00 00
      00 00 00 00 68 69 6a 6b 6c 6d 6e 6f 70 71 72 00
      88 00 00 87 00 00 73 93 92 8a 00 8b 00 89 85 00
      """;

  /** Keys whose codes begin with e0: code and usage. */
  private static final int[][] EXTENDED = {
    {0x1c, 0x58}, {0x1d, 0xe4}, {0x20, 0x7f}, {0x2e, 0x81}, {0x30, 0x80}, {0x35, 0x54},
    {0x37, 0x46}, {0x38, 0xe6}, {0x46, 0x48}, {0x47, 0x4a}, {0x48, 0x52}, {0x49, 0x4b},
    {0x4b, 0x50}, {0x4d, 0x4f}, {0x4f, 0x4d}, {0x50, 0x51}, {0x51, 0x4e}, {0x52, 0x49},
    {0x53, 0x4c}, {0x5b, 0xe3}, {0x5c, 0xe7}, {0x5d, 0x65}, {0x5e, 0x66},
  };

  private static final int[] BY_CODE = new int[0x100];

  static {
    String[] usages = USAGES.strip().split("\\s+");
    for (int i = 0; i < usages.length; i++) {
      BY_CODE[i] = Integer.parseInt(usages[i], 16);
    }
    for (int[] key : EXTENDED) {
      BY_CODE[Keyboard.EXTENDED | key[0]] = key[1];
    }
  }

  private KeyUsages() {}

  /**
   * The number of a key; 0 if there is none.
   *
   * @param code as {@link Keyboard#key}
   */
  static int of(int code) {
    return BY_CODE[code];
  }
}
