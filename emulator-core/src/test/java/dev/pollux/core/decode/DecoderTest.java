package dev.pollux.core.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.core.cpu.CpuFeature;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DecoderTest {
  private static final Decoder ALL = new Decoder(EnumSet.allOf(CpuFeature.class));

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex.replace(" ", ""));
  }

  private static Insn decode(int mode, String hex) {
    byte[] code = bytes(hex);
    return ALL.decode(code, 0, code.length, mode);
  }

  @Test
  void tableOfEncodings() throws IOException {
    List<String> differences = new ArrayList<>();
    Set<OpcodeInfo> seen = new HashSet<>();
    for (String line : table()) {
      String[] fields = line.split(" \\| ", -1);
      byte[] code = bytes(fields[1]);
      Insn insn = ALL.decode(code, 0, code.length, Integer.parseInt(fields[0]));
      if (insn == null
          || insn.length != code.length
          || !Disassembler.text(insn).equals(fields[2])) {
        differences.add(line + " -> " + insn);
      }
      if (insn != null) {
        seen.add(insn.info);
      }
    }
    assertEquals(List.of(), differences);
    List<OpcodeInfo> missing = new ArrayList<>(OpcodeTables.rows());
    missing.removeAll(seen);
    assertEquals(List.of(), missing, "rows without an encoding in the table");
  }

  private static List<String> table() throws IOException {
    try (InputStream in = DecoderTest.class.getResourceAsStream("disassembly.txt")) {
      assertNotNull(in);
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.startsWith("#"))
          .toList();
    }
  }

  @ParameterizedTest
  @CsvSource({
    // Operand size, REX.W over 66, REX only directly before the opcode.
    "64, 66 89 d8,             'mov ax, bx'",
    "64, 66 48 89 d8,          'mov rax, rbx'",
    "64, 48 66 89 d8,          'mov ax, bx'",
    "64, 88 e0,                'mov al, ah'",
    "64, 40 88 e0,             'mov al, spl'",
    "16, 66 89 d8,             'mov eax, ebx'",
    // Segments: the null ones do nothing in 64-bit mode, also after FS.
    "64, 64 3e 8b 00,          'mov eax, dword ptr fs:[rax]'",
    "64, 2e 8b 00,             'mov eax, dword ptr [rax]'",
    "32, 2e 8b 00,             'mov eax, dword ptr cs:[eax]'",
    // Addressing.
    "64, 8b 05 10 00 00 00,    'mov eax, dword ptr [rip+0x10]'",
    "64, 67 8b 05 f0 ff ff ff, 'mov eax, dword ptr [eip-0x10]'",
    "64, 8b 04 25 10 00 00 80, 'mov eax, dword ptr [0xffffffff80000010]'",
    "64, 42 8b 04 24,          'mov eax, dword ptr [rsp+r12*1]'",
    "64, 41 8b 45 00,          'mov eax, dword ptr [r13]'",
    "64, 8b 04 ed 00 00 00 00, 'mov eax, dword ptr [rbp*8]'",
    "16, 8b 42 fe,             'mov ax, word ptr [bp+si-0x2]'",
    "16, 8b 06 34 12,          'mov ax, word ptr [0x1234]'",
    "16, 67 8b 04 8b,          'mov ax, word ptr [ebx+ecx*4]'",
    "64, 48 a1 88 77 66 55 44 33 22 11, 'mov rax, qword ptr [0x1122334455667788]'",
    "64, 67 a1 44 33 22 f1,    'mov eax, dword ptr [0xf1223344]'",
    // Mandatory prefixes: the last of F2 and F3 wins, 66 is then an ordinary prefix.
    "64, f2 f3 0f 10 c1,       'movss xmm0, xmm1'",
    "64, 66 f2 0f 10 c1,       'movsd xmm0, xmm1'",
    "64, 66 f3 0f b8 c1,       'popcnt ax, cx'",
    "64, f2 66 0f 38 f1 c1,    'crc32 eax, cx'",
    // NOP, PAUSE and the exchange with r8.
    "64, 90,                   'nop'",
    "64, f3 90,                'pause'",
    "64, 41 90,                'xchg r8d, eax'",
    "64, 48 90,                'nop'",
    // Defaults of 64-bit mode.
    "64, 50,                   'push rax'",
    "64, 66 50,                'push ax'",
    "64, 66 e8 00 00 00 00,    'call $+0x0'",
    "64, ff e0,                'jmp rax'",
    "64, 0f 22 c0,             'mov cr0, rax'",
    "64, 44 0f 20 c0,          'mov rax, cr8'",
    "64, 0f 20 00,             'mov rax, cr0'",
    "32, c4 00,                'les eax, fword ptr [eax]'",
    "32, c5 f8 77,             'vzeroupper'",
    "64, c5 f8 77,             'vzeroupper'",
    "64, c8 10 00 02,          'enter 0x10, 0x2'",
    "32, 9a 78 56 34 12 08 00, 'call far 0x8:0x12345678'",
    "64, 6a ff,                'push 0xffffffffffffffff'",
    "64, 66 83 c0 ff,          'add ax, 0xffff'",
    "64, f3 a4,                'rep movsb byte ptr es:[rdi], byte ptr [rsi]'",
    "64, c4 e2 79 90 04 e0,    '(bad)'",
    "64, c4 e2 71 90 04 d0,    'vpgatherdd xmm0, dword ptr [rax+xmm2*8], xmm1'",
    "64, c4 e2 71 90 04 c0,    '(bad)'",
    "64, c4 e2 61 90 14 60,    'vpgatherdd xmm2, dword ptr [rax+xmm4*2], xmm3'",
  })
  void text(int mode, String hex, String expected) {
    assertEquals(expected, Disassembler.text(decode(mode, hex)));
  }

  @ParameterizedTest
  @CsvSource({
    "64, 06",
    "64, 27",
    "64, 62 c0",
    "64, 9a",
    "64, ea",
    "64, d6",
    "64, 82",
    "64, ce",
    "64, 0f 04",
    "64, 0f 01 c1",
    "64, 8e c8",
    "64, 8e f0",
    "64, 0f 20 c8",
    "64, 44 0f 23 c0",
    "64, f0 90",
    "64, f0 01 c0",
    "64, f0 03 00",
    "64, f0 39 00",
    "64, f0 8b 00",
    "64, 48 c5 f8 77",
    "64, 66 c5 f8 77",
    "64, f3 c5 f8 77",
    "64, f0 c5 f8 77",
    "64, c5 f0 77",
    "64, c4 e4 79 00 00",
    "64, ff f8",
    "64, fe d0",
    "64, 8f c8",
    "64, c6 c8 00",
    "64, 0f c7 c8",
    "64, 8d c0",
    "32, 62 c0",
    "32, c4 c0 00 00",
    // An unused vvvv must be all ones, also the bit that 32-bit code ignores in a register number.
    "32, c4 c1 bc 5b e1",
    "64, f2 0f 01 d0",
    "64, 0f a6 00"
  })
  void undefined(int mode, String hex) {
    Insn insn = decode(mode, hex);
    assertSame(Op.INVALID, insn.op);
    assertFalse(insn.isValid());
  }

  @Test
  void bytesAfterTheLimitAreAskedForOnlyIfNeeded() {
    byte[] code = bytes("48 81 84 8b 78 56 34 12 44 33 22 11");
    for (int limit = 0; limit < code.length; limit++) {
      assertNull(ALL.decode(code, 0, limit, 64), "limit " + limit);
    }
    Insn insn = ALL.decode(code, 0, code.length, 64);
    assertEquals("add qword ptr [rbx+rcx*4+0x12345678], 0x11223344", insn.toString());
    assertEquals(code.length, insn.length);
    // Undefined by the opcode alone: no further byte is needed to raise #UD.
    assertEquals(Op.INVALID, decode(64, "06").op);
    assertEquals(Op.INVALID, decode(64, "0f 04").op);
    // Undefined by ModRM: its displacement is not needed.
    assertEquals(Op.INVALID, decode(64, "fe 90").op);
  }

  @Test
  void fifteenBytesAreTheLimit() {
    String prefixes = "66 ".repeat(11);
    assertEquals("(bad)", decode(64, prefixes + "66 66 66 66 90").toString());
    Insn longest = decode(32, "36 ".repeat(13) + "89 d8");
    assertEquals(15, longest.length);
    assertSame(Op.MOV, longest.op);
    Insn overlong = decode(32, "36 ".repeat(14) + "89 d8");
    assertSame(Op.OVERLONG, overlong.op);
    assertNull(overlong.info);
    assertNull(decode(32, "36 ".repeat(14)));
    assertSame(Op.OVERLONG, decode(32, "36 ".repeat(15)).op);
    assertSame(Op.OVERLONG, decode(64, "66 ".repeat(10) + "81 84 8b 78 56").op);
  }

  @Test
  void featuresDecideWhatIsDefined() {
    Set<CpuFeature> old = EnumSet.allOf(CpuFeature.class);
    old.removeAll(EnumSet.of(CpuFeature.BMI1, CpuFeature.ABM, CpuFeature.POPCNT, CpuFeature.AVX2));
    Decoder decoder = new Decoder(old);
    assertSame(Op.BSF, decoder.decode(bytes("f3 0f bc c1"), 0, 4, 64).op);
    assertSame(Op.BSR, decoder.decode(bytes("f3 0f bd c1"), 0, 4, 64).op);
    assertSame(Op.INVALID, decoder.decode(bytes("f3 0f b8 c1"), 0, 4, 64).op);
    assertSame(Op.TZCNT, decode(64, "f3 0f bc c1").op);
    assertSame(Op.VPADDB, decoder.decode(bytes("c5 f9 fc c1"), 0, 4, 64).op);
    assertSame(Op.INVALID, decoder.decode(bytes("c5 fd fc c1"), 0, 4, 64).op);
  }

  @Test
  void operandsAreDescribed() {
    Insn insn = decode(64, "f0 65 4a 0f b1 54 c5 80");
    assertEquals("lock cmpxchg qword ptr gs:[rbp+r8*8-0x80], rdx", insn.toString());
    assertTrue(insn.lock);
    assertEquals(Insn.GS, insn.segment);
    assertEquals(Insn.GS, insn.segOverride);
    assertEquals(5, insn.base);
    assertEquals(8, insn.index);
    assertEquals(3, insn.scale);
    assertEquals(-0x80, insn.disp);
    assertEquals(0, insn.memOperand);
    assertEquals(8, insn.memSize());
    assertEquals(Insn.GPR, insn.kind1);
    assertEquals(2, insn.reg1);

    assertEquals(Insn.SS, decode(64, "8b 45 00").segment);
    assertEquals(Insn.DS, decode(64, "41 8b 45 00").segment);
    assertEquals(Insn.SS, decode(64, "8b 04 24").segment);
    assertEquals(Insn.DS, decode(64, "8b 04 2b").segment);
    assertEquals(Insn.SS, decode(16, "8b 02").segment);
    Insn moffs = decode(64, "a0 01 00 00 00 00 00 00 80");
    assertEquals(Insn.REG_ZERO, moffs.base);
    assertEquals(Insn.REG_ZERO, moffs.index);
    assertEquals(0x8000_0000_0000_0001L, moffs.disp);
    Insn loop = decode(64, "67 e2 fe");
    assertEquals(Insn.REL, loop.kind0);
    assertEquals(-2, loop.imm);
    assertEquals(4, loop.addrSize);
    assertEquals(8, loop.opSize);
    Insn jcc = decode(64, "0f 87 00 00 00 00");
    assertEquals(7, jcc.cond);
    assertEquals(OpcodeInfo.CF | OpcodeInfo.ZF, jcc.flagsRead());
  }

  @Test
  void rowsDescribeFlagsAndProperties() {
    OpcodeInfo add = decode(64, "01 c0").info;
    assertEquals(OpcodeInfo.STATUS_FLAGS, add.flagsWritten);
    assertTrue(add.touchesMemory());
    assertFalse(add.endsBlock());
    OpcodeInfo shift = decode(64, "d3 e0").info;
    assertEquals(OpcodeInfo.STATUS_FLAGS, shift.flagsConditional);
    assertEquals(OpcodeInfo.OF | OpcodeInfo.AF, shift.flagsUndefined);
    assertEquals(OpcodeInfo.AF, decode(64, "d1 e0").info.flagsUndefined);
    assertEquals(OpcodeInfo.CF, decode(64, "11 c0").info.flagsRead);
    assertTrue(decode(64, "0f 22 d8").info.has(OpcodeInfo.Property.PRIV));
    assertTrue(decode(64, "0f 22 d8").info.endsBlock());
    assertFalse(decode(64, "8d 00").info.touchesMemory());
    assertTrue(decode(64, "c3").info.touchesMemory());
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void hostileBytesNeverThrow(int mode) {
    Random random = new Random(1);
    byte[] code = new byte[16];
    for (int i = 0; i < 300_000; i++) {
      random.nextBytes(code);
      if (i % 2 == 0) {
        code[0] = 0x0F;
      }
      int limit = random.nextInt(17);
      Insn insn = ALL.decode(code, 0, limit, mode);
      if (insn == null) {
        assertTrue(limit < Decoder.MAX_LENGTH);
        continue;
      }
      assertTrue(insn.length <= Math.min(limit, Decoder.MAX_LENGTH));
      assertFalse(insn.toString().isEmpty());
      // A limit at the end of the instruction changes nothing.
      Insn again = ALL.decode(code, 0, insn.length, mode);
      assertSame(insn.info, again.info);
    }
  }

  /** Every shorter prefix of an instruction asks for more bytes, and more bytes change nothing. */
  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void everyRowNeedsAllItsBytes(int mode) {
    InsnGenerator generator = new InsnGenerator(new Random(3), mode);
    int generated = 0;
    for (OpcodeInfo row : OpcodeTables.rows()) {
      byte[] code = generator.generate(row);
      if (code == null) {
        continue;
      }
      generated++;
      for (int limit = 0; limit < code.length; limit++) {
        Insn part = ALL.decode(code, 0, limit, mode);
        if (part != null) {
          fail(row + " of " + code.length + " bytes cut to " + limit + " is " + part);
        }
      }
      Insn insn = ALL.decode(Arrays.copyOf(code, 40), 0, 40, mode);
      assertSame(row, insn.info);
      assertEquals(code.length, insn.length);
    }
    assertTrue(generated > 1380, "only " + generated + " of " + OpcodeTables.rows().size());
  }

  @Test
  void listing() {
    byte[] code = Arrays.copyOf(bytes("55 48 89 e5 06 e8 00 00 00 00 eb"), 11);
    assertEquals(
        """
        0x0000000000001000:  55                               push rbp
        0x0000000000001001:  48 89 e5                         mov rbp, rsp
        0x0000000000001004:  06                               (bad)
        0x0000000000001005:  e8 00 00 00 00                   call 0x100a
        0x000000000000100a:  eb                               (bad)
        """,
        Disassembler.listing(ALL, code, 0, code.length, 0x1000, 64, 100));
  }
}
