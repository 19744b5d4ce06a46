package dev.pollux.devices.acpi;

import static dev.pollux.devices.acpi.AmlBuilder.argument;
import static dev.pollux.devices.acpi.AmlBuilder.concat;
import static dev.pollux.devices.acpi.AmlBuilder.device;
import static dev.pollux.devices.acpi.AmlBuilder.eisaId;
import static dev.pollux.devices.acpi.AmlBuilder.integer;
import static dev.pollux.devices.acpi.AmlBuilder.irq;
import static dev.pollux.devices.acpi.AmlBuilder.memory;
import static dev.pollux.devices.acpi.AmlBuilder.method;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.packageOf;
import static dev.pollux.devices.acpi.AmlBuilder.path;
import static dev.pollux.devices.acpi.AmlBuilder.ports;
import static dev.pollux.devices.acpi.AmlBuilder.resources;
import static dev.pollux.devices.acpi.AmlBuilder.scope;
import static dev.pollux.devices.acpi.AmlBuilder.store;
import static dev.pollux.devices.acpi.AmlBuilder.string;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.devices.irqchip.ApicBus;
import dev.pollux.devices.irqchip.IoApic;
import dev.pollux.devices.timer.Hpet;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The ACPI tables of a {@code PcBoard} (ACPI specification 6.5, chapter 5): RSDP, XSDT, FADT, FACS,
 * MADT, HPET and a DSDT that lists what a guest cannot find by itself.
 */
public final class AcpiTables {
  private static final int FACS_SIZE = 64;

  private static final int HEADER = 36;
  private static final int SCI = 9;
  private static final int CHECKSUM = 9;
  private static final int RSDP_SIZE = 36;
  private static final int FADT_SIZE = 244;

  /** Bytes of the FADT's pointers to FACS and DSDT, by offset. */
  private static final Map<Integer, Integer> FADT_POINTERS =
      new TreeMap<>(Map.of(36, 4, 40, 4, 140, 8));

  /** Where nothing else is, for a root pointer that is not among the tables. */
  private static final long RSDP_APART = Long.MAX_VALUE;

  private static final int RESET_PORT = 0xcf9;
  private static final int RESET_VALUE = 6;

  private static final byte[] NOTHING = {};

  private static final int SPACE_MEMORY = 0;
  private static final int SPACE_IO = 1;

  /**
   * What the tables describe.
   *
   * @param apicIds one per vCPU, in the order of their numbers
   * @param isa terms for the scope of the ISA bus
   * @param pci the PCI host bridge, above the ISA bus where there is one
   * @param ecam where configuration spaces are in memory
   * @param complete whether there are a HPET and a keyboard controller
   * @param sleep states of sleep
   * @param system terms for the scope of the system bus
   */
  public record Config(
      List<Integer> apicIds,
      List<byte[]> isa,
      Optional<PciNamespace.Config> pci,
      Optional<Long> ecam,
      boolean complete,
      SleepStates sleep,
      List<byte[]> system) {
    public Config {
      system = List.copyOf(system);
      apicIds = List.copyOf(apicIds);
      isa = List.copyOf(isa);
    }
  }

  /**
   * Guest-physical addresses, below 4 GiB.
   *
   * @param facs a multiple of 64
   * @param tables where all tables but the FACS follow one another, a multiple of 16
   * @param rsdp a multiple of 16 where firmware or loader announces it
   */
  public record Placement(long facs, long tables, long rsdp) {}

  /** Takes a part of the tables. */
  @FunctionalInterface
  private interface Writer {
    void write(long address, byte[] part);
  }

  private final Config config;
  private final Placement placement;
  private final Writer memory;
  private final List<LinkedTables.Pointer> pointers = new ArrayList<>();
  private final List<LinkedTables.Checksum> checksums = new ArrayList<>();
  private long next;

  private AcpiTables(Config config, Placement placement, Writer memory) {
    this.config = config;
    this.placement = placement;
    this.memory = memory;
    this.next = placement.tables();
  }

  /**
   * Writes all tables into guest memory; returns the first address after them. Machine lock held.
   */
  public static long write(Config config, Placement placement, AddressSpace memory) {
    AcpiTables tables =
        new AcpiTables(
            config, placement, (address, table) -> memory.write(address, table, 0, table.length));
    tables.write();
    return tables.next;
  }

  /** Makes all tables for firmware that places them itself. */
  public static LinkedTables link(Config config) {
    NavigableMap<Long, byte[]> parts = new TreeMap<>();
    AcpiTables tables = new AcpiTables(config, new Placement(0, FACS_SIZE, RSDP_APART), parts::put);
    tables.write();
    byte[] rsdp = parts.remove(RSDP_APART);
    byte[] all = new byte[(int) tables.next];
    parts.forEach((at, table) -> System.arraycopy(table, 0, all, (int) (long) at, table.length));
    return new LinkedTables(all, rsdp, tables.pointers, tables.checksums);
  }

