package dev.pollux.devices.pci;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.memory.RamBlock;
import java.util.ArrayList;
import java.util.List;

/**
 * What the guest sees from 768 KiB to 1 MiB: RAM, RAM that keeps its contents, or what is on the
 * bus, as the programmable attribute map of the host bridge says (Intel 82441FX data sheet, 3.2.19;
 * 3 Series Express Chipset data sheet, 5.1.14). On the bus are the last 128 KiB of the firmware's
 * ROM; below them nobody answers. Machine lock held.
 *
 * <pre>
 *   register   0               1             2            3   4   5   6
 *   bits       7:4             3:0    7:4    3:0 ...
 *   from       f0000 (64 KiB)  c0000  c4000  c8000 ... 16 KiB each ... up to effff
 * </pre>
 *
 * A segment that would be read from the bus and written to RAM leaves both to the bus.
 */
public final class ShadowRam {
  /** Registers of the map. */
  static final int REGISTERS = 7;

  private static final long FIRST = 0xc_0000;
  private static final long ROM_FIRST = 0xe_0000;
  private static final long END = 0x10_0000;
  private static final int SEGMENT = 0x4000;
  private static final int SEGMENTS = 12;
  private static final long LAST_SEGMENT = 0xf_0000;

  private static final int READ = 1;
  private static final int WRITE = 2;

  /** Over RAM, which is mapped with 0. */
  private static final int PRIORITY = 1;

  private final AddressSpace memory;
  private final RamBlock ram;
  private final Region bus;
  private final long romOffset;
  private final Region rom;
  private final List<FlatView.Mapping> mappings = new ArrayList<>();

  /** The registers that the mappings follow. */
  private long followed = -1;

  /**
   * @param memory in which all of RAM is mapped
   * @param ram its first block, from address 0 on
   * @param rom the firmware, at least 128 KiB
   */
  public ShadowRam(AddressSpace memory, RamBlock ram, RamBlock rom) {
    this.memory = memory;
    this.ram = ram;
    this.rom = new Region.RamRegion(rom, 0, rom.size());
    romOffset = rom.size() - (END - ROM_FIRST);
    bus = new Region.DeviceRegion("open bus", ROM_FIRST - FIRST, 8, new OpenBus());
  }

  /** Follows the registers of a configuration space. */
  void update(PciConfig config, int firstRegister) {
    long registers = 0;
    for (int i = 0; i < REGISTERS; i++) {
      registers |= (long) config.get(firstRegister + i, 1) << i * 8;
    }
    if (registers == followed) {
      return;
    }
    followed = registers;
    List<FlatView.Mapping> old = List.copyOf(mappings);
    mappings.clear();
    for (int i = 0; i < SEGMENTS; i++) {
      map(FIRST + (long) i * SEGMENT, SEGMENT, (int) (registers >> 8 + i * 4));
    }
    map(LAST_SEGMENT, END - LAST_SEGMENT, (int) (registers >> 4));
    old.forEach(memory::unmap);
  }

  private void map(long start, long size, int attributes) {
    if ((attributes & READ) == 0) {
      boolean inRom = start >= ROM_FIRST;
      Region region = inRom ? rom : bus;
      long offset = inRom ? start - ROM_FIRST + romOffset : start - FIRST;
      mappings.add(memory.map(start, size, region, offset, PRIORITY));
    } else if ((attributes & WRITE) == 0) {
      Region readOnly = new Region.RamRegion(ram, start, size, true);
      mappings.add(memory.map(start, size, readOnly, 0, PRIORITY));
    }
  }

  /** Nobody answers. */
  private static final class OpenBus implements BusDevice {
    @Override
    public long read(long offset, int size) {
      return -1;
    }

    @Override
    public void write(long offset, int size, long value) {}
  }
}
