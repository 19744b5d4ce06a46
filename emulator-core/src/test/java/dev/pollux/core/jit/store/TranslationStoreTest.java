package dev.pollux.core.jit.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.GeneratorHost;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.cache.BlockGroup;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Translations that outlive a machine: used where they are right, and only there. */
class TranslationStoreTest {
  private static final int RAM = 1 << 20;
  private static final int CODE = 0x1_0fc0;
  private static final int CODE_AT = 0x100;
  private static final int STACK = 0x7_0000;
  private static final int DATA = 0x5_0000;
  private static final long PURPOSE = 0x1234;

  @TempDir Path folder;

  private long translations;
  private long stored;

  @BeforeEach
  void needsGenerator() {
    GeneratorHost.assumeGenerator();
  }

  /** Calls, jumps across pages, memory, a loop: {@code rounds} times {@code step}. */
  private static byte[] program(int rounds, int step) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(CODE);
    Label again = new Label();
    Label far = new Label();
    asm.mov(OpSize.DWORD, Gpr.RCX, rounds);
    asm.mov(OpSize.DWORD, Gpr.RBX, DATA);
    asm.mov(OpSize.QWORD, Mem.of(Gpr.RBX), 0);
    asm.bind(again);
    asm.call(far);
    asm.sub(OpSize.DWORD, Gpr.RCX, 1);
    asm.jcc(Cond.NE, again);
    asm.mov(OpSize.QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
    asm.op(NullaryOp.HLT);
    asm.nop(4096);
    asm.bind(far);
    asm.push(Gpr.RCX);
    asm.add(OpSize.QWORD, Mem.of(Gpr.RBX), step);
    asm.pop(Gpr.RCX);
    asm.ret();
    return asm.finish();
  }

  private TranslationStore open() throws IOException {
    return TranslationStore.open(folder, PURPOSE);
  }

  private BareMachine machine(TranslationStore store) {
    BareMachine machine = new BareMachine(RAM, new CpuModel("qemu64"), store);
    machine.enterLongMode();
    return machine;
  }

  private static long run(BareMachine machine, byte[] program) {
    machine.load(CODE, program);
    machine.state().setGpr(4, STACK);
    machine.state().setRip(CODE);
    assertEquals(Interpreter.Stop.HALT, machine.run(1_000_000));
    return machine.state().gpr(0);
  }

  /** What the program computes in a machine with the store; counts where its blocks came from. */
  private long run(byte[] program) throws IOException {
    return run(program, 0);
  }

  private long run(byte[] program, long gsBase) throws IOException {
    try (BareMachine machine = machine(open())) {
      machine
          .state()
          .setU64(CpuLayout.SEG + CpuLayout.GS * CpuLayout.SEG_SIZE + CpuLayout.SEG_BASE, gsBase);
      long result = run(machine, program);
      translations = machine.jit().translations();
      stored = machine.jit().storedTranslations();
      return result;
    }
  }

