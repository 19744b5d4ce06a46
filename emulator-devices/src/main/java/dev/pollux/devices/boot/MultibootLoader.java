package dev.pollux.devices.boot;

import dev.pollux.devices.board.E820Entry;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalLong;

/**
 * Multiboot kernels, ELF or with the addresses in their header, and their modules (Multiboot
 * Specification 0.6.96).
 */
final class MultibootLoader {
  private static final int MAGIC = 0x1bad_b002;
  private static final long LOADED_MAGIC = 0x2bad_b002L;

  /** The header lies within this many bytes from the start. */
  private static final int SEARCH = 8192;

  /** The header says where the kernel goes. */
  private static final int FLAG_ADDRESSES = 1 << 16;

  /**
   * Required features (bits 0 to 15) that this loader has: page-aligned modules, memory map, and no
   * certain video mode.
   */
  private static final int KNOWN_REQUIRED = 0x7;

  private static final int INFO_SIZE = 120;
  private static final int INFO_MEMORY = 1;
  private static final int INFO_BOOT_DEVICE = 1 << 1;
  private static final int INFO_COMMAND_LINE = 1 << 2;
  private static final int INFO_MODULES = 1 << 3;
  private static final int INFO_MEMORY_MAP = 1 << 6;
  private static final int INFO_LOADER_NAME = 1 << 9;
  private static final int FIRST_DISK = 0x8000_ffff;

  private static final long LOW_START = 0x1000;
  private static final long LOW_END = 0x9_f000;
  private static final long FOUR_GIB = 1L << 32;

  private final FileImage kernel;
  private final KernelFiles files;
  private final LoadPlan plan;
  private final long header;

  private MultibootLoader(FileImage kernel, KernelFiles files, LoadPlan plan, long header) {
    this.kernel = kernel;
    this.files = files;
    this.plan = plan;
    this.header = header;
  }

  /** Offset of the multiboot header in the file. */
  static OptionalLong header(FileImage kernel) {
    long end = Math.min(SEARCH, kernel.size()) - 12;
    for (long at = 0; at <= end; at += 4) {
      if ((int) kernel.u32("header", at) == MAGIC
          && (int)
                  (kernel.u32("header", at)
                      + kernel.u32("header", at + 4)
                      + kernel.u32("header", at + 8))
              == 0) {
        return OptionalLong.of(at);
      }
    }
    return OptionalLong.empty();
  }

  /** Plans the load. */
  static KernelEntry load(FileImage kernel, KernelFiles files, LoadPlan plan, long header) {
    return new MultibootLoader(kernel, files, plan, header).load();
  }

  private KernelEntry load() {
    int flags = (int) kernel.u32("multiboot flags", header + 4);
    if ((flags & 0xffff & ~KNOWN_REQUIRED) != 0) {
      throw kernel.error(
          "requires multiboot features that do not exist here (flags 0x%x)".formatted(flags));
    }
    long entry = (flags & FLAG_ADDRESSES) != 0 ? placeByHeader() : placeElf();
    if (!plan.isRam(entry, 1)) {
      throw kernel.error("is damaged: its entry 0x%x is not in RAM".formatted(entry));
    }
    long tables =
        plan.findLow(
            "descriptor table", KernelEntry.TABLES32_SIZE, KernelEntry.PAGE, LOW_START, LOW_END);
    plan.place("descriptor table", tables, KernelEntry.tables32());
    return new KernelEntry.Flat32(entry, LOADED_MAGIC, placeInfo(), 0, tables);
  }

  private long placeElf() {
    if (!ElfImage.recognizes(kernel)) {
      throw kernel.error(
          "is damaged: its multiboot header gives no addresses and it is no ELF file");
    }
    ElfImage elf = ElfImage.parse(kernel);
    if (elf.is64()) {
      throw kernel.error(
          "is a 64-bit multiboot kernel; multiboot starts 32-bit ones: convert it with objcopy -O"
              + " elf32-i386");
    }
    elf.place(plan);
    return elf.entry();
  }

