package dev.pollux.devices.storage.flash;

/**
 * What a flash memory answers to a query (JEDEC JESD68.01, Common Flash Interface; Intel's command
 * set, publication 137).
 *
 * <pre>
 *   10  "QRY"             1b  voltages         27  size, power of two   2d  sectors - 1
 *   13  command set       1f  usual times      28  width of the bus     2f  sector / 256
 *   15  where "PRI" is    23  longest times    2a  write buffer         31  "PRI"
 * </pre>
 */
final class CfiTable {
  private static final int INTEL_EXTENDED = 1;
  private static final int PRIMARY = 0x31;

  private final byte[] bytes = new byte[0x40];

  /**
   * @param size bytes
   * @param bufferBits bytes of the write buffer, a power of two
   */
  CfiTable(long size, int bufferBits) {
    text(0x10, "QRY");
    u16(0x13, INTEL_EXTENDED);
    u16(0x15, PRIMARY);
    u8(0x1b, 0x45); // 4.5 V to 5.5 V, no voltage for programming
    u8(0x1c, 0x55);
    u8(0x1f, 7); // powers of two: a byte and a buffer in 128 us, a sector in 1 s
    u8(0x20, 7);
    u8(0x21, 10);
    u8(0x23, 4); // at most so many times, again powers of two, of that
    u8(0x24, 4);
    u8(0x25, 4);
    u8(0x27, 64 - Long.numberOfLeadingZeros(size - 1));
    u16(0x28, 2);
    u16(0x2a, bufferBits);
    u8(0x2c, 1); // kinds of sectors
    u16(0x2d, (int) (size / FlashChip.SECTOR) - 1);
    u16(0x2f, FlashChip.SECTOR >> 8);
    text(PRIMARY, "PRI10"); // version 1.0, no optional features
  }

  private void u8(int at, int value) {
    bytes[at] = (byte) value;
  }

  private void u16(int at, int value) {
    u8(at, value);
    u8(at + 1, value >> 8);
  }

  private void text(int at, String text) {
    for (int i = 0; i < text.length(); i++) {
      u8(at + i, text.charAt(i));
    }
  }

  /** The byte at an address; 0 beyond the table. */
  int get(int at) {
    return at < bytes.length ? bytes[at] & 0xff : 0;
  }
}
