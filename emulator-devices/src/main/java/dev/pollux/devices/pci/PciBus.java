package dev.pollux.devices.pci;

import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.model.Bus;
import dev.pollux.devices.model.BusKind;
import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.Property;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** A PCI bus: up to 32 slots of up to 8 functions. Machine lock held. */
public final class PciBus extends Bus {
  static final Property<Long> ADDRESS =
      Property.pciAddress("addr", "slot and function, hexadecimal, for instance 06.0 or 06");
  static final Property<Boolean> MULTIFUNCTION =
      Property.flag("multifunction", false, "functions 1 to 7 of the slot may follow");
  static final Property<Long> ACPI_INDEX =
      Property.unsigned("acpi-index", 32, 0, 0, 16_383, "number by which ACPI knows the slot");
  static final Property<Long> ROM_BAR =
      Property.unsigned("rombar", 32, 1, 0, 1, "whether there is a ROM BAR, where there is a ROM");

  static final Property<String> ROM_FILE =
      Property.text("romfile", "option ROM for firmware to run, by path or by name");

  public static final BusKind<PciBus> KIND =
      new BusKind<>(
          "PCI",
          PciBus.class,
          "pci-device",
          List.of(ADDRESS, MULTIFUNCTION, ACPI_INDEX, ROM_BAR, ROM_FILE));

  private static final int SLOTS = 32;

  /** How a slot's devices come and go while the machine runs. */
  public interface Hotplug {
    /** A device was plugged into a slot. */
    void plugged(DeviceNode node, int slot);

    /** Asks the guest to let go of a slot. */
    void requestUnplug(DeviceNode node, int slot);
  }

  private final PciHost host;
  private final PciBridge bridge;

  /** The place that was found for the device that is being made. */
  private int reserved = -1;

  private final PciFunction[] functions = new PciFunction[SLOTS * 8];
  private Optional<Hotplug> hotplug = Optional.empty();

  /** Slots that devices take by themselves; one behind an Express port has only the first. */
  private final int slots;

  /**
   * @param bridge what it is behind; null for a root bus
   * @param slots 32, or 1 behind an Express port
   */
  PciBus(String name, PciHost host, PciBridge bridge, int slots) {
    super(KIND, name);
    this.host = host;
    this.bridge = bridge;
    this.slots = slots;
  }

  /** A root bus. */
  public static PciBus root(String name, PciHost host) {
    return new PciBus(name, host, null, SLOTS);
  }

  PciHost host() {
    return host;
  }

  public void setHotplug(Hotplug handler) {
    hotplug = Optional.of(handler);
  }

  /** Whether it is the link of an Express port, on which no legacy interface is expected. */
  public boolean isExpressPort() {
    return slots == 1;
  }

  @Override
  public boolean isHotpluggable() {
    return hotplug.isPresent();
  }

  @Override
  public boolean hasRoom() {
    return freeSlot() >= 0;
  }

  private int freeSlot() {
    for (int slot = 0; slot < slots; slot++) {
      if (isFree(slot)) {
        return slot;
      }
    }
    return -1;
  }

  private boolean isFree(int slot) {
    for (int function = 0; function < 8; function++) {
      if (functions[slot * 8 + function] != null) {
        return false;
      }
    }
    return true;
  }

  @Override
  protected void reserve(DeviceContext context) {
    int wanted = (int) (long) context.get(ADDRESS);
    if (wanted < 0) {
      int slot = freeSlot();
      if (slot < 0) {
        throw context.error("all slots of bus '%s' are taken".formatted(name()));
      }
      reserved = slot * 8;
      return;
    }
    int slot = wanted >> 3;
    PciFunction there = functions[wanted];
    PciFunction first = functions[slot * 8];
    if (there != null) {
      throw context.error(
          "PCI: slot %d function %d is taken by %s; give another addr"
              .formatted(slot, wanted & 7, there));
    }
    if (slot >= slots) {
      throw context.error("bus '%s' has slot 0 only".formatted(name()));
    }
    if ((wanted & 7) != 0 && first != null && !first.config().isMultifunction()) {
      throw context.error(
          "PCI: %s is there alone; give it multifunction=on, or another addr".formatted(first));
    }
    reserved = wanted;
  }

  /** Plugs a part of a board into a place; it is then entered. */
  public void place(int devfn) {
    reserved = devfn;
  }

  @Override
  protected void attach(DeviceNode node) {
    PciFunction function = ((PciDevice) node.device()).pci();
    int devfn = reserved;
    reserved = -1;
    functions[devfn] = function;
    if (node.values().get(MULTIFUNCTION)) {
      function.config().setMultifunction();
    }
    addRom(node, function);
    function.attach(this, devfn);
    node.expose(LiveProperty.constant("addr", "int32", () -> (long) devfn));
    node.expose(
        LiveProperty.constant(
            "legacy-addr", "str", () -> "%02x.%x".formatted(devfn >> 3, devfn & 7)));
  }

