package dev.pollux.devices.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.board.E820Entry;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelLoaderTest {
  private static final long RAM = 64 << 20;
  private static final long RSDP = 0xf_0000;
  private static final List<E820Entry> MAP =
      List.of(
          new E820Entry(0, 0x9_fc00, E820Entry.Type.RAM),
          new E820Entry(0xf_0000, 0x1_0000, E820Entry.Type.RESERVED),
          new E820Entry(0x10_0000, RAM - 0x11_0000, E820Entry.Type.RAM),
          new E820Entry(RAM - 0x1_0000, 0x1_0000, E820Entry.Type.ACPI));

  @TempDir private Path dir;
  private RamBlock ram;
  private final AddressSpace memory = new AddressSpace("memory", new ReentrantLock());

  @BeforeEach
  void mapRam() throws IOException {
    ram = new RamBlock("ram", RAM, false);
    memory.map(0, new Region.RamRegion(ram, 0, RAM));
  }

  @AfterEach
  void unmapRam() {
    ram.close();
  }

  private KernelFiles files(byte[] kernel, String... initrds) throws IOException {
    Path file = dir.resolve("kernel");
    Files.write(file, kernel);
    return new KernelFiles(file, List.of(initrds), "console=ttyS0 quiet");
  }

  private String file(String name, byte[] content) throws IOException {
    return Files.write(dir.resolve(name), content).toString();
  }

  private KernelEntry load(KernelFiles files) {
    LoadPlan plan = new LoadPlan(MAP);
    KernelEntry entry = KernelLoader.plan(files, plan, RSDP);
    plan.write(memory);
    return entry;
  }

  private String error(KernelFiles files) {
    String message = assertThrows(ConfigException.class, () -> load(files)).getMessage();
    assertFalse(message.contains("\n"), message);
    return message;
  }

  private long u8(long address) {
    return memory.read(address, 1);
  }

  private long u32(long address) {
    return memory.read(address, 4);
  }

  private long u64(long address) {
    return memory.read(address, 8);
  }

  private String text(long address) {
    StringBuilder text = new StringBuilder();
    for (long at = address; u8(at) != 0; at++) {
      text.append((char) u8(at));
    }
    return text.toString();
  }

  private static byte[] changed(byte[] image, Consumer<java.nio.ByteBuffer> change) {
    byte[] copy = image.clone();
    change.accept(java.nio.ByteBuffer.wrap(copy).order(java.nio.ByteOrder.LITTLE_ENDIAN));
    return copy;
  }

  @Test
  void linuxIn64BitMode() throws IOException {
    byte[] initrd = new byte[5000];
    new Random(1).nextBytes(initrd);
    KernelEntry.Long64 entry =
        assertInstanceOf(
            KernelEntry.Long64.class, load(files(TestKernels.bzImage(), file("initrd", initrd))));
    assertEquals(0x100_0200, entry.rip());
    assertEquals(0xc0, u8(0x100_0000));
    assertEquals(
        0xc0 + (TestKernels.CODE_SIZE - 1) % 64, u8(0x100_0000 + TestKernels.CODE_SIZE - 1));

    long page = entry.rsi();
    assertEquals(0x5372_6448, u32(page + 0x202));
    assertEquals(0xff, u8(page + 0x210));
    assertEquals("console=ttyS0 quiet", text(u32(page + 0x228)));
    assertEquals(RSDP, u64(page + 0x70));
    assertEquals(MAP.size(), u8(page + 0x1e8));
    for (int i = 0; i < MAP.size(); i++) {
      long at = page + 0x2d0 + i * 20L;
      assertEquals(MAP.get(i).start(), u64(at));
      assertEquals(MAP.get(i).size(), u64(at + 8));
      assertEquals(MAP.get(i).type().code(), u32(at + 16));
    }
    long initrdAt = u32(page + 0x218);
    assertEquals(initrd.length, u32(page + 0x21c));
    assertEquals(RAM - 0x1_0000 - 0x2000, initrdAt);
    byte[] loaded = new byte[initrd.length];
    memory.read(initrdAt, loaded, 0, loaded.length);
    assertArrayEquals(initrd, loaded);

    // PML4, PDPT, the directory of the kernel's gigabyte, its 2 MiB page
    long pointers = u64(entry.tables()) & ~0xfffL;
    long directory = u64(pointers) & ~0xfffL;
    assertEquals(0x100_0083, u64(directory + 8 * 8));
    long last = u64(pointers + 3 * 8) & ~0xfffL;
    assertEquals(0xffe0_0083L, u64(last + 511 * 8));
    long gdt = entry.tables() + 6 * 4096;
    assertEquals(0x00af_9b00_0000_ffffL, u64(gdt + 0x10));
    assertEquals(0x00cf_9300_0000_ffffL, u64(gdt + 0x18));
  }

  @Test
  void filesAreReadAtEachReset() throws IOException {
    byte[] initrd = new byte[3 << 20];
    new Random(2).nextBytes(initrd);
    LoadPlan plan = new LoadPlan(MAP);
    KernelFiles files = files(TestKernels.bzImage(), file("initrd", initrd));
    KernelEntry.Long64 entry = (KernelEntry.Long64) KernelLoader.plan(files, plan, RSDP);
    plan.write(memory);
    long at = u32(entry.rsi() + 0x218);
    byte[] loaded = new byte[initrd.length];
    memory.read(at, loaded, 0, loaded.length);
    assertArrayEquals(initrd, loaded);

    // Replaced: what was opened counts.
    Path path = dir.resolve("initrd");
    Files.move(Path.of(file("new", new byte[100])), path, StandardCopyOption.REPLACE_EXISTING);
    memory.write(at, new byte[initrd.length], 0, initrd.length);
    plan.write(memory);
    memory.read(at, loaded, 0, loaded.length);
    assertArrayEquals(initrd, loaded);
  }

  @Test
  void zerosWhereAFileHasShrunk() throws IOException {
    byte[] initrd = new byte[3 << 20];
    Arrays.fill(initrd, (byte) 7);
    LoadPlan plan = new LoadPlan(MAP);
    KernelFiles files = files(TestKernels.bzImage(), file("initrd", initrd));
    KernelEntry.Long64 entry = (KernelEntry.Long64) KernelLoader.plan(files, plan, RSDP);
    plan.write(memory);
    long at = u32(entry.rsi() + 0x218);
    assertEquals(7, u8(at + initrd.length - 1));
    try (FileChannel file = FileChannel.open(dir.resolve("initrd"), StandardOpenOption.WRITE)) {
      file.truncate(1 << 20);
    }
    plan.write(memory);
    assertEquals(7, u8(at));
    assertEquals(0, u8(at + initrd.length - 1));
  }

  @Test
  void linuxIn32BitModeWhereThereIsNo64BitEntry() throws IOException {
    byte[] old = changed(TestKernels.bzImage(), b -> b.putShort(0x236, (short) 0));
    KernelEntry.Flat32 entry = assertInstanceOf(KernelEntry.Flat32.class, load(files(old)));
    assertEquals(0x100_0000, entry.eip());
    assertEquals(0x5372_6448, u32(entry.esi() + 0x202));
    assertEquals(0, u32(entry.esi() + 0x218));
    assertEquals(0x00cf_9b00_0000_ffffL, u64(entry.tables() + 0x10));
  }

  @Test
  void linuxBeforeRelocation() throws IOException {
    byte[] old = changed(TestKernels.bzImage(), b -> b.putShort(0x206, (short) 0x203));
    KernelEntry.Flat32 entry = assertInstanceOf(KernelEntry.Flat32.class, load(files(old)));
    assertEquals(0x10_0000, entry.eip());
  }

  @Test
  void linuxRefused() throws IOException {
    byte[] good = TestKernels.bzImage();
    assertTrue(error(files(Arrays.copyOf(good, good.length - 1))).contains("is truncated"));
    assertTrue(error(files(Arrays.copyOf(good, 0x300))).contains("is truncated"));
    assertTrue(error(files(Arrays.copyOf(good, 0x206))).contains("is truncated"));
    assertTrue(error(files(changed(good, b -> b.putShort(0x206, (short) 0x201)))).contains("2.02"));
    assertTrue(error(files(changed(good, b -> b.put(0x211, (byte) 0)))).contains("bzImage"));
    assertTrue(error(files(changed(good, b -> b.putShort(0x1fe, (short) 0)))).contains("0xaa55"));
    assertTrue(error(files(changed(good, b -> b.putInt(0x260, 0x7fff_ffff)))).contains("-m"));
    assertTrue(
        error(files(changed(good, b -> b.putLong(0x258, -1)))).contains("preferred address"));
    assertTrue(error(files(changed(good, b -> b.putInt(0x238, 5)))).contains("at most 5 bytes"));
    assertTrue(error(files(good, file("initrd", new byte[0]))).contains("is empty"));
    assertTrue(error(files(good, dir.toString())).contains("is a folder"));
    assertTrue(error(files(good, dir.resolve("missing").toString())).contains("no such file"));
    assertTrue(error(files(good, file("big", new byte[48 << 20]))).contains("more memory"));
    assertTrue(error(files(good, "a", "b")).contains("one initial RAM disk"));
    assertTrue(
        error(
                files(
                    changed(good, b -> b.putInt(0x22c, 0x17f_ffff).putShort(0x236, (short) 1)),
                    file("i", new byte[0xf8_0000])))
            .contains("no room"));
  }

  @Test
  void pvh() throws IOException {
    byte[] initrd = {1, 2, 3};
    KernelEntry.Flat32 entry =
        assertInstanceOf(
            KernelEntry.Flat32.class, load(files(TestKernels.pvhElf(), file("initrd", initrd))));
    assertEquals(0x20_0040, entry.eip());
    assertEquals(0x81, u8(0x20_0001));
    assertEquals(0, u8(0x20_0100));
    long info = entry.ebx();
    assertEquals(0x336e_c578, u32(info));
    assertEquals(1, u32(info + 4));
    assertEquals(1, u32(info + 12));
    assertEquals("console=ttyS0 quiet", text(u64(info + 24)));
    assertEquals(RSDP, u64(info + 32));
    long module = u64(info + 16);
    assertEquals(3, u64(module + 8));
    assertEquals(0x030201, u32(u64(module)) & 0xff_ffff);
    long map = u64(info + 40);
    assertEquals(MAP.size(), u32(info + 48));
    assertEquals(MAP.get(2).start(), u64(map + 2 * 24));
    assertEquals(MAP.get(2).size(), u64(map + 2 * 24 + 8));
    assertEquals(1, u32(map + 2 * 24 + 16));
  }

  @Test
  void multibootElfWithModules() throws IOException {
    String first = file("first", new byte[] {0x11});
    String second = file("second", new byte[5000]);
    KernelEntry.Flat32 entry =
        assertInstanceOf(
            KernelEntry.Flat32.class,
            load(files(TestKernels.multibootElf(), first + " some arguments", second)));
    assertEquals(0x10_0020, entry.eip());
    assertEquals(0x2bad_b002L, entry.eax());
    assertEquals(0xf4, u8(entry.eip()));
    long info = entry.ebx();
    assertEquals(0x9500, info);
    assertEquals(639, u32(info + 4));
    assertEquals((RAM - 0x11_0000) >> 10, u32(info + 8));
    assertTrue(text(u32(info + 16)).endsWith("kernel console=ttyS0 quiet"));
    assertEquals(2, u32(info + 20));
    long modules = u32(info + 24);
    // Where QEMU 7.2 puts a kernel's company: texts on the page after it, modules behind them.
    assertEquals(0x10_3000, modules);
    assertEquals(0x10_4000, u32(modules));
    assertEquals(0x10_4001, u32(modules + 4));
    assertEquals(0x11, u8(0x10_4000));
    assertEquals(0x10_3020, u32(modules + 8));
    assertEquals(first + " some arguments", text(u32(modules + 8)));
    assertEquals(0x10_5000, u32(modules + 16));
    assertEquals(0x10_3020 + (first + " some arguments").length() + 1, u32(modules + 24));
    assertEquals(second, text(u32(modules + 24)));
    assertEquals(u32(modules + 24) + second.length() + 1, u32(info + 16));
    assertEquals(MAP.size() * 24L, u32(info + 44));
    long map = u32(info + 48);
    assertEquals(0x9000, map);
    assertEquals(20, u32(map));
    assertEquals(0x10_0000, u64(map + 2 * 24 + 4));
    assertEquals("pollux", text(u32(info + 64)));
    for (long at = 0; at < 0x9000; at += 4) {
      assertEquals(0, u32(at), "low memory is the kernel's, for instance for a second processor");
    }
  }

  /** Low memory that a kernel is in is not used, be it in the way of everything. */
  @Test
  void multibootInLowMemory() throws IOException {
    byte[] low =
        changed(
            TestKernels.multibootFlat(),
            b ->
                b.putInt(0x4c, 0x8030)
                    .putInt(0x50, 0x8000)
                    .putInt(0x54, 0x8200)
                    .putInt(0x58, 0xa000)
                    .putInt(0x5c, 0x8080));
    KernelEntry.Flat32 entry = assertInstanceOf(KernelEntry.Flat32.class, load(files(low)));
    assertEquals(0x77, u8(0x8000));
    assertTrue(entry.ebx() >= 0xa000);
    assertEquals(0, u32(0x9000));
    assertTrue(u32(entry.ebx() + 48) >= 0xa000);
  }

  /** A kernel linked for high addresses and loaded low starts where its code was loaded. */
  @Test
  void multibootElfWithAVirtualEntry() throws IOException {
    byte[] virtual =
        changed(
            TestKernels.multibootElf(),
            b -> b.putInt(24, 0xc010_0020).putInt(60, 0xc010_0000).putInt(76, 5));
    assertEquals(0x10_0020, assertInstanceOf(KernelEntry.Flat32.class, load(files(virtual))).eip());
    // As in QEMU only the addresses of code are translated, and of code that is in the file.
    for (int flags : new int[] {4, 6}) {
      assertTrue(error(files(changed(virtual, b -> b.putInt(76, flags)))).contains("0xc0100020"));
    }
    for (int entry : new int[] {0xc010_0200, 0xc00f_ffff, -1}) {
      assertTrue(error(files(changed(virtual, b -> b.putInt(24, entry)))).contains("not in RAM"));
    }
  }

  @Test
  void multibootThatSaysWhereItGoes() throws IOException {
    KernelEntry.Flat32 entry =
        assertInstanceOf(KernelEntry.Flat32.class, load(files(TestKernels.multibootFlat())));
    assertEquals(0x10_0080, entry.eip());
    assertEquals(0x77, u8(0x10_0000));
    assertEquals(0x1bad_b002, u32(0x10_0030));
    byte[] damaged = changed(TestKernels.multibootFlat(), b -> b.putInt(0x50, 0x10_0031));
    assertTrue(error(files(damaged)).contains("does not fit"));
  }

  @Test
  void whatIsNoKernel() throws IOException {
    assertTrue(error(files(new byte[0])).contains("is empty"));
    assertTrue(error(files("hello".getBytes(StandardCharsets.US_ASCII))).contains("is no kernel"));
    assertTrue(error(files(new byte[100_000])).contains("is no kernel"));
    byte[] plain = changed(TestKernels.pvhElf(), b -> b.putInt(120, 0));
    assertTrue(error(files(plain)).contains("CONFIG_PVH"));
    assertTrue(
        error(files(changed(TestKernels.pvhElf(), b -> b.putShort(18, (short) 183))))
            .contains("another processor"));
    assertTrue(error(new KernelFiles(dir, List.of(), "")).contains("is a folder"));
  }

  @Test
  void overlapsAndPlacesOutsideRam() throws IOException {
    byte[] elf = TestKernels.pvhElf();
    assertTrue(error(files(changed(elf, b -> b.putLong(88, 0xa_0000)))).contains("not all RAM"));
    assertTrue(error(files(changed(elf, b -> b.putLong(104, 1L << 62)))).contains("not all RAM"));
    assertTrue(error(files(changed(elf, b -> b.putLong(104, -1)))).contains("is damaged"));
    assertTrue(
        error(files(changed(elf, b -> b.putLong(72, 0x3ff)))).contains("is truncated or damaged"));
    LoadPlan plan = new LoadPlan(MAP);
    plan.place("first", 0x20_0000, new byte[0x1000]);
    plan.place("beside", 0x20_1000, new byte[1]);
    String message =
        assertThrows(ConfigException.class, () -> plan.place("second", 0x1f_ffff, new byte[2]))
            .getMessage();
    assertTrue(message.contains("overlaps first"), message);
  }

  /** Damaged files are loaded or refused with one line, and nothing else happens. */
  @Test
  void damagedFiles() throws IOException {
    Random random = new Random(42);
    List<byte[]> kernels =
        List.of(
            TestKernels.bzImage(),
            TestKernels.pvhElf(),
            TestKernels.multibootElf(),
            TestKernels.multibootFlat());
    String module = file("module", new byte[] {1});
    int refused = 0;
    for (int i = 0; i < 2_000; i++) {
      byte[] kernel = kernels.get(i % kernels.size()).clone();
      int headers = i % kernels.size() == 0 ? 0x1f1 : 0;
      for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
        int at = headers + random.nextInt(Math.min(kernel.length, headers + 0x200) - headers);
        kernel[at] =
            switch (random.nextInt(3)) {
              case 0 -> (byte) 0xff;
              case 1 -> 0;
              default -> (byte) random.nextInt();
            };
      }
      if (random.nextInt(4) == 0) {
        kernel = Arrays.copyOf(kernel, random.nextInt(kernel.length));
      }
      KernelFiles files = files(kernel, module);
      try {
        KernelLoader.plan(files, new LoadPlan(MAP), RSDP);
      } catch (ConfigException e) {
        refused++;
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
      }
    }
    assertTrue(refused > 250 && refused < 1_900, refused + " refused");
  }
}
