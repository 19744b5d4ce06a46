package dev.pollux.devices.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.cpu.CpuTopology;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Tables of SMBIOS are what a reader of the specification finds in them. */
class SmbiosTest {
  /** Lengths of the formatted parts in version 2.8 of the specification. */
  private static final Map<Integer, Integer> LENGTHS =
      Map.of(0, 24, 1, 27, 2, 15, 3, 22, 4, 42, 11, 5, 16, 23, 17, 40, 19, 31, 32, 11);

  /** A structure as it is read back. */
  private record Read(ByteBuffer fields, List<String> strings) {
    String text(int offset) {
      int number = fields.get(offset);
      return number == 0 ? "" : strings.get(number - 1);
    }
  }

  private static final Smbios.Facts FACTS =
      new Smbios.Facts(
          new CpuTopology(2, 3, 2),
          0x78bfbff_00000663L,
          40L << 30,
          List.of(
              new long[] {0, 0xbfff_ffffL}, new long[] {1L << 32, (1L << 32) + (37L << 30) - 1}));

  private static Map<Integer, List<Read>> read(Map<String, byte[]> files) {
    byte[] tables = files.get(Smbios.TABLES_FILE);
    ByteBuffer anchor =
        ByteBuffer.wrap(files.get(Smbios.ANCHOR_FILE)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(tables.length, anchor.getShort(0x16));
    Map<Integer, List<Read>> found = new TreeMap<>();
    int at = 0;
    int count = 0;
    while (at < tables.length) {
      int length = tables[at + 1];
      ByteBuffer fields =
          ByteBuffer.wrap(tables, at, length).slice().order(ByteOrder.LITTLE_ENDIAN);
      int start = at + length;
      int end = start;
      while (tables[end] != 0 || tables[end + 1] != 0) {
        end++;
      }
      List<String> strings = new ArrayList<>();
      if (end > start) {
        String all = new String(tables, start, end - start, StandardCharsets.UTF_8);
        strings.addAll(List.of(all.split("\0")));
      }
      found
          .computeIfAbsent((int) fields.get(0), _ -> new ArrayList<>())
          .add(new Read(fields, strings));
      at = end + 2;
      count++;
    }
    assertEquals(count, anchor.getShort(0x1c));
    return found;
  }

  @Test
  void tablesSayWhatIsGiven() {
    Smbios smbios =
        new Smbios(
            "A machine",
            "pc-1",
            Map.of(
                0, Map.of("vendor", "V", "release", "3.14", "uefi", "on"),
                1, Map.of("serial", "S1", "uuid", "00112233-4455-6677-8899-aabbccddeeff"),
                2, Map.of("location", "L"),
                4, Map.of("sock_pfx", "P", "max-speed", "3000"),
                17, Map.of("bank", "B", "speed", "1600")),
            List.of("one", "two"));
    Map<Integer, List<Read>> tables = read(smbios.files(FACTS));
    LENGTHS.forEach(
        (type, length) ->
            assertEquals(length, tables.get(type).getFirst().fields().limit(), "type " + type));
    Read firmware = tables.get(0).getFirst();
    assertEquals("V", firmware.text(4));
    assertEquals(3, firmware.fields().get(0x14));
    assertEquals(14, firmware.fields().get(0x15));
    assertEquals(0x1c, firmware.fields().get(0x13));
    Read system = tables.get(1).getFirst();
    assertEquals("A machine", system.text(5));
    assertEquals("S1", system.text(7));
    assertEquals(0x0011_2233, system.fields().getInt(8));
    assertEquals(0x4455, system.fields().getShort(12));
    assertEquals((byte) 0x88, system.fields().get(16));
    assertEquals("L", tables.get(2).getFirst().text(10));
    assertEquals(2, tables.get(4).size());
    assertEquals("P 1", tables.get(4).get(1).text(4));
    assertEquals(3000, tables.get(4).getFirst().fields().getShort(0x14));
    assertEquals(3, tables.get(4).getFirst().fields().get(0x23));
    assertEquals(List.of("one", "two"), tables.get(11).getFirst().strings());
    assertEquals(3, tables.get(17).size());
    assertEquals(8192, tables.get(17).get(2).fields().getShort(12));
    assertEquals(2, tables.get(19).size());
    assertEquals(0xbfff_ffff >>> 10, tables.get(19).getFirst().fields().getInt(8));
  }

  @Test
  void onlyWhatIsGivenIsAdded() {
    Smbios smbios = new Smbios("A machine", "pc-1", Map.of(3, Map.of("sku", "K")), List.of());
    Map<Integer, List<Read>> tables = read(smbios.files(FACTS));
    assertFalse(tables.containsKey(0) || tables.containsKey(2) || tables.containsKey(11));
    assertEquals("K", tables.get(3).getFirst().text(0x15));
    assertEquals("pc-1", tables.get(3).getFirst().text(6));
  }

  @Test
  void tablesThatFirmwareCannotTakeAreRefused() {
    Smbios smbios = new Smbios("A machine", "pc-1", Map.of(), List.of("x".repeat(0x1_0000)));
    assertThrows(ConfigException.class, () -> smbios.files(FACTS));
  }
}
