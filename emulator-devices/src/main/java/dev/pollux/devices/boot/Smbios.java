package dev.pollux.devices.boot;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.cpu.CpuTopology;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * What {@code -smbios} says about the machine, and the tables that tell firmware so (DSP0134 2.8):
 * those that QEMU makes, with its defaults.
 *
 * @param product the machine's type in words
 * @param version the machine's type
 * @param values by the number of the structure, and the key
 * @param oemStrings of structure 11
 */
public record Smbios(
    String product,
    String version,
    Map<Integer, Map<String, String>> values,
    List<String> oemStrings) {
  /** Where firmware finds the tables, and how many there are. */
  public static final String TABLES_FILE = "etc/smbios/smbios-tables";

  public static final String ANCHOR_FILE = "etc/smbios/smbios-anchor";

  /** The structures that can be given, with their keys. */
  public static final Map<Integer, List<String>> KEYS =
      Map.of(
          0, List.of("vendor", "version", "date", "release", "uefi"),
          1, List.of("manufacturer", "product", "version", "serial", "uuid", "sku", "family"),
          2, List.of("manufacturer", "product", "version", "serial", "asset", "location"),
          3, List.of("manufacturer", "version", "serial", "asset", "sku"),
          4,
              List.of(
                  "sock_pfx",
                  "manufacturer",
                  "version",
                  "serial",
                  "asset",
                  "part",
                  "max-speed",
                  "current-speed",
                  "processor-id"),
          11, List.of("value", "path"),
          17, List.of("loc_pfx", "bank", "manufacturer", "serial", "asset", "part", "speed"));

  private static final String MANUFACTURER = "QEMU";
  private static final long MOST_OF_A_DIMM = 16L << 30;
  private static final int ARRAY = 0x1000;
  private static final int UNKNOWN = 0xffff;
  private static final int NOT_PROVIDED = 0xfffe;
  private static final int ANCHOR = 31;

  /** Bytes of all structures that the anchor can tell of. */
  private static final int MOST = 0xffff;

  /**
   * What is known of a machine without being said.
   *
   * @param processorId EAX, and above it EDX, of CPUID leaf 1
   * @param ranges of RAM, first and last byte
   */
  public record Facts(CpuTopology topology, long processorId, long ramSize, List<long[]> ranges) {}

  private String text(int type, String key, String usual) {
    return values.getOrDefault(type, Map.of()).getOrDefault(key, usual);
  }

  private String text(int type, String key) {
    return text(type, key, "");
  }

  private long number(int type, String key, long usual) {
    String text = text(type, key);
    return text.isEmpty() ? usual : Long.decode(text);
  }

  /** The structures, one after the other. */
  private List<byte[]> structures(Facts facts) {
    List<SmbiosTable> all = new ArrayList<>();
    if (values.containsKey(0)) {
      all.add(firmware());
    }
    all.add(system());
    if (values.containsKey(2)) {
      all.add(board());
    }
    all.add(chassis());
    for (int socket = 0; socket < facts.topology().sockets(); socket++) {
      all.add(processor(socket, facts));
    }
    if (!oemStrings.isEmpty()) {
      SmbiosTable oem = new SmbiosTable(11, 0xe00).u8(oemStrings.size());
      oemStrings.forEach(oem::string);
      all.add(oem);
    }
    int dimms = (int) Math.ceilDiv(facts.ramSize(), MOST_OF_A_DIMM);
    all.add(memoryArray(dimms, facts.ramSize()));
    for (int dimm = 0; dimm < dimms; dimm++) {
      all.add(dimm(dimm, Math.min(MOST_OF_A_DIMM, facts.ramSize() - dimm * MOST_OF_A_DIMM)));
    }
    for (int range = 0; range < facts.ranges().size(); range++) {
      all.add(range(range, facts.ranges().get(range)[0], facts.ranges().get(range)[1]));
    }
    all.add(new SmbiosTable(32, 0x2000).u32(0).u16(0).u8(0)); // booted without errors
    all.add(new SmbiosTable(127, 0x7f00));
    return all.stream().map(SmbiosTable::bytes).toList();
  }

  private SmbiosTable firmware() {
    String[] release = text(0, "release", "0.0").split("\\.", -1);
    boolean uefi = text(0, "uefi", "off").equals("on");
    return new SmbiosTable(0, 0)
        .text(text(0, "vendor"))
        .text(text(0, "version"))
        .u16(0xe800)
        .text(text(0, "date"))
        .u8(0)
        .u64(0x08) // characteristics are not told
        .u8(0)
        .u8(0x14 | (uefi ? 0x08 : 0)) // a virtual machine
        .u8(Integer.parseInt(release[0]))
        .u8(Integer.parseInt(release[1]))
        .u16(UNKNOWN);
  }

  private SmbiosTable system() {
    SmbiosTable table =
        new SmbiosTable(1, 0x100)
            .text(text(1, "manufacturer", MANUFACTURER))
            .text(text(1, "product", product))
            .text(text(1, "version", version))
            .text(text(1, "serial"));
    UUID uuid = UUID.fromString(text(1, "uuid", new UUID(0, 0).toString()));
    long high = uuid.getMostSignificantBits();
    return table
        .u32(high >>> 32)
        .u16((int) (high >>> 16))
        .u16((int) high)
        .u64(Long.reverseBytes(uuid.getLeastSignificantBits()))
        .u8(6) // woken up by the power switch
        .text(text(1, "sku"))
        .text(text(1, "family"));
  }

  private SmbiosTable board() {
    return new SmbiosTable(2, 0x200)
        .text(text(2, "manufacturer", MANUFACTURER))
        .text(text(2, "product", product))
        .text(text(2, "version", version))
        .text(text(2, "serial"))
        .text(text(2, "asset"))
        .u8(1) // it hosts the others
        .text(text(2, "location"))
        .u16(0x300)
        .u8(0x0a) // motherboard
        .u8(0);
  }

  private SmbiosTable chassis() {
    return new SmbiosTable(3, 0x300)
        .text(text(3, "manufacturer", MANUFACTURER))
        .u8(1)
        .text(text(3, "version", version))
        .text(text(3, "serial"))
        .text(text(3, "asset"))
        .u8(3) // states: safe
        .u8(3)
        .u8(3)
        .u8(2) // security unknown
        .u32(0)
        .u32(0)
        .text(text(3, "sku"));
  }

  private SmbiosTable processor(int socket, Facts facts) {
    int cores = Math.min(facts.topology().cores(), 0xff);
    int threads = Math.min(facts.topology().threads(), 0xff);
    return new SmbiosTable(4, 0x400 + socket)
        .text("%s %d".formatted(text(4, "sock_pfx", "CPU"), socket))
        .u8(3) // a central processor of no family
        .u8(1)
        .text(text(4, "manufacturer", MANUFACTURER))
        .u64(number(4, "processor-id", facts.processorId()))
        .text(text(4, "version", version))
        .u8(0)
        .u16(0)
        .u16((int) number(4, "max-speed", 2000))
        .u16((int) number(4, "current-speed", 2000))
        .u8(0x41) // in its socket and enabled
        .u8(1)
        .u16(UNKNOWN) // caches
        .u16(UNKNOWN)
        .u16(UNKNOWN)
        .text(text(4, "serial"))
        .text(text(4, "asset"))
        .text(text(4, "part"))
        .u8(cores)
        .u8(cores)
        .u8(threads)
        .u16(2)
        .u16(1);
  }

  private static SmbiosTable memoryArray(int dimms, long size) {
    boolean large = size >> 10 >= 0x8000_0000L;
    return new SmbiosTable(16, ARRAY)
        .u8(1) // of the system, with many-bit error correction
        .u8(3)
        .u8(6)
        .u32(large ? 0x8000_0000L : size >> 10)
        .u16(NOT_PROVIDED)
        .u16(dimms)
        .u64(large ? size : 0);
  }

  private SmbiosTable dimm(int number, long size) {
    long mebibytes = size + (1 << 20) - 1 >> 20;
    boolean large = mebibytes >= 0x7fff;
    return new SmbiosTable(17, 0x1100 + number)
        .u16(ARRAY)
        .u16(NOT_PROVIDED)
        .u16(UNKNOWN)
        .u16(UNKNOWN)
        .u16(large ? 0x7fff : (int) mebibytes)
        .u8(9) // DIMM
        .u8(0)
        .text("%s %d".formatted(text(17, "loc_pfx", "DIMM"), number))
        .text(text(17, "bank"))
        .u8(7) // RAM
        .u16(2)
        .u16((int) number(17, "speed", 0))
        .text(text(17, "manufacturer", MANUFACTURER))
        .text(text(17, "serial"))
        .text(text(17, "asset"))
        .text(text(17, "part"))
        .u8(0)
        .u32(large ? mebibytes : 0)
        .u16((int) number(17, "speed", 0))
        .u16(0)
        .u16(0)
        .u16(0);
  }

  private static SmbiosTable range(int number, long first, long last) {
    boolean high = last >> 10 >= UNKNOWN * 0x1_0001L;
    return new SmbiosTable(19, 0x1300 + number)
        .u32(high ? 0xffff_ffffL : first >> 10)
        .u32(high ? 0xffff_ffffL : last >> 10)
        .u16(ARRAY)
        .u8(1)
        .u64(high ? first : 0)
        .u64(high ? last : 0);
  }

  /**
   * The files that firmware reads; it sets address and checksums itself.
   *
   * @throws ConfigException if that is more than SMBIOS has room for
   */
  Map<String, byte[]> files(Facts facts) {
    List<byte[]> structures = structures(facts);
    ByteArrayOutputStream tables = new ByteArrayOutputStream();
    structures.forEach(tables::writeBytes);
    if (tables.size() > MOST) {
      throw new ConfigException(
          "-smbios: the tables have %d bytes; firmware takes %d".formatted(tables.size(), MOST));
    }
    int longest = structures.stream().mapToInt(s -> s.length).max().orElse(0);
    ByteBuffer anchor =
        ByteBuffer.allocate(ANCHOR)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put("_SM_".getBytes(StandardCharsets.US_ASCII))
            .put((byte) 0)
            .put((byte) ANCHOR)
            .put((byte) 2)
            .put((byte) 8)
            .putShort((short) longest)
            .put(new byte[6])
            .put("_DMI_".getBytes(StandardCharsets.US_ASCII))
            .put((byte) 0)
            .putShort((short) tables.size())
            .putInt(0)
            .putShort((short) structures.size())
            .put((byte) 0x28);
    return Map.of(TABLES_FILE, tables.toByteArray(), ANCHOR_FILE, anchor.array());
  }
}
