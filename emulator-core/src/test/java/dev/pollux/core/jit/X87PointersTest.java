package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What FNSTENV and FNSAVE tell of the last x87 instruction that is not a control instruction (Intel
 * SDM vol. 1, 8.1.8) is the same in generated code and in the interpreter.
 */
class X87PointersTest {
  private static final int RAM = 8 << 20;
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x10_0000;
  private static final int READ_ONLY = 0x40_0000;
  private static final int HLT = 0xf4;
  private static final int ENVIRONMENT = 28;

  private BareMachine interpreter;
  private BareMachine generator;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    interpreter = machine(false);
    generator = machine(true);
  }

  private static BareMachine machine(boolean translated) {
    BareMachine m = new BareMachine(RAM, new CpuModel("qemu64"), translated);
    m.enterLongMode();
    long directories = m.state().u64(CpuLayout.CR3) + 0x2000;
    m.machine().memory().write(directories + 8 * (READ_ONLY >> 21), 8, READ_ONLY | 0xe5);
    m.vcpu().mmu().flushAll();
    return m;
  }

  @AfterEach
  void close() {
    if (interpreter != null) {
      interpreter.close();
      generator.close();
    }
  }

  /** Runs code and FNSTENV behind it with RDI at {@link #DATA}; returns the environment. */
  private static int[] environment(BareMachine m, String hex) {
    byte[] code = HexFormat.of().parseHex((hex + "d9b700010000").replace(" ", ""));
    byte[] all = Arrays.copyOf(code, code.length + 1);
    all[code.length] = (byte) HLT;
    m.load(CODE, all);
    m.load(DATA, new byte[0x200]);
    start(m);
    assertEquals(Interpreter.Stop.HALT, m.run(1000), hex);
    int[] words = new int[ENVIRONMENT / 4];
    ByteBuffer.wrap(m.memory(DATA + 0x100, ENVIRONMENT))
        .order(ByteOrder.LITTLE_ENDIAN)
        .asIntBuffer()
        .get(words);
    return words;
  }

  private static void start(BareMachine m) {
    m.state().setU16(CpuLayout.FCW, 0x37f);
    m.state().setU16(CpuLayout.FSW, 0);
    m.state().setU32(CpuLayout.FTW, 0);
    for (int field : new int[] {CpuLayout.FOP, CpuLayout.FCS, CpuLayout.FDS}) {
      m.state().setU32(field, 0);
    }
    m.state().setU64(CpuLayout.FIP, 0);
    m.state().setU64(CpuLayout.FDP, 0);
    m.state().setGpr(6, READ_ONLY);
    m.state().setGpr(7, DATA);
    m.state().setGpr(9, DATA >> 3);
    m.state().setRip(CODE);
  }

  private int[] both(String hex) {
    int[] expected = environment(interpreter, hex);
    assertEquals(
        Arrays.toString(expected), Arrays.toString(environment(generator, hex)), "after " + hex);
    assertTrue(generator.jit().translations() > 0);
    return expected;
  }

  @Test
  void theAddressOfTheInstructionBefore() {
    assertEquals(CODE, both("d9ee")[3]); // fldz
    assertEquals(0x1ee, both("d9ee")[4] >>> 16);
    assertEquals(CODE + 2, both("90 90 d9ee 31c0 90")[3]);
  }

  @Test
  void everyKindOfInstruction() {
    for (String code :
        List.of(
            "d9e8 d9eb dec1", // fld1; fldpi; faddp
            "d9e8 d9eb 90 dec1 90",
            "db07", // fild dword [rdi]
            "db47 10 d9e8", // the operand's address stays
            "dd05 10000000", // fld qword [rip+0x10]
            "d9e8 42dd1ccd 10000000", // fstp qword [r9*8+0x10]
            "67 df6f 08", // fild qword [edi+8]
            "d9e8 d95f 04 d9ee", // fstp dword [rdi+4]; fldz
            "d9e8 d97f 20", // fnstcw is a control instruction,
            "d9e8 dfe0", // so is fnstsw ax
            "d9e8 9b dbe2", // fwait; fnclex
            "d9e8 dbe0", // fneni, once
            "d9e8 d9d0", // fnop is none
            "d9e8 dbf0", // fcomi
            "d9e8 ddc0 d9f6 d9f7", // ffree, fdecstp, fincstp
            "d9ee dac1", // fcmovb
            "d9e8 0f77", // emms
            "d9e8 0fefc0", // pxor mm0, mm0
            "d9e8 eb00 db07 75fe 7400 d9ee eb00", // in several blocks
            "d9e8 d96f 30 d9ee", // fldcw of 0, which unmasks, so that the interpreter executes it
            "dbe3 d9ee dbe3")) { // fninit
      both(code);
    }
  }

  /** FNSAVE behind generated code, and FXSAVE, which tells of them while an exception waits. */
  @Test
  void savedStateIsTheSame() {
    // fldz; fild [rdi]; fnsave [rdi+0x100]
    savedPointer("d9ee db07 ddb7 00010000 f4", 12, CODE + 2);
    // fldz; fldz; fdivp; fldcw [rdi+4], which unmasks; fxsave64 [rdi+0x100]
    savedPointer("d9ee d9ee def9 d96f04 480fae87 00010000 f4", 8, CODE + 4);
  }

  private void savedPointer(String code, int at, int expected) {
    byte[][] saved = new byte[2][];
    for (int i = 0; i < 2; i++) {
      BareMachine m = i == 0 ? interpreter : generator;
      m.load(CODE, HexFormat.of().parseHex(code.replace(" ", "")));
      m.load(DATA, new byte[0x400]);
      m.load(DATA + 4, new byte[] {0x40, 3});
      start(m);
      assertEquals(Interpreter.Stop.HALT, m.run(1000), code);
      saved[i] = m.memory(DATA + 0x100, 0x200);
    }
    assertArrayEquals(saved[0], saved[1], code);
    assertEquals(expected, ByteBuffer.wrap(saved[1]).order(ByteOrder.LITTLE_ENDIAN).getInt(at));
  }

  /** An instruction that faults leaves them as they were before, or as the interpreter does. */
  @Test
  void faults() {
    byte[] code = HexFormat.of().parseHex("db07" + "d9e8" + "dd1e" + "d9ee" + "f4");
    for (BareMachine m : List.of(interpreter, generator)) { // fild [rdi]; fld1; fstp qword [rsi]
      m.load(CODE, code);
      start(m);
      assertEquals(Interpreter.Stop.EXCEPTION, m.run(1000));
      assertEquals(CODE + 4, m.state().rip());
      assertEquals(CODE + 2, m.state().u64(CpuLayout.FIP));
      assertEquals(DATA, m.state().u64(CpuLayout.FDP));
      assertEquals(0x1e8, m.state().u32(CpuLayout.FOP));
      assertEquals(m.state().segSelector(CpuLayout.CS), m.state().u32(CpuLayout.FCS));
    }
  }
}
