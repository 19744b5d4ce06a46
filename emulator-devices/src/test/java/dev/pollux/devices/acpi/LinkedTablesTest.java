package dev.pollux.devices.acpi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Carries out the script as firmware does, and follows the pointers of the result. */
class LinkedTablesTest {
  private static final int TABLES_AT = 0x0765_4000;
  private static final int RSDP_AT = 0xf_5000;

  private final Map<String, byte[]> files = new HashMap<>();
  private final Map<String, Integer> places = new HashMap<>();

  private static String name(ByteBuffer in) {
    byte[] name = new byte[56];
    in.get(name);
    return new String(name, StandardCharsets.US_ASCII).replace("\0", "");
  }

  private static ByteBuffer little(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private void run(byte[] script) {
    assertEquals(0, script.length % 128);
    for (int at = 0; at < script.length; at += 128) {
      ByteBuffer in = little(script).position(at);
      int command = in.getInt();
      String file = name(in);
      switch (command) {
        case 1 -> {
          int align = in.getInt();
          int place = in.get() == 1 ? TABLES_AT : RSDP_AT;
          assertEquals(0, place % align);
          places.put(file, place);
        }
        case 2 -> addPointer(file, name(in), in.getInt(), in.get());
        case 3 -> addChecksum(file, in.getInt(), in.getInt(), in.getInt());
        default -> throw new AssertionError("command " + command);
      }
    }
  }

  private void addPointer(String file, String to, int offset, int size) {
    ByteBuffer bytes = little(files.get(file));
    if (size == 4) {
      bytes.putInt(offset, bytes.getInt(offset) + places.get(to));
    } else {
      bytes.putLong(offset, bytes.getLong(offset) + places.get(to));
    }
  }

  private void addChecksum(String file, int at, int start, int length) {
    files.get(file)[at] -= (byte) sum(files.get(file), start, length);
  }

  private static int sum(byte[] bytes, int start, int length) {
    int sum = 0;
    for (int i = 0; i < length; i++) {
      sum += bytes[start + i];
    }
    return sum & 0xff;
  }

  private ByteBuffer table(long address, String signature) {
    byte[] tables = files.get(LinkedTables.TABLES_FILE);
    int at = (int) address - TABLES_AT;
    assertEquals(signature, new String(tables, at, 4, StandardCharsets.US_ASCII));
    int length = little(tables).getInt(at + 4);
    if (!signature.equals("FACS")) {
      assertEquals(0, sum(tables, at, length), signature);
    }
    return ByteBuffer.wrap(tables, at, length).slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  private static LinkedTables link(SleepStates sleep) {
    return AcpiTables.link(
        new AcpiTables.Config(
            List.of(0, 1),
            List.of(),
            Optional.empty(),
            Optional.of(0xb000_0000L),
            true,
            sleep,
            List.of()));
  }

  @Test
  void statesOfSleepCanBeLeftOut() {
    for (SleepStates sleep : List.of(SleepStates.ALL, new SleepStates(false, true))) {
      String tables = new String(link(sleep).tables(), StandardCharsets.ISO_8859_1);
      assertEquals(sleep.ram(), tables.contains("_S3_"));
      assertTrue(tables.contains("_S4_") && tables.contains("_S5_"));
    }
  }

  @Test
  void firmwareCanPlaceThem() {
    LinkedTables linked = link(SleepStates.ALL);
    files.put(LinkedTables.TABLES_FILE, linked.tables().clone());
    files.put(LinkedTables.RSDP_FILE, linked.rsdp().clone());
    run(linked.script());
    byte[] rsdp = files.get(LinkedTables.RSDP_FILE);
    assertEquals(0, sum(rsdp, 0, 20));
    assertEquals(0, sum(rsdp, 0, 36));
    ByteBuffer xsdt = table(little(rsdp).getLong(24), "XSDT");
    ByteBuffer fadt = table(xsdt.getLong(36), "FACP");
    table(xsdt.getLong(44), "APIC");
    table(xsdt.getLong(52), "HPET");
    table(xsdt.getLong(60), "MCFG");
    table(fadt.getInt(36), "FACS");
    table(fadt.getInt(40), "DSDT");
    table(fadt.getLong(140), "DSDT");
    assertEquals(0, fadt.getInt(36) % 64);
    assertTrue(linked.tables().length < 64 << 10);
  }
}
