package dev.pollux.core.jit.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Translations that outlive a machine: used where they are right, and only there. */
class TranslationStoreTest {
  private static final int RAM = 1 << 20;
  private static final int CODE = 0x1_0fc0;
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
    try (BareMachine machine = machine(open())) {
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

  /** Where a kernel has moved, and where it was linked. */
  @Test
  void blocksWithRandomAddressesAreNotKept() throws IOException {
    for (long address : new long[] {0xffff_ffff_8b12_3456L, 0xffff_ffff_8112_3456L}) {
      X86Assembler asm = new X86Assembler(CodeMode.BITS64);
      asm.org(CODE);
      asm.mov(OpSize.QWORD, Gpr.RAX, address);
      asm.op(NullaryOp.HLT);
      byte[] program = asm.finish();
      assertEquals(address, run(program));
      assertEquals(1, translations);
      assertEquals(address, run(program));
      boolean moved = address >= 0xffff_ffff_8400_0000L;
      assertEquals(moved ? 1 : 0, translations);
      assertEquals(moved ? 0 : 1, stored);
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

  /** Truncated while it is mapped: an error of the mapping, not the end of the process. */
  @Test
  void aFileThatShrinksIsNotReadAnyMore() throws IOException {
    run(program(10, 3));
    try (BareMachine machine = machine(open())) {
      Files.write(file(), new byte[0]);
      assertEquals(30, run(machine, program(10, 3)));
    }
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

  /** Of two that end one after the other the last one's file stays, whole. */
  @Test
  void twoAtOnce() throws IOException {
    try (BareMachine a = machine(open());
        BareMachine b = machine(open())) {
      assertEquals(30, run(a, program(10, 3)));
      assertEquals(40, run(b, program(10, 4)));
    }
    run(program(10, 3));
    assertEquals(0, translations);
    run(program(10, 4));
    assertTrue(stored >= 1);
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