  private Path file() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> all = files.toList();
      assertEquals(1, all.size(), all.toString());
      return all.getFirst();
    }
  }

  @Test
  void laterRunsTranslateNothing() throws IOException {
    assertEquals(30, run(program(10, 3)));
    assertEquals(0, stored);
    long made = translations;
    assertTrue(made >= 4, made + " blocks");
    for (int i = 0; i < 3; i++) {
      assertEquals(30, run(program(10, 3)));
      assertEquals(0, translations);
      assertEquals(made, stored);
    }
    assertEquals(
        PosixFilePermissions.fromString("rw-------"), Files.getPosixFilePermissions(file()));
  }

  /** One byte of a block is another: that block is translated, the others are not. */
  @Test
  void otherCodeIsTranslated() throws IOException {
    run(program(10, 3));
    assertEquals(40, run(program(10, 4)));
    assertTrue(translations >= 1 && stored >= 1, translations + " and " + stored);
    // Both are known now.
    assertEquals(30, run(program(10, 3)));
    assertEquals(0, translations);
    assertEquals(40, run(program(10, 4)));
    assertEquals(0, translations);
  }

  /** The same for code of one block, which is found by its first bytes: they stay. */
  private long run(Consumer<X86Assembler> code) throws IOException {
    return run(code, 0);
  }

  private long run(Consumer<X86Assembler> code, long gsBase) throws IOException {
    return run(onePage(code), gsBase);
  }

  private static byte[] onePage(Consumer<X86Assembler> code) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(CODE);
    Label there = new Label();
    asm.jmpNear(there);
    asm.nop(CODE_AT - 5);
    asm.bind(there);
    asm.nop(16);
    code.accept(asm);
    asm.op(NullaryOp.HLT);
    return asm.finish();
  }

  /**
   * Code of a kernel that moves at each start: the same block, with the addresses that the guest
   * has now.
   */
  @Test
  void addressesMove() throws IOException {
    for (long base = 0xffff_ffff_8b00_0000L; base < 0xffff_ffff_b000_0000L; base += 0x0120_0000) {
      long kernel = base;
      long sum =
          run(
              asm -> {
                asm.mov(OpSize.QWORD, Gpr.RAX, kernel + 0x3456);
                asm.mov(OpSize.QWORD, Gpr.RCX, 5);
                asm.lea(OpSize.QWORD, Gpr.RDX, Mem.of(Gpr.RCX, (int) kernel + 0x70));
                asm.add(OpSize.QWORD, Gpr.RAX, (int) kernel);
                asm.sub(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
                asm.cmp(OpSize.QWORD, Gpr.RDX, (int) kernel + 0x75);
                asm.setcc(Cond.E, Gpr.RCX);
                asm.add(OpSize.QWORD, Gpr.RAX, Gpr.RCX);
              });
      assertEquals(kernel + 0x3456 - 0x75 + 1, sum);
      boolean first = base == 0xffff_ffff_8b00_0000L;
      assertEquals(first ? 2 : 0, translations);
      assertEquals(first ? 0 : 2, stored);
    }
  }

  /**
   * Immediates of four and eight bytes, an absolute address. A number that is no address, but has
   * such a lower half, is always compared, and its block stays where it is.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void fieldsOfAllKindsMove(boolean number) throws IOException {
    long upper = number ? 0x1234_5678_0000_0000L : -1L << 32;
    int kept = 0;
    for (int slide = 0; slide < 3; slide++) {
      int low = 0x9000_0000 + slide * 0x20_0000;
      long value =
          run(
              asm -> {
                asm.db(0x48, 0xb8); // MOV RAX, imm64
                asm.dq(low);
                asm.db(0x48, 0xb9); // MOV RCX, imm64
                asm.dq(upper | low & 0xffff_ffffL);
                asm.sub(OpSize.QWORD, Gpr.RCX, Gpr.RAX);
                asm.db(0x48, 0x8d, 0x14, 0x25); // LEA RDX, [disp32]
                asm.dd(low);
                asm.sub(OpSize.QWORD, Gpr.RDX, Gpr.RAX);
                asm.db(0xb8); // MOV EAX, imm32
                asm.dd(low);
                asm.add(OpSize.QWORD, Gpr.RAX, Gpr.RCX);
                asm.add(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
              });
      assertEquals(upper + (1L << 32) + (low & 0xffff_ffffL), value);
      kept += (int) stored;
    }
    assertEquals(number ? 2 : 4, kept); // twice the jump's block, twice this one
  }

  /** The lower half of a number is what an address was: it stays when that moves. */
  @Test
  void numbersLikeAddressesDoNotMove() throws IOException {
    long number = 0x1234_5678_9000_0000L;
    for (int slide = 0; slide < 3; slide++) {
      int address = 0x9000_0000 + slide * 0x20_0000;
      long sum =
          run(
              asm -> {
                asm.mov(OpSize.QWORD, Gpr.RAX, number);
                asm.mov(OpSize.QWORD, Gpr.RCX, (long) address);
                asm.add(OpSize.QWORD, Gpr.RAX, Gpr.RCX);
              });
      assertEquals(number + address, sum, "slide " + slide);
    }
  }

  /** What had to be one distance has become two, or is beyond where kernels are: translated. */
  @Test
  void fieldsThatDoNotMoveAlikeAreOtherCode() throws IOException {
    int[][] pairs = {
      {0x9000_0000, 0x9100_0000},
      {0x9020_0000, 0x9120_0000},
      {0x9020_0000, 0x9100_0000},
      {0xbf00_0000, 0xc000_0000},
      {0x8000_0000, 0x8100_0000}
    };
    int[] fromStore = {0, 2, 1, 1, 1};
    for (int i = 0; i < pairs.length; i++) {
      int[] pair = pairs[i];
      long difference =
          run(
              asm -> {
                asm.mov(OpSize.QWORD, Gpr.RAX, (long) pair[1]);
                asm.sub(OpSize.QWORD, Gpr.RAX, pair[0]);
              });
      assertEquals(pair[1] - (long) pair[0], difference);
      assertEquals(fromStore[i], stored, "pair " + i);
    }
  }

  /** A CPU's own variables: GS-based, at a distance from the code that changes with its place. */
  @Test
  void distancesMove() throws IOException {
    int link = CODE + CODE_AT + 16 + 5 + 7;
    for (int slide = 0; slide < 3; slide++) {
      int distance = 0x5000_0000 - slide * 0x20_0000;
      long base = DATA - distance - link;
      long found =
          run(
              asm -> {
                asm.mov(OpSize.DWORD, Gpr.RCX, 77);
                asm.db(0x65, 0x89, 0x0d); // MOV GS:[RIP + disp32], ECX
                asm.dd(distance);
                asm.mov(OpSize.DWORD, Gpr.RBX, DATA);
                asm.mov(OpSize.DWORD, Gpr.RAX, Mem.of(Gpr.RBX));
              },
              base);
      assertEquals(77, found);
      assertEquals(slide == 0 ? 0 : 2, stored);
      assertEquals(slide == 0 ? 2 : 0, translations);
    }
  }

  /** Blocks of a page sleep until one of them executes, and jump to each other from then on. */
  @Test
  void aPageWakesAsAWhole() throws IOException {
    run(program(10, 3));
    long made = translations;
    try (BareMachine machine = machine(open())) {
      machine.load(CODE, program(10, 3));
      machine.state().setGpr(4, STACK);
      machine.state().setRip(CODE);
      machine.run(5);
      assertTrue(machine.jit().storedTranslations() >= 2, "of " + made);
      assertEquals(0, machine.jit().translations());
    }
  }

  /** The program changes while it is there. */
  @Test
  void writesDropStoredBlocks() throws IOException {
    run(program(10, 3));
    try (BareMachine machine = machine(open())) {
      assertEquals(30, run(machine, program(10, 3)));
      assertEquals(40, run(machine, program(10, 4)));
      assertEquals(30, run(machine, program(10, 3)));
    }
  }

  @Test
  void damagedFilesAreNeverExecutedWrongly() throws IOException {
    run(program(10, 3));
    Path file = file();
    byte[] whole = Files.readAllBytes(file);
    Random random = new Random(1);
    for (int i = 0; i < 300; i++) {
      byte[] damaged = whole.clone();
      if (i % 3 == 0) {
        damaged = Arrays.copyOf(whole, random.nextInt(whole.length));
      } else {
        for (int n = 0; n <= i % 5; n++) {
          damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
        }
      }
      Files.write(file, damaged);
      assertEquals(30, run(program(10, 3)), "damage " + i);
    }
    Files.write(file, whole);
    run(program(10, 3));
    assertEquals(0, translations);
  }

  /** One of two groups is damaged: the other one serves, and both do after that run. */
  @Test
  void aDamagedGroupIsTranslated() throws IOException {
    run(program(10, 3));
    long made = translations;
    byte[] all = Files.readAllBytes(file());
    for (int at = StoreFile.HEADER; at < StoreFile.HEADER + 400; at += 50) {
      byte[] damaged = all.clone();
      damaged[at] ^= 0x10;
      Files.write(file(), damaged);
      assertEquals(30, run(program(10, 3)));
      assertTrue(stored >= 1 && translations >= 1, stored + " and " + translations);
      assertEquals(made, stored + translations);
      run(program(10, 3));
      assertEquals(0, translations);
    }
  }

  /** What a group says is looked at before anything of it is used, whatever its checksum. */
  @Test
  void whatIsNotSoundIsRefused() throws IOException {
    run(program(10, 3));
    byte[] all = Files.readAllBytes(file());
    ByteBuffer header = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
    int directory = (int) header.getLong(StoreFile.DIRECTORY);
    int bytes = header.getInt(directory + Long.BYTES * header.getInt(StoreFile.GROUPS));
    Random random = new Random(1);
    int refused = 0;
    try (BlockGroup group = new BlockGroup()) {
      group.room(bytes).put(all, StoreFile.HEADER, bytes);
      assertTrue(group.isSound());
      group.room(bytes - Long.BYTES);
      assertFalse(group.isSound());
      for (int i = 0; i < 5000; i++) {
        group.room(bytes).put(all, StoreFile.HEADER, bytes);
        int at = random.nextInt(bytes);
        group.buffer().put(at, (byte) random.nextInt());
        refused += group.isSound() ? 0 : 1;
      }
    }
    assertTrue(refused > 100, refused + " refused");
  }

  /** Truncated before and while a machine runs: what it has not read yet it translates. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aFileThatShrinksIsWrittenAnew(boolean open) throws IOException {
    byte[] other = onePage(asm -> asm.mov(OpSize.DWORD, Gpr.RAX, 5));
    run(program(10, 3));
    run(other);
    try (BareMachine machine = machine(open())) {
      if (open) {
        assertEquals(5, run(machine, other));
        assertTrue(machine.jit().storedTranslations() >= 1);
        assertEquals(0, machine.jit().translations());
      }
      Files.write(file(), new byte[0]);
      assertEquals(30, run(machine, program(10, 3)));
      assertTrue(machine.jit().translations() >= 1);
    }
    assertEquals(40, run(program(10, 4)));
    assertEquals(40, run(program(10, 4)));
    assertEquals(0, translations);
  }

  /** All code is dropped: it comes back from the store, also what this run has made. */
  @Test
  void whatIsDroppedIsNotTranslatedAgain() throws IOException {
    run(program(10, 3));
    try (BareMachine machine = machine(open())) {
      assertEquals(40, run(machine, program(10, 4)));
      long made = machine.jit().translations();
      assertTrue(made >= 1);
      long woken = machine.jit().storedTranslations();
      for (int i = 1; i <= 3; i++) {
        machine.jit().flushCode();
        assertEquals(40, run(machine, program(10, 4)));
        assertEquals(made, machine.jit().translations());
        assertTrue(machine.jit().storedTranslations() > woken);
        woken = machine.jit().storedTranslations();
      }
    }
    assertEquals(30, run(program(10, 3)));
    assertEquals(0, translations);
  }

  /** More than there is room for: what is used stays, what was used longest ago goes. */
  @Test
  void aFullFileKeepsWhatIsUsed() throws IOException {
    int most = 8 << 10;
    int runs = 100;
    for (int step = 2; step <= runs; step++) {
      for (int again : new int[] {1, step}) {
        try (BareMachine machine = machine(TranslationStore.open(folder, PURPOSE, most))) {
          assertEquals(2L * again, run(machine, program(2, again)));
          if (again == 1 && step > 2) {
            assertEquals(0, machine.jit().translations(), "step " + step);
          }
        }
      }
    }
    long size = Files.size(file());
    assertTrue(size < most + 16 * HashTable.LEAST_SLOTS, "a file of " + size);
    assertTrue(size > most / 2, "a file of " + size);
    run(program(2, runs));
    assertEquals(0, translations);
    run(program(2, 2));
    assertTrue(translations >= 1, "what was used longest ago is gone");
  }

  @Test
  void anotherPurposesFileIsNotUsed() throws IOException {
    run(program(10, 3));
    Path other = folder.resolve("%016x.translations".formatted(PURPOSE + 1));
    Files.move(file(), other);
    try (BareMachine machine = machine(TranslationStore.open(folder, PURPOSE + 1))) {
      assertEquals(30, run(machine, program(10, 3)));
      assertEquals(0, machine.jit().storedTranslations());
    }
  }

  @Test
  void whatOthersMayWriteIsNotUsed() throws IOException {
    run(program(10, 3));
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-rw-rw-"));
    run(program(10, 3));
    assertEquals(0, stored);
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThrows(IOException.class, this::open);
  }

  @Test
  void aLinkIsNotFollowed() throws IOException {
    run(program(10, 3));
    Path file = file();
    Path elsewhere = Files.createTempFile("translations", "");
    try {
      Files.write(elsewhere, Files.readAllBytes(file));
      Files.delete(file);
      Files.createSymbolicLink(file, elsewhere);
      run(program(10, 3));
      assertEquals(0, stored);
    } finally {
      Files.deleteIfExists(elsewhere);
    }
  }

  /** Of two that run at once what both have made is kept. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void twoAtOnce(boolean first) throws IOException {
    if (!first) {
      run(program(10, 2));
    }
    try (BareMachine a = machine(open());
        BareMachine b = machine(open())) {
      assertEquals(30, run(a, program(10, 3)));
      assertEquals(40, run(b, program(10, 4)));
    }
    for (int step = first ? 3 : 2; step <= 4; step++) {
      assertEquals(10L * step, run(program(10, step)));
      assertEquals(0, translations, "step " + step);
    }
  }

  /** The folder goes away: the machine runs on, and nothing is kept. */
  @Test
  void whatCannotBeWrittenIsLost() throws IOException {
    TranslationStore store = open();
    try (BareMachine machine = machine(store)) {
      Files.delete(folder);
      assertEquals(30, run(machine, program(10, 3)));
    }
    assertEquals(30, run(program(10, 3)));
    assertEquals(0, stored);
  }

  /** More blocks than the file has room for at first, in several runs. */
  @Test
  void aFileGrows() throws IOException {
    for (int step = 1; step <= 12; step++) {
      assertEquals(2L * step, run(program(2, step)));
    }
    for (int step = 1; step <= 12; step++) {
      assertEquals(2L * step, run(program(2, step)));
      assertEquals(0, translations, "step " + step);
    }
  }
}
