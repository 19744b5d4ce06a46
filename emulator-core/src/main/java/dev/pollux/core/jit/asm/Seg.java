package dev.pollux.core.jit.asm;

/** A segment register, in the order of its encoding. */
public enum Seg {
  ES(0, 0x26),
  CS(1, 0x2e),
  SS(2, 0x36),
  DS(3, 0x3e),
  FS(4, 0x64),
  GS(5, 0x65);

  private final int number;
  private final int prefix;

  Seg(int number, int prefix) {
    this.number = number;
    this.prefix = prefix;
  }

  /** The register's number in an encoding, 0 to 5. */
  public int number() {
    return number;
  }

  /** The override prefix byte. */
  int prefix() {
    return prefix;
  }
}
