package dev.pollux.devices.acpi;

import static dev.pollux.devices.acpi.AmlBuilder.acquire;
import static dev.pollux.devices.acpi.AmlBuilder.and;
import static dev.pollux.devices.acpi.AmlBuilder.argument;
import static dev.pollux.devices.acpi.AmlBuilder.busNumbers;
import static dev.pollux.devices.acpi.AmlBuilder.call;
import static dev.pollux.devices.acpi.AmlBuilder.concat;
import static dev.pollux.devices.acpi.AmlBuilder.device;
import static dev.pollux.devices.acpi.AmlBuilder.doubleWordField;
import static dev.pollux.devices.acpi.AmlBuilder.eisaId;
import static dev.pollux.devices.acpi.AmlBuilder.fields;
import static dev.pollux.devices.acpi.AmlBuilder.ifTrue;
import static dev.pollux.devices.acpi.AmlBuilder.integer;
import static dev.pollux.devices.acpi.AmlBuilder.lessThan;
import static dev.pollux.devices.acpi.AmlBuilder.memoryWindow32;
import static dev.pollux.devices.acpi.AmlBuilder.memoryWindow64;
import static dev.pollux.devices.acpi.AmlBuilder.method;
import static dev.pollux.devices.acpi.AmlBuilder.mutex;
import static dev.pollux.devices.acpi.AmlBuilder.name;
import static dev.pollux.devices.acpi.AmlBuilder.operationRegion;
import static dev.pollux.devices.acpi.AmlBuilder.or;
import static dev.pollux.devices.acpi.AmlBuilder.packageOf;
import static dev.pollux.devices.acpi.AmlBuilder.path;
import static dev.pollux.devices.acpi.AmlBuilder.portWindow;
import static dev.pollux.devices.acpi.AmlBuilder.ports;
import static dev.pollux.devices.acpi.AmlBuilder.release;
import static dev.pollux.devices.acpi.AmlBuilder.resources;
import static dev.pollux.devices.acpi.AmlBuilder.returns;
import static dev.pollux.devices.acpi.AmlBuilder.scope;
import static dev.pollux.devices.acpi.AmlBuilder.sharedInterrupts;
import static dev.pollux.devices.acpi.AmlBuilder.shiftLeft;
import static dev.pollux.devices.acpi.AmlBuilder.store;

import dev.pollux.devices.acpi.AmlBuilder.RegionSpace;
import dev.pollux.devices.pci.Ich9Lpc;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A PCI host bridge in the DSDT (ACPI specification 6.5, 6.2.13; PCI Firmware Specification 3.3,
 * chapter 4): what it decodes, where interrupt wires lead, the ISA bridge, slots that can be
 * plugged.
 */
public final class PciNamespace {
  private static final int WIRES = 4;
  private static final int SLOTS = 32;
  private static final String[] LINKS = {"LNKA", "LNKB", "LNKC", "LNKD"};
  private static final String[] ROUTES = {"PRQ0", "PRQ1", "PRQ2", "PRQ3"};

  /** Bytes above all RAM, for BARs of 64 bits. */
  public static final long HIGH_SIZE = 32L << 30;

  /** The kind of request that {@code _OSC} answers (PCI Firmware Specification 3.3, 4.5.1). */
  private static final byte[] OSC_UUID = {
    0x5b,
    0x4d,
    (byte) 0xdb,
    0x33,
    (byte) 0xf7,
    0x1f,
    0x1c,
    0x40,
    (byte) 0x96,
    0x57,
    0x74,
    0x41,
    (byte) 0xc0,
    0x3d,
    (byte) 0xd7,
    0x66
  };

  /** ISA interrupts to which a wire may lead. */
  private static final int[] CHOICES = {5, 10, 11};

  /**
   * What there is.
   *
   * @param express whether it is PCI Express, with interrupts that go to the I/O APIC only
   * @param memory first address below 4 GiB that is passed down, and {@code memoryEnd} the first
   *     behind
   * @param high the same above 4 GiB
   * @param isaSlot of the function 0 that is the ISA bridge
   * @param hotplugPort first port of the registers that plug slots; 0 where there are none
   * @param fixedSlots bits of slots that cannot be plugged
   */
  public record Config(
      boolean express,
      long memory,
      long memoryEnd,
      long high,
      long highEnd,
      int isaSlot,
      int hotplugPort,
      int fixedSlots) {}

  private final Config config;

  /** Terms for the ISA bridge's scope. */
  private final byte[] isa;

  private PciNamespace(Config config, byte[] isa) {
    this.config = config;
    this.isa = isa;
  }

  /** Terms for the DSDT's root. */
  static byte[] of(Config config, byte[] isa) {
    PciNamespace pci = new PciNamespace(config, isa);
    return concat(
        scope("\\_SB", pci.root(), config.express() ? new byte[0] : pci.links()),
        config.hotplugPort() == 0
            ? new byte[0]
            : scope("\\_GPE", method("_E01", 0, call("\\_SB.PCI0.PCNT"))));
  }

  private byte[] root() {
    return device(
        "PCI0",
        config.express()
            ? concat(name("_HID", eisaId("PNP0A08")), name("_CID", eisaId("PNP0A03")), control())
            : name("_HID", eisaId("PNP0A03")),
        name("_ADR", integer(0)),
        name("_UID", integer(0)),
        name("_BBN", integer(0)),
        name("_CRS", windows()),
        name("_PRT", config.express() ? directRouting() : routing()),
        isaBridge(),
        hotplug());
  }

  private byte[] windows() {
    return resources(
        busNumbers(0, 255),
        ports(0xcf8, 8),
        portWindow(0, 0xcf7),
        portWindow(0xd00, 0xffff),
        memoryWindow32(0xa_0000, 0xb_ffff),
        memoryWindow32(config.memory(), config.memoryEnd() - 1),
        memoryWindow64(config.high(), config.highEnd() - 1));
  }

