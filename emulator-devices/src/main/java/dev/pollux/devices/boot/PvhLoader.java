package dev.pollux.devices.boot;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.board.E820Entry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;

/**
 * ELF kernels with Xen's PVH entry, such as Linux's {@code vmlinux} (x86/HVM direct boot ABI,
 * start_info.h).
 */
final class PvhLoader {
  private static final int XEN_ELFNOTE_PHYS32_ENTRY = 18;
  private static final int START_MAGIC = 0x336e_c578;
  private static final int START_INFO_SIZE = 56;
  private static final long MODULE_SIZE = 32;
  private static final long MAP_ENTRY_SIZE = 24;
  private static final long LOW_START = 0x1000;
  private static final long LOW_END = 0x9_f000;

  private PvhLoader() {}

  /** The 32-bit entry that a PVH kernel announces. */
  static OptionalLong entry(ElfImage elf) {
    return elf.note("Xen", XEN_ELFNOTE_PHYS32_ENTRY);
  }

  /**
   * Plans the load.
   *
   * @param rsdp guest-physical address of the ACPI root pointer
   */
  static KernelEntry load(
      FileImage kernel, ElfImage elf, long entry, KernelFiles files, LoadPlan plan, long rsdp) {
    elf.place(plan);
    if (entry < 0 || entry > 0xffff_ffffL || !plan.isRam(entry, 1)) {
      throw kernel.error("is damaged: its PVH entry 0x%x is not in RAM".formatted(entry));
    }
    long tables =
        plan.findLow(
            "descriptor table", KernelEntry.TABLES32_SIZE, KernelEntry.PAGE, LOW_START, LOW_END);
    plan.place("descriptor table", tables, KernelEntry.tables32());
    byte[] commandLine = (files.commandLine() + "\0").getBytes(StandardCharsets.UTF_8);
    long commandLineAt = plan.findLow("-append", commandLine.length, 16, LOW_START, LOW_END);
    plan.place("-append", commandLineAt, commandLine);

    int modules = files.initrds().isEmpty() ? 0 : 1;
    int mapEntries = plan.memoryMap().size();
    ByteBuffer info =
        ByteBuffer.allocate(
                Math.toIntExact(
                    START_INFO_SIZE + modules * MODULE_SIZE + mapEntries * MAP_ENTRY_SIZE))
            .order(ByteOrder.LITTLE_ENDIAN);
    long at = plan.findLow("start info", info.capacity(), 16, LOW_START, LOW_END);
    long moduleList = at + START_INFO_SIZE;
    info.putInt(START_MAGIC).putInt(1).putInt(0).putInt(modules);
    info.putLong(modules == 0 ? 0 : moduleList).putLong(commandLineAt).putLong(rsdp);
    info.putLong(moduleList + modules * MODULE_SIZE).putInt(mapEntries).putInt(0);
    if (modules > 0) {
      putInitrd(info, files, plan);
    }
    for (E820Entry e : plan.memoryMap()) {
      info.putLong(e.start()).putLong(e.size()).putInt(e.type().code()).putInt(0);
    }
    plan.place("start info", at, info.array());
    return new KernelEntry.Flat32(entry, 0, at, 0, tables);
  }

  private static void putInitrd(ByteBuffer info, KernelFiles files, LoadPlan plan) {
    if (files.initrds().size() > 1) {
      throw new ConfigException(
          "-initrd %s: a PVH kernel takes one initial RAM disk; a comma within a name is written twice"
              .formatted(String.join(",", files.initrds())));
    }
    FileImage initrd = FileImage.read("-initrd", files.initrds().getFirst());
    long at = plan.findHigh(initrd.name(), initrd.size(), KernelEntry.PAGE, 0x10_0000, 1L << 32);
    plan.place(initrd.name(), at, initrd.part("content", 0, initrd.size()));
    info.putLong(at).putLong(initrd.size()).putLong(0).putLong(0);
  }
}
