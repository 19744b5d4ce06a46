package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** What lies in two pages, which are not neighbours in memory, is read in generated code, too. */
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class SplitAccessTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int CODE = 0x1_0000;
  private static final int FIRST = 0x20_0000;
  private static final int SECOND = FIRST + 0x1000;
  private static final int ELSEWHERE = FIRST + 0x7000;
  private static final int TARGET = FIRST + 0x9000;
  private static final int TABLE = 0x10_0000;
  private static final int PAGE = 0x1000;
  private static final int RSP = 4;
  private static final int RSI = 6;
  private static final int RDI = 7;

  /** Reads at RSI; HLT comes behind each. */
  private static final List<String> READS =
      List.of(
          "8b06", // mov eax, [rsi]
          "488b06", // mov rax, [rsi]
          "660fb606 668b06", // movzx ax, [rsi]; mov ax, [rsi]
          "440fb716 4c8b16", // movzx r10d, word [rsi]; mov r10, [rsi]
          "480306 483b06 480f42c1", // add rax, [rsi]; cmp rax, [rsi]; cmovb rax, rcx
          "f30f6f06", // movdqu xmm0, [rsi]
          "0f1006 f20f5806", // movups xmm0, [rsi]; addsd xmm0, [rsi]
          "db2e d91f", // fld tbyte [rsi]; fstp dword [rdi]
          "df2e df3f", // fild qword [rsi]; fistp qword [rdi]
          "a5 48a5", // movsd; movsq
          "b903000000 f348a5", // mov ecx, 3; rep movsq
          "4889f4 58 5b 5d", // mov rsp, rsi; pop rax; pop rbx; pop rbp
          "4889f4 58", // mov rsp, rsi; pop rax
          "4889f5 c9", // mov rbp, rsi; leave
          "b925000000 480fa30e", // mov ecx, 37; bt [rsi], rcx
          "ff36 58", // push qword [rsi]; pop rax
          "8b06 8b4e01 8b5602"); // three through one register

  private static final String ALIGNED = "0f2806"; // movaps xmm0, [rsi]

  private final List<BareMachine> machines = new ArrayList<>();

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    for (boolean translated : new boolean[] {false, true}) {
      BareMachine m = new BareMachine(4 << 20, new CpuModel("qemu64"), translated);
      if (translated) {
        m.jit().setPatience(patience);
      }
      machines.add(m);
      m.enterLongMode();
      long directory = m.ram().size() - BareMachine.PAGE_TABLE_BYTES + 0x2000;
      for (int i = 0; i < 512; i++) {
        map(m, FIRST + i * PAGE, (FIRST + i * PAGE) | 0x63);
      }
      map(m, SECOND, ELSEWHERE | 0x63);
      m.machine().memory().write(directory + 8, 8, TABLE | 7);
      m.vcpu().mmu().flushAll();
    }
  }

  private static void map(BareMachine m, int linear, int entry) {
    m.machine().memory().write(TABLE + (linear >> 12 & 511) * 8, 8, entry);
  }

  @AfterEach
  void close() {
    machines.forEach(BareMachine::close);
  }

  /** All that can be seen of code that reads at so many bytes before the second page. */
  private static String run(BareMachine m, String hex, int before) {
    byte[] pattern = new byte[PAGE];
    for (int i = 0; i < PAGE; i++) {
      pattern[i] = (byte) (i * 37 + (i >> 8));
    }
    m.load(FIRST, pattern);
    for (int i = 0; i < PAGE; i++) {
      pattern[i] ^= 0x5a;
    }
    m.load(ELSEWHERE, pattern);
    m.load(TARGET, new byte[64]);
    m.load(CODE, HexFormat.of().parseHex(hex.replace(" ", "") + "f4"));
    m.state().setU32(CpuLayout.FTW, 0);
    m.state().setU16(CpuLayout.FSW, 0);
    m.state().setU16(CpuLayout.FCW, 0x37f);
    for (int i = 0; i < 16; i++) {
      m.state().setGpr(i, 0x1234_5678L * i);
    }
    m.state().setGpr(RSI, SECOND - before);
    m.state().setGpr(RDI, TARGET);
    m.state().setGpr(RSP, TARGET + 0x800);
    m.state().setU64(CpuLayout.YMM, 0);
    m.state().setU64(CpuLayout.YMM + 8, 0);
    m.state().setRflags(2);
    m.state().setRip(CODE);
    StringBuilder seen = new StringBuilder(m.run(100).name());
    for (int i = 0; i < 16; i++) {
      seen.append(" %x".formatted(m.state().gpr(i)));
    }
    return seen.append(
            " xmm0 %x %x rip %x flags %x cr2 %x "
                .formatted(
                    m.state().u64(CpuLayout.YMM),
                    m.state().u64(CpuLayout.YMM + 8),
                    m.state().rip(),
                    m.state().rflags(),
                    m.state().u64(CpuLayout.CR2)))
        .append(Arrays.toString(m.memory(TARGET, 64)))
        .toString();
  }

  private void assertSame(String code, int before) {
    String expected = run(machines.get(0), code, before);
    for (int i = 0; i < 3; i++) {
      assertEquals(expected, run(machines.get(1), code, before), code + " at " + before);
    }
  }

  @Test
  void everyReadAtEveryPlace() {
    for (String code : READS) {
      for (int before = 0; before < 26; before++) {
        assertSame(code, before);
      }
    }
  }

  @Test
  void generatedCodeIsNotLeft() {
    assumeTrue(patience != 1, "it is left to be made quicker");
    for (String code : READS) {
      if (code.contains("f348a5")) {
        continue; // a repeated one's element
      }
      run(machines.get(1), code, 1);
      run(machines.get(1), code, 1);
      long before = machines.get(1).jit().entries();
      run(machines.get(1), code, 1);
      assertEquals(1, machines.get(1).jit().entries() - before, code);
    }
  }

  @Test
  void theSecondPageMayBeAbsent() {
    for (BareMachine m : machines) {
      map(m, SECOND, 0);
      m.vcpu().mmu().flushAll();
    }
    for (String code : READS) {
      for (int before : new int[] {1, 7, 9}) {
        assertSame(code, before);
      }
    }
  }

  @Test
  void whatMustBeAlignedFaults() {
    for (int before : new int[] {0, 1, 8, 16}) {
      assertSame(ALIGNED, before);
    }
    assertTrue(run(machines.get(1), ALIGNED, 8).startsWith(Interpreter.Stop.EXCEPTION.name()));
    assertTrue(run(machines.get(1), ALIGNED, 16).startsWith(Interpreter.Stop.HALT.name()));
  }
}