  private void write() {
    memory.write(placement.facs(), facs());
    long dsdt = place(dsdt());
    List<Long> listed = new ArrayList<>();
    listed.add(link(place(fadt(dsdt)), FADT_POINTERS));
    listed.add(place(madt()));
    if (config.complete()) {
      listed.add(place(hpet()));
    }
    config.ecam().ifPresent(address -> listed.add(place(mcfg(address))));
    ByteBuffer xsdt = table("XSDT", 1, listed.size() * 8);
    listed.forEach(xsdt::putLong);
    long root = place(finish(xsdt));
    for (int i = 0; i < listed.size(); i++) {
      pointers.add(new LinkedTables.Pointer(root + HEADER + i * 8L, 8));
    }
    checksums.add(new LinkedTables.Checksum(root, HEADER + listed.size() * 8));
    memory.write(placement.rsdp(), rsdp(root));
  }

  /** Notes where pointers of a table are, given their bytes by offset. */
  private long link(long table, Map<Integer, Integer> offsets) {
    offsets.forEach(
        (offset, bytes) -> pointers.add(new LinkedTables.Pointer(table + offset, bytes)));
    checksums.add(new LinkedTables.Checksum(table, FADT_SIZE));
    return table;
  }

  /** Writes a table after the last one; returns its address. */
  private long place(byte[] table) {
    long address = next;
    memory.write(address, table);
    next = address + table.length + 15 & -16;
    return address;
  }

