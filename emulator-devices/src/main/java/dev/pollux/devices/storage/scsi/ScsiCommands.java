package dev.pollux.devices.storage.scsi;

import java.nio.ByteBuffer;

/** How commands name blocks (SBC-3, 5). */
final class ScsiCommands {
  /** What a command with a medium does. */
  enum Kind {
    TEST,
    SEEK,
    READ,
    WRITE,
    VERIFY,
    SYNCHRONIZE,
    UNMAP,
    SAME,
    CAPACITY,
    CAPACITY_16,
    DISC,
    UNKNOWN
  }

  /**
   * Blocks that a command names.
   *
   * @param fua the data has to reach the medium
   */
  record Range(long first, long count, boolean fua) {}

  private static final int FUA = 8;

  private ScsiCommands() {}

  /** Kind of a command by its first byte. */
  static Kind kind(int code) {
    return switch (code) {
      case 0x00 -> Kind.TEST;
      case 0x01, 0x0b, 0x2b -> Kind.SEEK;
      case 0x08, 0x28, 0xa8, 0x88 -> Kind.READ;
      case 0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e -> Kind.WRITE;
      case 0x2f, 0xaf, 0x8f -> Kind.VERIFY;
      case 0x35, 0x91 -> Kind.SYNCHRONIZE;
      case 0x42 -> Kind.UNMAP;
      case 0x41, 0x93 -> Kind.SAME;
      case 0x25 -> Kind.CAPACITY;
      case 0x9e -> Kind.CAPACITY_16;
      case 0x43, 0x51, 0xbd -> Kind.DISC;
      default -> Kind.UNKNOWN;
    };
  }

  /** Whether a command is one that needs a medium. */
  static boolean isMedium(int code) {
    return kind(code) != Kind.UNKNOWN;
  }

  /** The blocks, by the length that the first byte says the command has. */
  static Range range(ByteBuffer cdb, int code) {
    return switch (code >> 5) {
      case 0 -> {
        int count = cdb.get(4) & 0xff;
        boolean transfer = code == 0x08 || code == 0x0a;
        yield new Range(cdb.getInt(0) & 0x1f_ffff, transfer && count == 0 ? 256 : count, false);
      }
      case 4 -> new Range(cdb.getLong(2), cdb.getInt(10) & 0xffff_ffffL, isForced(cdb));
      case 5 -> new Range(address32(cdb), cdb.getInt(6) & 0xffff_ffffL, isForced(cdb));
      default -> new Range(address32(cdb), cdb.getShort(7) & 0xffff, isForced(cdb));
    };
  }

  private static long address32(ByteBuffer cdb) {
    return cdb.getInt(2) & 0xffff_ffffL;
  }

  private static boolean isForced(ByteBuffer cdb) {
    return (cdb.get(1) & FUA) != 0;
  }
}
