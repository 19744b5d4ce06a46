package dev.pollux.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GeneratedCodeTest {
  @BeforeEach
  void onlyOnX86() {
    assumeTrue(HostCpu.isX86(), "generated code needs an x86-64 host");
  }

  /** first + 2 * second + the quadword at third. */
  private static CodeBuffer sum() {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.lea(OpSize.QWORD, Gpr.RAX, Mem.of(Gpr.RDI, Gpr.RSI, 2, 0));
    asm.add(OpSize.QWORD, Gpr.RAX, Mem.of(Gpr.RDX));
    asm.ret();
    return asm.code();
  }

  @Test
  void callsWhatWasWritten() throws IOException {
    try (ExecutableMemory memory = ExecutableMemory.allocate(4096)) {
      callSum(memory);
    }
  }

  @Test
  void callsThroughTheSecondView() throws IOException {
    try (ExecutableMemory memory = ExecutableMemory.allocateSplit(4096)) {
      assertNotEquals(memory.writable(), memory.executable());
      callSum(memory);
    }
  }

  private static void callSum(ExecutableMemory memory) {
    long code = memory.write(64, sum());
    RawMemory.putLong(memory.writable(), 0x1_0000_0000L);
    assertEquals(0x1_0000_0000L + 5 + 2 * 7, NativeCall.call(code, 5, 7, memory.executable()));
    assertEquals(0x1_0000_0000L - 1, NativeCall.callCritical(code, -1, 0, memory.executable()));
  }

  @Test
  void refusesCodeThatDoesNotFit() throws IOException {
    try (ExecutableMemory memory = ExecutableMemory.allocate(4096)) {
      assertThrows(IndexOutOfBoundsException.class, () -> memory.write(4095, sum()));
      assertThrows(IndexOutOfBoundsException.class, () -> memory.write(-1, sum()));
    }
  }

  @Test
  void agreesWithTheSystemAboutFeatures() throws IOException {
    List<String> flags = flagsOfTheSystem();
    HostCpu cpu = HostCpu.get();
    assertEquals(flags.contains("avx2"), cpu.features().contains(CpuFeature.AVX2));
    assertEquals(flags.contains("popcnt"), cpu.features().contains(CpuFeature.POPCNT));
    assertEquals(flags.contains("bmi1"), cpu.features().contains(CpuFeature.BMI1));
    assertTrue(cpu.features().contains(CpuFeature.SSE2));
    if (flags.contains("avx")) {
      assertEquals(7, cpu.xcr0() & 7, "x87, SSE and AVX state are enabled");
    }
  }

  private static List<String> flagsOfTheSystem() throws IOException {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      String line = lines.filter(l -> l.startsWith("flags")).findFirst().orElseThrow();
      return Arrays.asList(line.split("\\s+"));
    }
  }
}