  private static ByteBuffer little(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /**
   * A table with its header filled in but for the checksum, ready for {@code size} bytes of body.
   */
  private static ByteBuffer table(String signature, int revision, int size) {
    return little(HEADER + size)
        .put(ascii(signature))
        .putInt(HEADER + size)
        .put((byte) revision)
        .put((byte) 0)
        .put(ascii("POLLUX"))
        .put(ascii("POLLUXPC"))
        .putInt(1)
        .put(ascii("PLLX"))
        .putInt(1);
  }

  private static byte[] finish(ByteBuffer table) {
    byte[] bytes = new byte[table.capacity()];
    table.get(0, bytes);
    setChecksum(bytes, CHECKSUM, bytes.length);
    return bytes;
  }

  private static void setChecksum(byte[] bytes, int at, int length) {
    int sum = 0;
    for (int i = 0; i < length; i++) {
      sum += bytes[i];
    }
    bytes[at] -= (byte) sum;
  }

  private static byte[] rsdp(long xsdt) {
    byte[] bytes =
        little(RSDP_SIZE)
            .put(ascii("RSD PTR "))
            .put((byte) 0)
            .put(ascii("POLLUX"))
            .put((byte) 2)
            .putInt(0) // no RSDT
            .putInt(RSDP_SIZE)
            .putLong(xsdt)
            .array();
    setChecksum(bytes, 8, 20);
    setChecksum(bytes, 32, RSDP_SIZE);
    return bytes;
  }

  private static byte[] facs() {
    return little(FACS_SIZE).put(ascii("FACS")).putInt(FACS_SIZE).put(32, (byte) 1).array();
  }

  /** A generic address structure (5.2.3.2). */
  private static void address(ByteBuffer out, int space, int bytes, long address) {
    out.put((byte) space).put((byte) (bytes * 8)).put((byte) 0).put((byte) 0).putLong(address);
  }

  /** The fixed hardware of {@link AcpiPm} (5.2.9, revision 3). */
  private byte[] fadt(long dsdt) {
    int event = AcpiPm.PM_BASE;
    int control = AcpiPm.PM_BASE + 4;
    int timer = AcpiPm.PM_BASE + 8;
    int flags =
        1 | 1 << 2 | 1 << 5 | 1 << 10; // WBINVD, C1, no sleep button, reset register; RTC wakes
    ByteBuffer t = table("FACP", 3, FADT_SIZE - HEADER);
    t.putInt((int) placement.facs()).putInt((int) dsdt);
    t.put((byte) 0).put((byte) 0).putShort((short) SCI);
    t.putInt(AcpiPm.APM_BASE)
        .put((byte) AcpiPm.ACPI_ENABLE)
        .put((byte) AcpiPm.ACPI_DISABLE)
        .putShort((short) 0);
    t.putInt(event)
        .putInt(0)
        .putInt(control)
        .putInt(0)
        .putInt(0)
        .putInt(timer)
        .putInt(AcpiPm.GPE_BASE)
        .putInt(0);
    t.put(new byte[] {4, 2, 0, 4, 4, 0, 0, 0}); // lengths of the blocks above
    t.putShort((short) 0xfff).putShort((short) 0xfff); // no C2, no C3
    t.putInt(0).putInt(0);
    t.put(108, (byte) 0x32); // century byte of the real-time clock
    t.putShort(109, (short) (config.complete() ? 3 : 1)); // legacy devices, 8042
    t.putInt(112, flags);
    t.position(116);
    address(t, SPACE_IO, 1, RESET_PORT);
    t.put((byte) RESET_VALUE);
    t.position(140);
    t.putLong(dsdt);
    address(t, SPACE_IO, 4, event);
    t.position(172);
    address(t, SPACE_IO, 2, control);
    t.position(208);
    address(t, SPACE_IO, 4, timer);
    address(t, SPACE_IO, 4, AcpiPm.GPE_BASE);
    return finish(t);
  }

  /** Local APICs, the I/O APIC and how ISA interrupts reach it (5.2.12). */
  private byte[] madt() {
    int cpus = config.apicIds().size();
    ByteBuffer t = table("APIC", 3, 8 + cpus * 8 + 12 + 2 * 10 + 6);
    t.putInt((int) ApicBus.ADDRESS).putInt(1); // there are 8259s too
    for (int i = 0; i < cpus; i++) {
      t.put((byte) 0)
          .put((byte) 8)
          .put((byte) i)
          .put((byte) (int) config.apicIds().get(i))
          .putInt(1);
    }
    t.put((byte) 1)
        .put((byte) 12)
        .put((byte) 0)
        .put((byte) 0)
        .putInt((int) IoApic.ADDRESS)
        .putInt(0);
    override(t, 0, 2, 0);
    override(t, SCI, SCI, 0xd); // active high, level
    t.put((byte) 4)
        .put((byte) 6)
        .put((byte) 0xff)
        .putShort((short) 0)
        .put((byte) 1); // NMI at LINT1 of all
    return finish(t);
  }

  private static void override(ByteBuffer t, int irq, int input, int flags) {
    t.put((byte) 2)
        .put((byte) 10)
        .put((byte) 0)
        .put((byte) irq)
        .putInt(input)
        .putShort((short) flags);
  }

  private static byte[] hpet() {
    ByteBuffer t = table("HPET", 1, 20);
    t.putInt(Hpet.ID);
    address(t, SPACE_MEMORY, 0, Hpet.ADDRESS);
    return finish(t);
  }

  /** PCI Firmware Specification 3.3, 4.1.2. */
  private static byte[] mcfg(long address) {
    ByteBuffer t = table("MCFG", 1, 8 + 16);
    t.putLong(0).putLong(address).putShort((short) 0).put((byte) 0).put((byte) 255);
    return finish(t);
  }

  // ---- DSDT ----

  private byte[] dsdt() {
    byte[] body =
        concat(
            name("PICM", integer(0)),
            method(
                "_PIC",
                1,
                store(argument(0), path("PICM"))), // which interrupt controller the guest uses
            config.sleep().ram() ? sleepState("\\_S3", AcpiPm.SLEEP_TYPE_S3) : NOTHING,
            config.sleep().disk() ? sleepState("\\_S4", AcpiPm.SLEEP_TYPE_S4) : NOTHING,
            sleepState("\\_S5", AcpiPm.SLEEP_TYPE_S5),
            scope("\\_SB", processors(), concat(config.system())),
            config
                .pci()
                .map(pci -> PciNamespace.of(pci, isaDevices()))
                .orElseGet(() -> scope("\\_SB", isaDevices())));
    // Revision 1 would mean 32-bit integers.
    return finish(table("DSDT", 2, body.length).put(body));
  }

  private static byte[] sleepState(String name, int type) {
    return name(name, packageOf(integer(type), integer(type), integer(0), integer(0)));
  }

  private byte[] processors() {
    byte[][] cpus = new byte[config.apicIds().size()][];
    for (int i = 0; i < cpus.length; i++) {
      String segment = String.format(Locale.ROOT, "C%03X", i);
      cpus[i] = device(segment, name("_HID", string("ACPI0007")), name("_UID", integer(i)));
    }
    return device(
        "CPUS", name("_HID", string("ACPI0010")), name("_CID", eisaId("PNP0A05")), concat(cpus));
  }

  /** Devices at fixed ports. */
  private byte[] isaDevices() {
    byte[] keyboard =
        device(
            "KBD",
            name("_HID", eisaId("PNP0303")),
            name("_CRS", resources(ports(0x60, 1), ports(0x64, 1), irq(1))));
    byte[] mouse = device("MOU", name("_HID", eisaId("PNP0F13")), name("_CRS", resources(irq(12))));
    byte[] clock =
        device(
            "RTC",
            name("_HID", eisaId("PNP0B00")),
            name("_CRS", resources(ports(0x70, 2), irq(8))));
    byte[] hpet =
        device(
            "HPET",
            name("_HID", eisaId("PNP0103")),
            name("_UID", integer(0)),
            name("_CRS", resources(memory(Hpet.ADDRESS, 0x400))));
    byte[] firmwareConfig =
        device(
            "FWCF",
            name("_HID", string("QEMU0002")),
            name("_STA", integer(0xb)),
            name("_CRS", resources(ports(0x510, 12))));
    byte[] pmPorts =
        device(
            "PMIO",
            name("_HID", eisaId("PNP0C02")), // motherboard resources
            name("_UID", integer(1)),
            name(
                "_CRS",
                resources(
                    ports(AcpiPm.PM_BASE, 64),
                    ports(AcpiPm.GPE_BASE, 4),
                    ports(AcpiPm.APM_BASE, 2))));
    byte[] common = concat(clock, concat(config.isa()), firmwareConfig, pmPorts);
    return config.complete() ? concat(keyboard, mouse, hpet, common) : common;
  }
}