  /** A kernel of any format that says itself where it goes ("a.out kludge"). */
  private long placeByHeader() {
    long headerAddress = kernel.u32("multiboot header", header + 12);
    long load = kernel.u32("multiboot header", header + 16);
    long loadEnd = kernel.u32("multiboot header", header + 20);
    long bssEnd = kernel.u32("multiboot header", header + 24);
    if (load > headerAddress || headerAddress - load > header) {
      throw kernel.error(
          "is damaged: its multiboot header at file offset 0x%x, address 0x%x does not fit a load address of 0x%x"
              .formatted(header, headerAddress, load));
    }
    long offset = header - (headerAddress - load);
    if (loadEnd != 0 && loadEnd < load) {
      throw kernel.error(
          "is damaged: it ends at 0x%x, before its load address 0x%x".formatted(loadEnd, load));
    }
    long size = loadEnd == 0 ? kernel.size() - offset : loadEnd - load;
    if (bssEnd != 0 && bssEnd < load + size) {
      throw kernel.error(
          "is damaged: its bss ends at 0x%x, before its data at 0x%x"
              .formatted(bssEnd, load + size));
    }
    long memory = bssEnd == 0 ? size : bssEnd - load;
    plan.place(kernel.name(), load, kernel.part("code", offset, size), memory, memory);
    return kernel.u32("multiboot header", header + 28);
  }

  private long placeInfo() {
    List<E820Entry> map = plan.memoryMap();
    ByteBuffer info = ByteBuffer.allocate(INFO_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    info.putInt(
        0,
        INFO_MEMORY
            | INFO_BOOT_DEVICE
            | INFO_COMMAND_LINE
            | INFO_MODULES
            | INFO_MEMORY_MAP
            | INFO_LOADER_NAME);
    info.putInt(4, 640);
    info.putInt(8, (int) upperKib(map));
    info.putInt(12, FIRST_DISK);
    info.putInt(
        16, (int) placeText("command line", (files.kernel() + " " + files.commandLine()).strip()));
    info.putInt(20, files.initrds().size());
    info.putInt(24, (int) placeModules());
    ByteBuffer entries = ByteBuffer.allocate(map.size() * 24).order(ByteOrder.LITTLE_ENDIAN);
    for (E820Entry e : map) {
      entries.putInt(20).putLong(e.start()).putLong(e.size()).putInt(e.type().code());
    }
    info.putInt(44, entries.capacity());
    info.putInt(48, (int) placeLow("memory map", entries.array()));
    info.putInt(64, (int) placeText("loader name", "pollux"));
    return placeLow("multiboot information", info.array());
  }

  /** RAM from 1 MiB to the first hole. */
  private static long upperKib(List<E820Entry> map) {
    return map.stream()
        .filter(e -> e.type() == E820Entry.Type.RAM && e.start() == 0x10_0000)
        .mapToLong(e -> e.size() >> 10)
        .findFirst()
        .orElse(0);
  }

  /** Loads each module on pages of its own, above the kernel; returns the address of their list. */
  private long placeModules() {
    if (files.initrds().isEmpty()) {
      return 0;
    }
    ByteBuffer list =
        ByteBuffer.allocate(files.initrds().size() * 16).order(ByteOrder.LITTLE_ENDIAN);
    for (String text : files.initrds()) {
      FileImage module = FileImage.read("-initrd", text.split(" ", 2)[0]);
      long at = plan.findLow(module.name(), module.size(), KernelEntry.PAGE, 0x10_0000, FOUR_GIB);
      plan.place(module.name(), at, module.part("content", 0, module.size()));
      list.putInt((int) at)
          .putInt((int) (at + module.size()))
          .putInt((int) placeText("module arguments", text))
          .putInt(0);
    }
    return placeLow("module list", list.array());
  }

  private long placeText(String what, String text) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(text.getBytes(StandardCharsets.UTF_8));
    bytes.write(0);
    return placeLow(what, bytes.toByteArray());
  }

  private long placeLow(String what, byte[] data) {
    long at = plan.findLow(what, data.length, 16, LOW_START, LOW_END);
    plan.place(what, at, data);
    return at;
  }
}
