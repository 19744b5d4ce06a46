package dev.pollux.devices.pci;

import java.util.Map;

/** How monitors show functions. */
public final class PciNames {
  /** Class and subclass to words (PCI Code and ID Assignment Specification). */
  private static final Map<Integer, String> CLASSES =
      Map.ofEntries(
          Map.entry(0x0001, "VGA controller"),
          Map.entry(0x0100, "SCSI controller"),
          Map.entry(0x0101, "IDE controller"),
          Map.entry(0x0106, "SATA controller"),
          Map.entry(0x0108, "NVMe controller"),
          Map.entry(0x0180, "Storage controller"),
          Map.entry(0x0200, "Ethernet controller"),
          Map.entry(0x0300, "VGA controller"),
          Map.entry(0x0380, "Display controller"),
          Map.entry(0x0401, "Audio controller"),
          Map.entry(0x0500, "RAM controller"),
          Map.entry(0x0600, "Host bridge"),
          Map.entry(0x0601, "ISA bridge"),
          Map.entry(0x0604, "PCI bridge"),
          Map.entry(0x0680, "Bridge"),
          Map.entry(0x0780, "Communication controller"),
          Map.entry(0x0c03, "USB controller"),
          Map.entry(0x0c05, "SMBus"));

  /** Class and subclass to the names that firmware has for them (IEEE 1275, PCI binding). */
  private static final Map<Integer, String> FIRMWARE_NAMES =
      Map.ofEntries(
          Map.entry(0x0100, "scsi"),
          Map.entry(0x0101, "ide"),
          Map.entry(0x0200, "ethernet"),
          Map.entry(0x0300, "display"),
          Map.entry(0x0604, "pci-bridge"),
          Map.entry(0x0c03, "usb"));

  private PciNames() {}

  /** Class and subclass. */
  public static int classOf(PciFunction function) {
    return function.config().get(PciConfig.CLASS + 1, 2);
  }

  /** The class in words, where there are some. */
  public static String className(PciFunction function) {
    int code = classOf(function);
    return CLASSES.getOrDefault(code, "Class %04x".formatted(code));
  }

  /** How firmware calls a function: what it is, slot and, other than 0, function. */
  static String firmwareName(PciFunction function) {
    PciConfig config = function.config();
    String name = FIRMWARE_NAMES.get(classOf(function));
    if (name == null) {
      name =
          "pci%04x,%04x"
              .formatted(config.get(PciConfig.VENDOR_ID, 2), config.get(PciConfig.DEVICE_ID, 2));
    }
    int number = function.devfn() & 7;
    return "%s@%x%s"
        .formatted(name, function.devfn() >> 3, number == 0 ? "" : ",%x".formatted(number));
  }

  /** What {@code info qtree} shows. */
  static String line(PciFunction function, int bus) {
    PciConfig config = function.config();
    return "class %s, addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)"
        .formatted(
            className(function),
            bus,
            function.devfn() >> 3,
            function.devfn() & 7,
            config.get(PciConfig.VENDOR_ID, 2),
            config.get(PciConfig.DEVICE_ID, 2),
            config.get(PciConfig.SUBSYSTEM_VENDOR, 2),
            config.get(PciConfig.SUBSYSTEM, 2));
  }
}