  /** The wire of a slot's pin: slots turn them, so that devices do not all share one. */
  public static int wire(int slot, int pin) {
    return pin + slot - 1 & WIRES - 1;
  }

  private static byte[] routing() {
    List<byte[]> rows = new ArrayList<>();
    for (int slot = 0; slot < SLOTS; slot++) {
      for (int pin = 0; pin < WIRES; pin++) {
        rows.add(
            packageOf(
                integer((long) slot << 16 | 0xffff),
                integer(pin),
                path("\\_SB." + LINKS[wire(slot, pin)]),
                integer(0)));
      }
    }
    return packageOf(rows.toArray(byte[][]::new));
  }

  /** To inputs of the I/O APIC. */
  private static byte[] directRouting() {
    List<byte[]> rows = new ArrayList<>();
    for (int slot = 0; slot < SLOTS; slot++) {
      for (int pin = 0; pin < WIRES; pin++) {
        rows.add(
            packageOf(
                integer((long) slot << 16 | 0xffff),
                integer(pin),
                integer(0),
                integer(16 + Ich9Lpc.wireOf(slot, pin))));
      }
    }
    return packageOf(rows.toArray(byte[][]::new));
  }

  /** Leaves native hot-plug, power events, errors and capabilities to the guest. */
  private static byte[] control() {
    return method(
        "_OSC",
        4,
        doubleWordField(argument(3), 0, "CDW1"),
        ifTrue(
            AmlBuilder.equal(argument(0), AmlBuilder.buffer(OSC_UUID)),
            doubleWordField(argument(3), 8, "CDW3"),
            store(and(path("CDW3"), integer(0x1f)), path("CDW3")),
            returns(argument(3))),
        or(path("CDW1"), integer(4), path("CDW1")), // unknown request
        returns(argument(3)));
  }

  private byte[] isaBridge() {
    if (config.express()) {
      return device("ISA", name("_ADR", integer((long) config.isaSlot() << 16)), isa);
    }

    return device(
        "ISA",
        name("_ADR", integer((long) config.isaSlot() << 16)),
        operationRegion("P40C", RegionSpace.PCI_CONFIG, 0x60, 4),
        fields("P40C", 1, 8, ROUTES),
        isa);
  }

  /** A wire's route to an ISA interrupt (ACPI specification 6.5, 6.2.15). */
  private static byte[] link(int wire) {
    byte[] route = path("\\_SB.PCI0.ISA." + ROUTES[wire]);
    return device(
        LINKS[wire],
        name("_HID", eisaId("PNP0C0F")),
        name("_UID", integer(wire)),
        name("_PRS", resources(sharedInterrupts(CHOICES))),
        method(
            "_STA",
            0,
            ifTrue(and(route, integer(0x80)), returns(integer(9))),
            returns(integer(0xb))),
        method("_DIS", 0, or(route, integer(0x80), route)),
        method(
            "_CRS",
            0,
            name("CRSB", resources(sharedInterrupts(0))),
            doubleWordField(path("CRSB"), 5, "CRSI"),
            ifTrue(lessThan(route, integer(0x80)), store(route, path("CRSI"))),
            returns(path("CRSB"))),
        method("_SRS", 1, doubleWordField(argument(0), 5, "SRSI"), store(path("SRSI"), route)));
  }

  private byte[] links() {
    byte[] all = {};
    for (int wire = 0; wire < WIRES; wire++) {
      all = concat(all, link(wire));
    }
    return all;
  }

  /** The slots, and the method that tells what has become of them. */
  private byte[] hotplug() {
    int port = config.hotplugPort();
    if (port == 0) {
      return new byte[0];
    }
    byte[] all =
        concat(
            device(
                "PHPR",
                name("_HID", eisaId("PNP0A06")),
                name("_UID", integer(7)),
                name("_CRS", resources(ports(port, 0x18)))),
            operationRegion("HPST", RegionSpace.IO, port, 8),
            fields("HPST", 4, 32, "PCIU", "PCID"),
            operationRegion("HPEJ", RegionSpace.IO, port + 8, 4),
            fields("HPEJ", 4, 32, "B0EJ"),
            operationRegion("HPBN", RegionSpace.IO, port + 16, 4),
            fields("HPBN", 4, 32, "BNUM"),
            mutex("BLCK"),
            method(
                "PCEJ",
                1,
                acquire("BLCK"),
                store(integer(0), path("BNUM")),
                store(shiftLeft(integer(1), argument(0)), path("B0EJ")),
                release("BLCK"),
                returns(integer(0))));
    byte[] notifications = {};
    for (int slot = 0; slot < SLOTS; slot++) {
      if ((config.fixedSlots() >> slot & 1) == 0) {
        String segment = String.format(Locale.ROOT, "S%02X", slot);
        all =
            concat(
                all,
                device(
                    segment,
                    name("_ADR", integer((long) slot << 16)),
                    name("_SUN", integer(slot)),
                    method("_EJ0", 1, returns(call("PCEJ", integer(slot))))));
        notifications =
            concat(
                notifications,
                ifTrue(
                    and(argument(0), integer(1L << slot)),
                    AmlBuilder.notify(path(segment), argument(1))));
      }
    }
    return concat(
        all,
        method("DVNT", 2, notifications),
        method(
            "PCNT",
            0,
            acquire("BLCK"),
            store(integer(0), path("BNUM")),
            call("DVNT", path("PCIU"), integer(1)),
            call("DVNT", path("PCID"), integer(3)),
            release("BLCK")));
  }
}
