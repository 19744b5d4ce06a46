package dev.pollux.devices.pci;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Gives addresses to everything on PCI, as firmware does before it boots a kernel: numbers of
 * buses, windows of bridges, BARs, interrupt lines. It only uses what software can. Machine lock
 * held, vCPUs parked.
 */
public final class PciSetup {
  private static final int PRIMARY = 0x18;
  private static final long MEGABYTE = 1 << 20;
  private static final long IO_GRANULE = 0x1000;

  /** The start of a window of either kind that ends before it. */
  private static final long CLOSED = 0xfff0_f000L;

  /** Memory behind a slot that is empty and may get a device. */
  private static final long HOTPLUG_MEMORY = 2 * MEGABYTE;

  /**
   * What there is to give.
   *
   * @param io first port
   * @param ioEnd first port behind
   * @param memory first address, below 4 GiB
   * @param memoryEnd first address behind
   */
  public record Space(long io, long ioEnd, long memory, long memoryEnd) {}

  /** Says on which interrupt line a slot's pin arrives, for guests that do not ask ACPI. */
  @FunctionalInterface
  public interface Lines {
    /**
     * @param slot on the root bus
     * @param pin 0 for INTA# to 3
     */
    int line(int slot, int pin);
  }

  /** What needs a place: a BAR, or what is behind a bridge. */
  private record Need(long size, long align, Taker taker) {
    @FunctionalInterface
    interface Taker {
      void take(long address);
    }
  }

  private final Lines lines;
  private int lastBus;

  private PciSetup(Lines lines) {
    this.lines = lines;
  }

  /** Sets up everything behind a root bus. What does not fit stays off. */
  public static void run(PciBus root, Space space, Lines lines) {
    PciSetup setup = new PciSetup(lines);
    setup.number(root);
    List<Need> io = new ArrayList<>();
    List<Need> memory = new ArrayList<>();
    setup.collect(root, io, memory);
    place(io, space.io(), space.ioEnd());
    place(memory, space.memory(), space.memoryEnd());
    setup.enable(root, List.of());
  }

  private void number(PciBus bus) {
    for (PciBus child : bus.children()) {
      PciFunction bridge = bridgeOf(bus, child);
      int number = ++lastBus;
      bridge.write(PRIMARY, 1, bus.number());
      bridge.write(PRIMARY + 1, 1, number);
      bridge.write(PRIMARY + 2, 1, 0xff);
      number(child);
      bridge.write(PRIMARY + 2, 1, lastBus);
    }
  }

  private static PciFunction bridgeOf(PciBus bus, PciBus child) {
    return bus.devices().stream()
        .filter(node -> node.buses().contains(child))
        .map(node -> ((PciDevice) node.device()).pci())
        .findFirst()
        .orElseThrow();
  }

  private void collect(PciBus bus, List<Need> io, List<Need> memory) {
    for (PciFunction function : bus.functions()) {
      for (PciBar bar : function.bars()) {
        if (bar.kind() == PciBar.Kind.ROM) {
          continue; // nobody runs it
        }
        (bar.kind().isIo() ? io : memory)
            .add(new Need(bar.size(), bar.size(), at -> assign(function, bar, at)));
      }
    }
    for (PciBus child : bus.children()) {
      PciFunction bridge = bridgeOf(bus, child);
      List<Need> childIo = new ArrayList<>();
      List<Need> childMemory = new ArrayList<>();
      collect(child, childIo, childMemory);
      if (childMemory.isEmpty() && child.isHotpluggable()) {
        childIo.add(new Need(IO_GRANULE, IO_GRANULE, _ -> {}));
        childMemory.add(new Need(HOTPLUG_MEMORY, MEGABYTE, _ -> {}));
      }
      addWindow(io, childIo, IO_GRANULE, (from, to) -> setIoWindow(bridge, from, to));
      addWindow(memory, childMemory, MEGABYTE, (from, to) -> setMemoryWindow(bridge, from, to));
    }
  }

  @FunctionalInterface
  private interface WindowSetter {
    void set(long from, long to);
  }

  private static void addWindow(
      List<Need> outer, List<Need> inner, long granule, WindowSetter setter) {
    setter.set(CLOSED, 1);
    if (inner.isEmpty()) {
      return;
    }
    long align = Math.max(granule, inner.stream().mapToLong(Need::align).max().orElse(0));
    long size = roundUp(place(inner, 0, Long.MAX_VALUE, false), granule);
    outer.add(
        new Need(
            size,
            align,
            at -> {
              setter.set(at, at + size);
              place(inner, at, at + size);
            }));
  }

  private static void setIoWindow(PciFunction bridge, long from, long to) {
    bridge.write(0x1c, 1, (int) (from >> 8) & 0xf0);
    bridge.write(0x1d, 1, (int) (to - 1 >> 8) & 0xf0);
  }

  private static void setMemoryWindow(PciFunction bridge, long from, long to) {
    bridge.write(0x20, 2, (int) (from >> 16) & 0xfff0);
    bridge.write(0x22, 2, (int) (to - 1 >> 16) & 0xfff0);
    bridge.write(0x24, 2, 0xfff0); // all memory goes through the first window
    bridge.write(0x26, 2, 0);
  }

  private static void assign(PciFunction function, PciBar bar, long address) {
    function.write(bar.register(), 4, (int) address);
    if (bar.kind().is64()) {
      function.write(bar.register() + 4, 4, (int) (address >>> 32));
    }
  }

  private static void place(List<Need> needs, long from, long to) {
    place(needs, from, to, true);
  }

  /** Places the largest first, so that nothing is lost to alignment; returns the end. */
  private static long place(List<Need> needs, long from, long to, boolean take) {
    List<Need> bySize = new ArrayList<>(needs);
    bySize.sort(Comparator.comparingLong(Need::align).reversed());
    long next = from;
    for (Need need : bySize) {
      long at = roundUp(next, need.align());
      if (at + need.size() > to) {
        continue;
      }
      if (take) {
        need.taker().take(at);
      }
      next = at + need.size();
    }
    return next;
  }

  private static long roundUp(long value, long to) {
    return value + to - 1 & -to;
  }

  /**
   * Switches everything on.
   *
   * @param path slots of the bridges on the way, the root's first
   */
  private void enable(PciBus bus, List<Integer> path) {
    for (PciFunction function : bus.functions()) {
      int slot = function.devfn() >> 3;
      int pin = function.config().get(PciConfig.INTERRUPT_PIN, 1);
      if (pin != 0) {
        function.write(PciConfig.INTERRUPT_LINE, 1, line(path, slot, pin - 1));
      }
      int command = function.config().get(PciConfig.COMMAND, 2);
      boolean bridge = (function.config().get(PciConfig.HEADER_TYPE, 1) & 0x7f) == 1;
      function.write(
          PciConfig.COMMAND,
          2,
          command
              | PciConfig.COMMAND_IO
              | PciConfig.COMMAND_MEMORY
              | (bridge ? PciConfig.COMMAND_MASTER : 0));
    }
    for (PciBus child : bus.children()) {
      List<Integer> below = new ArrayList<>(path);
      below.add(bridgeOf(bus, child).devfn() >> 3);
      enable(child, below);
    }
  }

  private int line(List<Integer> path, int slot, int pin) {
    int at = slot;
    int wire = pin;
    for (int bridge : path.reversed()) {
      wire = wire + at & 3;
      at = bridge;
    }
    return lines.line(at, wire);
  }
}
