package dev.pollux.migration.ram;

/** Flags of the records in the section with the guest's memory, in the low bits of an offset. */
final class RamFormat {
  static final int ZERO = 0x02;
  static final int MEM_SIZE = 0x04;
  static final int PAGE = 0x08;
  static final int EOS = 0x10;
  static final int CONTINUE = 0x20;
  static final int MULTIFD_FLUSH = 0x200;

  static final long FLAGS = 0xfff;

  private RamFormat() {}
}
