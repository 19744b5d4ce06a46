package dev.pollux.devices.board;

/**
 * A range of guest-physical memory as a PC's firmware reports it (ACPI specification, 15.1).
 *
 * @param start first address
 * @param size bytes
 */
public record E820Entry(long start, long size, Type type) {
  /** What the range is; the code is the one that goes into tables. */
  public enum Type {
    RAM(1),
    RESERVED(2),
    ACPI(3),
    NVS(4);

    private final int code;

    Type(int code) {
      this.code = code;
    }

    public int code() {
      return code;
    }
  }
}
