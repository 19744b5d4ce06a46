package dev.pollux.migration.multifd;

/** Layout of packets. */
final class MultifdFormat {
  static final int MAGIC = 0x1122_3344;
  static final int VERSION = 1;

  /** Pages in a packet: 512 KiB. */
  static final int PAGES = 128;

  static final int FLAG_SYNC = 1;

  static final int NAME_LENGTH = 256;

  private MultifdFormat() {}
}
