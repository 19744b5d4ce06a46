package dev.pollux.devices.boot;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.board.E820Entry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Linux's bzImage (Documentation/arch/x86/boot.rst, zero-page.rst in the kernel's sources), entered
 * in 64-bit mode, or in 32-bit mode where it has no 64-bit entry. The real-mode setup code is not
 * run; this loader provides what it would have found out.
 */
final class LinuxLoader {
  private static final int HEADER = 0x1f1;
  private static final int MAGIC = 0x202;
  private static final int SECTOR = 512;
  private static final int ZERO_PAGE_SIZE = 4096;
  private static final int MAX_E820 = 128;

  private static final int LOADED_HIGH = 0x01;
  private static final int XLF_KERNEL_64 = 0x01;
  private static final int XLF_CAN_BE_LOADED_ABOVE_4G = 0x02;
  private static final int ENTRY_64 = 0x200;

  /** A boot loader without a number of its own. */
  private static final int LOADER_UNDEFINED = 0xff;

  private static final long LEGACY_START = 0x10_0000;
  private static final long OLD_INITRD_MAX = 0x37ff_ffff;
  private static final int OLD_COMMAND_LINE_MAX = 255;

  private static final long LOW_START = 0x1000;
  private static final long LOW_END = 0x9_f000;

  private final FileImage kernel;
  private final KernelFiles files;
  private final LoadPlan plan;
  private final long rsdp;
  private final int version;

  private LinuxLoader(FileImage kernel, KernelFiles files, LoadPlan plan, long rsdp) {
    this.kernel = kernel;
    this.files = files;
    this.plan = plan;
    this.rsdp = rsdp;
    this.version = kernel.u16("protocol version", 0x206);
  }

  /** True where the file has the magic number of a Linux setup header. */
  static boolean recognizes(FileImage kernel) {
    return kernel.has(MAGIC, "HdrS");
  }

  /**
   * Plans the load.
   *
   * @param rsdp guest-physical address of the ACPI root pointer
   */
  static KernelEntry load(FileImage kernel, KernelFiles files, LoadPlan plan, long rsdp) {
    return new LinuxLoader(kernel, files, plan, rsdp).load();
  }

  private KernelEntry load() {
    if (kernel.u16("boot flag", 0x1fe) != 0xaa55) {
      throw kernel.error("is damaged: the setup header's boot flag is not 0xaa55");
    }
    if (version < 0x202) {
      throw kernel.error(
          "speaks boot protocol %d.%02d; 2.02 (Linux 2.4) or newer is needed"
              .formatted(version >> 8, version & 0xff));
    }
    if ((kernel.u8("load flags", 0x211) & LOADED_HIGH) == 0) {
      throw kernel.error("is a zImage, loaded low; build a bzImage");
    }
    MemorySegment code = code();
    long start = place(code);
    boolean long64 =
        version >= 0x20c && (kernel.u16("extended load flags", 0x236) & XLF_KERNEL_64) != 0;
    int tableSize = long64 ? KernelEntry.TABLES64_SIZE : KernelEntry.TABLES32_SIZE;
    long tables = plan.findLow("page tables", tableSize, KernelEntry.PAGE, LOW_START, LOW_END);
    plan.place(
        "page tables", tables, long64 ? KernelEntry.tables64(tables) : KernelEntry.tables32());
    long zeroPage = placeZeroPage(start);
    return long64
        ? new KernelEntry.Long64(start + ENTRY_64, zeroPage, zeroPage + ZERO_PAGE_SIZE, tables)
        : new KernelEntry.Flat32(start, 0, 0, zeroPage, tables);
  }

  /** The protected-mode part of the file. */
  private MemorySegment code() {
    int setupSectors = kernel.u8("setup size", HEADER);
    long offset = (1L + (setupSectors == 0 ? 4 : setupSectors)) * SECTOR;
    if (offset >= kernel.size()) {
      throw kernel.error(
          "is truncated: its setup code alone has %d bytes, the file %d"
              .formatted(offset, kernel.size()));
    }
    if (version >= 0x204) {
      long needed = offset + kernel.u32("code size", 0x1f4) * 16;
      if (needed > kernel.size()) {
        throw kernel.error(
            "is truncated: it has %d bytes and needs %d".formatted(kernel.size(), needed));
      }
    }
    return kernel.part("code", offset, kernel.size() - offset);
  }

  private long place(MemorySegment code) {
    long size = code.byteSize();
    long start = LEGACY_START;
    if (version >= 0x20a) {
      size = Math.max(size, kernel.u32("size for decompression", 0x260));
      start = kernel.u64("preferred address", 0x258);
      if (!plan.isRam(start, size) && kernel.u8("relocatable flag", 0x234) != 0) {
        start = elsewhere(start, size);
      }
    }
    if (!plan.isRam(start, size)) {
      throw kernel.error(
          "needs memory from 0x%x to 0x%x, beyond what the machine has; give it more with -m, here at least %dM"
              .formatted(start, start + size - 1, (start + size >>> 20) + 1));
    }
    plan.place("the kernel", start, code, code.byteSize(), size);
    return start;
  }

