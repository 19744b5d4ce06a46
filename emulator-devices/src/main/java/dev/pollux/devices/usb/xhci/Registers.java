package dev.pollux.devices.usb.xhci;

/**
 * Where the registers are (xHCI 1.2, 5), and those that never change.
 *
 * <pre>
 *   0000 capabilities   0040 operational   0440 ports   1000 runtime   2000 doorbells
 *   3000 MSI-X table    3800 MSI-X pending bits
 * </pre>
 */
final class Registers {
  static final int OPERATIONAL = 0x40;
  static final int PORTS = 0x440;
  static final int RUNTIME = 0x1000;
  static final int INTERRUPTERS = 0x1020;
  static final int DOORBELLS = 0x2000;
  static final int MSIX_TABLE = 0x3000;
  static final int MSIX_PENDING = 0x3800;

  /** Device slots. */
  static final int SLOTS = 64;

  /** Interrupters, with an event ring each. */
  static final int INTERRUPTERS_COUNT = 16;

  private static final int VERSION = 0x100;
  private static final int PROTOCOLS = 0x20;
  private static final int USB = 0x2042_5355; // "USB "

  private Registers() {}

  /**
   * The capability registers and the two protocols.
   *
   * @param usb2 ports of USB 2, which follow those of USB 3
   * @param usb3 ports of USB 3
   */
  static int[] capabilities(int usb2, int usb3) {
    int[] words = new int[OPERATIONAL / 4];
    words[0] = VERSION << 16 | OPERATIONAL;
    words[1] = usb2 + usb3 << 24 | INTERRUPTERS_COUNT << 8 | SLOTS;
    words[2] = 0xf; // one segment of an event ring
    words[4] = PROTOCOLS / 4 << 16 | 1; // 64-bit addresses, no streams
    words[5] = DOORBELLS;
    words[6] = RUNTIME;
    protocol(words, PROTOCOLS, 4, 2, usb3 + 1, usb2);
    protocol(words, PROTOCOLS + 16, 0, 3, 1, usb3);
    return words;
  }

  private static void protocol(int[] words, int at, int next, int major, int first, int count) {
    words[at / 4] = major << 24 | next << 8 | 2;
    words[at / 4 + 1] = USB;
    words[at / 4 + 2] = count << 8 | first;
  }
}
