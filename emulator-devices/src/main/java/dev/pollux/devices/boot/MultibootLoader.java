package dev.pollux.devices.boot;

import dev.pollux.devices.board.E820Entry;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * Multiboot kernels, ELF or with the addresses in their header, and their modules (Multiboot
 * Specification 0.6.96). Everything lies where QEMU 7.2 puts it, for kernels take much of the rest
 * for free:
 *
 * <pre>
 *   0x9000    memory map          kernel's end, next page    list of modules, command lines, name
 *   0x9500    information         the pages after that       modules, each on pages of its own
 * </pre>
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

  private static final int MODULE_SIZE = 16;

  private static final long MAP_ADDRESS = 0x9000;
  private static final long INFO_ADDRESS = 0x9500;

  /** As far up in low memory as it goes, where nobody looks for room. */
  private static final long TABLES_START = 0x1_0000;

  private static final long LOW_END = 0x9_f000;
  private static final long ONE_MIB = 0x10_0000;
  private static final long FOUR_GIB = 1L << 32;
  private static final String LOADER_NAME = "pollux";

  private final FileImage kernel;
  private final KernelFiles files;
  private final LoadPlan plan;
  private final long header;

  /** First address after the kernel. */
  private long kernelEnd;

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
        plan.findHigh(
            "descriptor table", KernelEntry.TABLES32_SIZE, KernelEntry.PAGE, TABLES_START, LOW_END);
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
    kernelEnd = elf.place(plan);
    return elf.physicalEntry();
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
    kernelEnd = load + memory;
    return kernel.u32("multiboot header", header + 28);
  }

  private long placeInfo() {
    List<E820Entry> map = plan.memoryMap();
    ByteBuffer entries = ByteBuffer.allocate(map.size() * 24).order(ByteOrder.LITTLE_ENDIAN);
    for (E820Entry e : map) {
      entries.putInt(20).putLong(e.start()).putLong(e.size()).putInt(e.type().code());
    }
    long mapAt = placeLow("memory map", MAP_ADDRESS, entries.array());
    ByteBuffer info = ByteBuffer.allocate(INFO_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    // What is placed is written later, when all is filled in.
    long infoAt = placeLow("multiboot information", INFO_ADDRESS, info.array());
    info.putInt(
        0,
        INFO_MEMORY
            | INFO_BOOT_DEVICE
            | INFO_COMMAND_LINE
            | INFO_MODULES
            | INFO_MEMORY_MAP
            | INFO_LOADER_NAME);
    info.putInt(4, (int) kib(map, 0));
    info.putInt(8, (int) kib(map, ONE_MIB));
    info.putInt(12, FIRST_DISK);
    placeModules(info);
    info.putInt(44, entries.capacity());
    info.putInt(48, (int) mapAt);
    return infoAt;
  }

  /** RAM from this address to the first hole. */
  private static long kib(List<E820Entry> map, long start) {
    return map.stream()
        .filter(e -> e.type() == E820Entry.Type.RAM && e.start() == start)
        .mapToLong(e -> e.size() >> 10)
        .findFirst()
        .orElse(0);
  }

  /** Loads the modules, their list and all texts above the kernel. */
  private void placeModules(ByteBuffer info) {
    List<String> texts = new ArrayList<>(files.initrds());
    texts.add((files.kernel() + " " + files.commandLine()).strip());
    texts.add(LOADER_NAME);
    int listSize = files.initrds().size() * MODULE_SIZE;
    ByteArrayOutputStream strings = new ByteArrayOutputStream();
    List<Integer> offsets = new ArrayList<>();
    for (String text : texts) {
      offsets.add(listSize + strings.size());
      strings.writeBytes(text.getBytes(StandardCharsets.UTF_8));
      strings.write(0);
    }
    ByteBuffer block =
        ByteBuffer.allocate(listSize + strings.size()).order(ByteOrder.LITTLE_ENDIAN);
    long at =
        plan.findLow("command lines", block.capacity(), KernelEntry.PAGE, kernelEnd, FOUR_GIB);
    plan.place("command lines", at, block.array());
    for (int i = 0; i < files.initrds().size(); i++) {
      FileImage module = FileImage.read("-initrd", files.initrds().get(i).split(" ", 2)[0]);
      long start = plan.findLow(module.name(), module.size(), KernelEntry.PAGE, at, FOUR_GIB);
      plan.place(module.name(), start, module.part("content", 0, module.size()));
      block.putInt((int) start).putInt((int) (start + module.size()));
      block.putInt((int) at + offsets.get(i)).putInt(0);
    }
    block.put(strings.toByteArray());
    info.putInt(16, (int) at + offsets.get(offsets.size() - 2));
    info.putInt(20, files.initrds().size());
    info.putInt(24, (int) at);
    info.putInt(64, (int) at + offsets.getLast());
  }

  private long placeLow(String what, long from, byte[] data) {
    long at = plan.findLow(what, data.length, 16, from, LOW_END);
    plan.place(what, at, data);
    return at;
  }
}