  /** A relocatable kernel runs above the address it prefers, never below. */
  private long elsewhere(long preferred, long size) {
    long align = kernel.u32("alignment", 0x230);
    if (Long.bitCount(align) != 1) {
      throw kernel.error("is damaged: its alignment 0x%x is no power of two".formatted(align));
    }
    if (preferred < 0) {
      throw kernel.error("is damaged: its preferred address is 0x%x".formatted(preferred));
    }
    for (E820Entry e : plan.memoryMap()) {
      long at = Math.max(e.start(), preferred) + align - 1 & -align;
      if (at < 1L << 32 && plan.isRam(at, size)) {
        return at;
      }
    }
    return preferred;
  }

  private long placeZeroPage(long start) {
    ByteBuffer page = ByteBuffer.allocate(ZERO_PAGE_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    int headerEnd = MAGIC + kernel.u8("header size", 0x201);
    byte[] header =
        kernel.part("setup header", HEADER, headerEnd - HEADER).toArray(ValueLayout.JAVA_BYTE);
    page.put(HEADER, header);
    page.put(0x210, (byte) LOADER_UNDEFINED);
    page.putShort(0x1fa, (short) 0xffff); // video mode: normal
    page.putInt(0x214, (int) start);
    page.putInt(0x228, (int) placeCommandLine());
    if (!files.initrds().isEmpty()) {
      FileImage initrd = initrd();
      long at = placeInitrd(initrd);
      page.putInt(0x218, (int) at);
      page.putInt(0x21c, (int) initrd.size());
      page.putInt(0xc0, (int) (at >>> 32));
      page.putInt(0xc4, (int) (initrd.size() >>> 32));
    }
    page.putLong(0x70, rsdp);
    putMemory(page);
    long address =
        plan.findLow(
            "boot parameters",
            ZERO_PAGE_SIZE + KernelEntry.PAGE,
            KernelEntry.PAGE,
            LOW_START,
            LOW_END);
    // One page more: room for the stack that the kernel starts with grows down from its end.
    plan.place(
        "boot parameters",
        address,
        MemorySegment.ofArray(page.array()),
        ZERO_PAGE_SIZE,
        ZERO_PAGE_SIZE + KernelEntry.PAGE);
    return address;
  }

  private void putMemory(ByteBuffer page) {
    List<E820Entry> map = plan.memoryMap();
    if (map.size() > MAX_E820) {
      throw new IllegalStateException(map.size() + " ranges of memory");
    }
    page.put(0x1e8, (byte) map.size());
    int at = 0x2d0;
    for (E820Entry e : map) {
      page.putLong(at, e.start());
      page.putLong(at + 8, e.size());
      page.putInt(at + 16, e.type().code());
      at += 20;
      if (e.type() == E820Entry.Type.RAM && e.start() == LEGACY_START) {
        long kib = e.size() >> 10;
        page.putInt(0x1e0, (int) Math.min(kib, Integer.MAX_VALUE));
        page.putShort(0x02, (short) Math.min(kib, 0xfc00));
      }
    }
  }

  private long placeCommandLine() {
    byte[] text = (files.commandLine() + "\0").getBytes(StandardCharsets.UTF_8);
    long most = version >= 0x206 ? kernel.u32("command line size", 0x238) : OLD_COMMAND_LINE_MAX;
    if (text.length - 1 > most) {
      throw new ConfigException(
          "-append: the kernel takes a command line of at most %d bytes, this one has %d; shorten it"
              .formatted(most, text.length - 1));
    }
    long at = plan.findLow("command line", text.length, 16, LOW_START, LOW_END);
    plan.place("command line", at, text);
    return at;
  }

  private FileImage initrd() {
    if (files.initrds().size() > 1) {
      throw new ConfigException(
          "-initrd %s: Linux takes one initial RAM disk; a comma within a name is written twice"
              .formatted(String.join(",", files.initrds())));
    }
    return FileImage.read("-initrd", files.initrds().getFirst());
  }

  private long placeInitrd(FileImage initrd) {
    long last = version >= 0x203 ? kernel.u32("highest initrd address", 0x22c) : OLD_INITRD_MAX;
    if (version >= 0x20c
        && (kernel.u16("extended load flags", 0x236) & XLF_CAN_BE_LOADED_ABOVE_4G) != 0) {
      last = 0xffff_ffffL;
    }
    long at = plan.findHigh(initrd.name(), initrd.size(), KernelEntry.PAGE, LEGACY_START, last + 1);
    plan.place(initrd.name(), at, initrd.part("content", 0, initrd.size()));
    return at;
  }
}
