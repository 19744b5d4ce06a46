package dev.pollux.devices.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * ACPI tables for firmware that finds places for them: pointers in them are offsets until firmware
 * adds the addresses, and says what to add where to what by QEMU's linker/loader script (QEMU,
 * docs/specs: "BIOS linker/loader").
 *
 * @param tables all but the root pointer, to be placed at a multiple of 64
 * @param rsdp the root pointer
 * @param pointers within the tables, to the tables
 * @param checksums of tables that hold pointers
 */
public record LinkedTables(
    byte[] tables, byte[] rsdp, List<Pointer> pointers, List<Checksum> checksums) {
  public static final String SCRIPT_FILE = "etc/table-loader";
  public static final String TABLES_FILE = "etc/acpi/tables";
  public static final String RSDP_FILE = "etc/acpi/rsdp";

  private static final int COMMAND = 128;
  private static final int NAME = 56;
  private static final int ALLOCATE = 1;
  private static final int ADD_POINTER = 2;
  private static final int ADD_CHECKSUM = 3;
  private static final int ZONE_HIGH = 1;
  private static final int ZONE_F_SEGMENT = 2;
  private static final int CHECKSUM_OFFSET = 9;
  private static final int XSDT_POINTER = 24;

  /**
   * A pointer.
   *
   * @param offset from the start of the tables
   * @param bytes 4 or 8
   */
  record Pointer(long offset, int bytes) {}

  /**
   * A table that sums up to 0.
   *
   * @param start from the start of the tables
   */
  record Checksum(long start, int length) {}

  /** The script. */
  public byte[] script() {
    ByteArrayOutputStream script = new ByteArrayOutputStream();
    script.writeBytes(command(ALLOCATE, TABLES_FILE).putInt(64).put((byte) ZONE_HIGH).array());
    script.writeBytes(command(ALLOCATE, RSDP_FILE).putInt(16).put((byte) ZONE_F_SEGMENT).array());
    pointers.forEach(p -> addPointer(script, TABLES_FILE, p));
    addPointer(script, RSDP_FILE, new Pointer(XSDT_POINTER, 8));
    for (Checksum sum : checksums) {
      int start = (int) sum.start();
      addChecksum(script, TABLES_FILE, start + CHECKSUM_OFFSET, start, sum.length());
    }
    addChecksum(script, RSDP_FILE, 8, 0, 20);
    addChecksum(script, RSDP_FILE, 32, 0, rsdp.length);
    return script.toByteArray();
  }

  private static void addPointer(ByteArrayOutputStream script, String file, Pointer pointer) {
    script.writeBytes(
        command(ADD_POINTER, file)
            .put(name(TABLES_FILE))
            .putInt((int) pointer.offset())
            .put((byte) pointer.bytes())
            .array());
  }

  private static void addChecksum(
      ByteArrayOutputStream script, String file, int at, int start, int length) {
    script.writeBytes(command(ADD_CHECKSUM, file).putInt(at).putInt(start).putInt(length).array());
  }

  /** A command up to and with the name of the file that it changes. */
  private static ByteBuffer command(int number, String file) {
    return ByteBuffer.allocate(COMMAND)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(number)
        .put(name(file));
  }

  private static byte[] name(String file) {
    byte[] padded = new byte[NAME];
    byte[] ascii = file.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, padded, 0, ascii.length);
    return padded;
  }
}