  private void addRom(DeviceNode node, PciFunction function) {
    String file = node.values().get(ROM_FILE);
    int identity = function.read(0, 4);
    if (node.values().get(ROM_BAR) != 0) {
      if (!file.isEmpty()) {
        addRom(function, OptionRom.load(file, identity));
      } else if (!function.usualRom().isEmpty()) {
        OptionRom.loadIfThere(function.usualRom(), identity)
            .ifPresent(rom -> addRom(function, rom));
      }
    }
  }

  private void addRom(PciFunction function, RamBlock rom) {
    host.addRom(rom);
    function.addRom(rom);
  }

  @Override
  protected void detach(DeviceNode node) {
    PciFunction function = ((PciDevice) node.device()).pci();
    functions[function.devfn()] = null;
    function.detach();
  }

  @Override
  protected void announce(DeviceNode node) {
    hotplug.ifPresent(h -> h.plugged(node, slot(node)));
  }

  @Override
  protected void requestUnplug(DeviceNode node) {
    hotplug.orElseThrow().requestUnplug(node, slot(node));
  }

  /** The slot of a device on this bus. */
  public static int slot(DeviceNode node) {
    return ((PciDevice) node.device()).pci().devfn() >> 3;
  }

  /** The devices in a slot. */
  public List<DeviceNode> in(int slot) {
    return devices().stream().filter(node -> slot(node) == slot).toList();
  }

  /** Whether it is not behind a bridge. */
  public boolean isRoot() {
    return bridge == null;
  }

  /** The devices in the order of their places. */
  public List<DeviceNode> byAddress() {
    return devices().stream()
        .sorted(Comparator.comparingInt(node -> ((PciDevice) node.device()).pci().devfn()))
        .toList();
  }

  /** All functions in the order of their places. */
  public List<PciFunction> functions() {
    List<PciFunction> present = new ArrayList<>();
    for (PciFunction function : functions) {
      if (function != null) {
        present.add(function);
      }
    }
    return present;
  }

  /** The number by which software addresses it. */
  public int number() {
    return bridge == null ? 0 : bridge.secondaryBus();
  }

  /** The buses right behind the bridges on this one. */
  public List<PciBus> children() {
    return devices().stream()
        .flatMap(node -> node.buses().stream())
        .filter(PciBus.class::isInstance)
        .map(PciBus.class::cast)
        .toList();
  }

  /**
   * The function that answers to an address; empty where there is none.
   *
   * @param busNumber 0 to 255
   */
  Optional<PciFunction> find(int busNumber, int devfn) {
    if (busNumber == number()) {
      return Optional.ofNullable(functions[devfn]);
    }
    for (PciBus child : children()) {
      if (child.bridge.leadsTo(busNumber)) {
        return child.find(busNumber, devfn);
      }
    }
    return Optional.empty();
  }

  /** Reads a register of some function below; all ones where nobody answers. */
  int readConfig(int busNumber, int devfn, int offset, int size) {
    return find(busNumber, devfn)
        .map(function -> function.read(offset, size))
        .orElse(-1 >>> 32 - size * 8);
  }

  void writeConfig(int busNumber, int devfn, int offset, int size, int value) {
    find(busNumber, devfn).ifPresent(function -> function.write(offset, size, value));
  }

  /** The wire of a slot: through each bridge the pins turn by the slot's number. */
  IrqLine wire(int slot, int pin) {
    return bridge == null
        ? host.wire(slot, pin)
        : bridge.pci().bus().wire(bridge.pci().devfn() >> 3, pin + slot & 3);
  }

  /** The part of a range that reaches this bus through all bridges above it. */
  PciBar.Window visible(PciBar.Window range, boolean io) {
    if (bridge == null) {
      return range;
    }
    PciBus above = bridge.pci().bus();
    return above == null
        ? PciBar.Window.EMPTY
        : above.visible(io ? bridge.passIo(range) : bridge.passMemory(range), io);
  }

  /** The windows above have changed. */
  void updateMappings() {
    functions().forEach(PciFunction::updateMappings);
    children().forEach(PciBus::updateMappings);
  }

  /** {@code 0000:00} for a root bus. */
  String path() {
    return bridge == null ? "0000:00" : bridge.pci().path();
  }

  @Override
  public Optional<String> firmwareName(DeviceNode node) {
    return Optional.of(PciNames.firmwareName(((PciDevice) node.device()).pci()));
  }

  @Override
  public List<String> describe(DeviceNode node) {
    return List.of(PciNames.line(((PciDevice) node.device()).pci(), number()));
  }
}
