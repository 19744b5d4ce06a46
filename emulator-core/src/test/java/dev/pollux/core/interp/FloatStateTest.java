package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.machine.BareMachine;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** When x87 and vector instructions fault, and what saving their state writes. */
class FloatStateTest {
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x2_0000;
  private static final int NO_EXCEPTION = -1;
  private static final int HLT = 0xf4;

  private BareMachine machine;
  private CpuState state;

  @BeforeEach
  void start() {
    machine = new BareMachine(4 << 20);
    machine.enterLongMode();
    state = machine.state();
    state.setU64(CpuLayout.CR4, state.u64(CpuLayout.CR4) | 1 << 18);
    state.setU64(CpuLayout.XCR0, 3);
    state.setU16(CpuLayout.FCW, 0x37f);
    state.setU32(CpuLayout.FTW, 0);
    state.setU32(CpuLayout.MXCSR, 0x1f80);
    state.setGpr(7, DATA);
  }

  @AfterEach
  void stop() {
    machine.close();
  }

  /** Runs the instructions with RDI at {@link #DATA}; returns the vector they raise. */
  private int run(String hex) {
    byte[] code = HexFormat.of().parseHex(hex.replace(" ", ""));
    byte[] all = new byte[code.length + 1];
    System.arraycopy(code, 0, all, 0, code.length);
    all[code.length] = (byte) HLT;
    machine.load(CODE, all);
    state.setRip(CODE);
    return machine.run(100) == Interpreter.Stop.EXCEPTION
        ? machine.cpu().exceptionVector()
        : NO_EXCEPTION;
  }

  /** Beyond the range for which the manuals define it FYL2XP1 is still a logarithm. */
  @Test
  void logarithmOfOnePlusMoreThanOne() {
    assertEquals(NO_EXCEPTION, run("d9e8 d9eb d9f9 db3f")); // fld1; fldpi; fyl2xp1; fstp [rdi]
    assertEquals(0x8336_3dee_a9a5_694aL, data(0));
    assertEquals(0x4000L, data(8) & 0xffff);
    assertEquals(NO_EXCEPTION, run("d9e8 d9e8 d9f9 db3f"));
    assertEquals(0x8000_0000_0000_0000L, data(0));
    assertEquals(0x3fffL, data(8) & 0xffff);
    assertEquals(NO_EXCEPTION, run("d9e8 d9eb d9e0 d9f9 db3f")); // of -pi there is none
    assertEquals(0xc90f_daa2_2168_c235L, data(0));
    assertEquals(0xc000L, data(8) & 0xffff);
  }

  private long data(int offset) {
    byte[] bytes = machine.memory(DATA + offset, 8);
    long value = 0;
    for (int i = 7; i >= 0; i--) {
      value = value << 8 | bytes[i] & 0xff;
    }
    return value;
  }

  private void putData(int offset, long value) {
    byte[] bytes = new byte[8];
    for (int i = 0; i < 8; i++) {
      bytes[i] = (byte) (value >>> 8 * i);
    }
    machine.load(DATA + offset, bytes);
  }

  @Test
  void alignedMovesRefuseOddAddresses() {
    assertEquals(NO_EXCEPTION, run("0f28 07")); // movaps xmm0, [rdi]
    assertEquals(NO_EXCEPTION, run("0f10 4701")); // movups xmm0, [rdi+1]
    assertEquals(CpuException.GP, run("0f28 4701")); // movaps xmm0, [rdi+1]
    assertEquals(CpuException.GP, run("0f29 4708")); // movaps [rdi+8], xmm0
    assertEquals(CpuException.GP, run("660ffe 4704")); // paddd xmm0, [rdi+4]
    assertEquals(NO_EXCEPTION, run("f20f58 4704")); // addsd xmm0, [rdi+4]
  }

  @Test
  void scalingADenormalByZeroUnderflows() {
    String scale = "db2f db6f10 d96f20 d9fd"; // fld [rdi]; fld [rdi+16]; fldcw [rdi+32]; fscale
    int register = CpuLayout.FPR + 6 * 16;
    putData(16, 0x1234);
    putData(32, 0x37f);
    assertEquals(NO_EXCEPTION, run(scale));
    assertEquals(0x3002, state.u16(CpuLayout.FSW));
    assertEquals(0x1234, state.u64(register));
    assertEquals(0, state.u16(register + 8));
    putData(32, 0x36f);
    assertEquals(NO_EXCEPTION, run("9bdbe3" + scale)); // finit
    assertEquals(0xb092, state.u16(CpuLayout.FSW));
    assertEquals(0x91a0_0000_0000_0000L, state.u64(register));
    assertEquals(0x5fce, state.u16(register + 8));
  }

  @Test
  void controlRegistersSwitchTheUnitsOff() {
    long cr0 = state.cr0();
    state.setU64(CpuLayout.CR0, cr0 | 8);
    assertEquals(CpuException.NM, run("0f57c0")); // xorps xmm0, xmm0
    assertEquals(CpuException.NM, run("d9e8")); // fld1
    assertEquals(CpuException.NM, run("0f77")); // emms
    assertEquals(CpuException.NM, run("0fae07")); // fxsave [rdi]
    state.setU64(CpuLayout.CR0, cr0 | 4);
    assertEquals(CpuException.UD, run("0f57c0"));
    assertEquals(CpuException.NM, run("d9e8"));
    assertEquals(CpuException.UD, run("0f77"));
    state.setU64(CpuLayout.CR0, cr0);
    state.setU64(CpuLayout.CR4, state.cr4() & ~(1L << 9));
    assertEquals(CpuException.UD, run("0f57c0"));
  }

  @Test
  void waitNeedsBothBitsToFault() {
    state.setU64(CpuLayout.CR0, state.cr0() & ~2L | 8);
    assertEquals(NO_EXCEPTION, run("9b"));
    state.setU64(CpuLayout.CR0, state.cr0() | 2);
    assertEquals(CpuException.NM, run("9b"));
  }

  @Test
  void pendingExceptionWaitsForTheNextInstruction() {
    state.setU16(CpuLayout.FCW, 0x37b);
    // fld1; fldz; fdivp: divides by zero with the exception unmasked
    assertEquals(NO_EXCEPTION, run("d9e8 d9ee def9"));
    assertEquals(0x80 | 4, state.u16(CpuLayout.FSW) & 0xff);
    assertEquals(NO_EXCEPTION, run("dfe0")); // fnstsw ax does not wait
    assertEquals(CpuException.MF, run("d9e8"));
    assertEquals(CpuException.MF, run("9b"));
    assertEquals(CpuException.MF, run("0f6ec0")); // movd mm0, eax
    assertEquals(NO_EXCEPTION, run("dbe2 9b")); // fnclex; fwait
  }

  @Test
  void withoutNumericErrorReportingThePinIsDriven() {
    List<Boolean> pin = new ArrayList<>();
    machine.machine().setFloatErrorLine(pin::add);
    state.setU64(CpuLayout.CR0, state.cr0() & ~0x20L);
    state.setU16(CpuLayout.FCW, 0x37b);
    assertEquals(NO_EXCEPTION, run("d9e8 d9ee def9")); // fld1; fldz; fdivp
    assertEquals(List.of(), pin);
    assertEquals(NO_EXCEPTION, run("9b"));
    assertEquals(List.of(true), pin);
    assertEquals(NO_EXCEPTION, run("dbe2")); // fnclex
    assertEquals(List.of(true, false), pin);
  }

  @Test
  void unmaskedSimdExceptionKeepsTheDestination() {
    state.setU32(CpuLayout.MXCSR, 0x1f80 & ~0x200);
    state.setU64(CpuLayout.YMM, 0x3ff0_0000_0000_0000L);
    state.setU64(CpuLayout.YMM + 32, 0);
    assertEquals(CpuException.XM, run("f20f5ec1")); // divsd xmm0, xmm1
    assertEquals(0x3ff0_0000_0000_0000L, state.u64(CpuLayout.YMM));
    assertEquals(4, state.u32(CpuLayout.MXCSR) & 0x3f);
    state.setU64(CpuLayout.CR4, state.cr4() & ~(1L << 10));
    assertEquals(CpuException.UD, run("f20f5ec1"));
  }

  @Test
  void reservedMxcsrBitsAreRefused() {
    putData(0, 0x1_0000);
    assertEquals(CpuException.GP, run("0fae17")); // ldmxcsr [rdi]
    putData(0, 0xffff);
    assertEquals(NO_EXCEPTION, run("0fae17"));
    putData(24, 0x1_0000);
    assertEquals(CpuException.GP, run("0fae0f")); // fxrstor [rdi]
  }

  @Test
  void fxsaveKeepsWhatFxrstorTakes() {
    assertEquals(NO_EXCEPTION, run("d9e8 d9eb")); // fld1; fldpi
    state.setU64(CpuLayout.YMM + 15 * 32, 0x1234);
    assertEquals(NO_EXCEPTION, run("0fae07 dbe3 0f57ff 0fae0f"));
    assertEquals(0x3000, state.u16(CpuLayout.FSW));
    assertEquals(0xc0, state.u32(CpuLayout.FTW) & 0xff);
    assertEquals(0xc90f_daa2_2168_c235L, data(32));
    assertEquals(0x8000_0000_0000_0000L, data(48));
    assertEquals(0x1234, state.u64(CpuLayout.YMM + 15 * 32));
    assertEquals(CpuException.GP, run("0fae4708")); // fxsave [rdi+8]
  }

  @Test
  void xsaveTellsWhatIsInUse() {
    state.setGpr(0, 3);
    assertEquals(NO_EXCEPTION, run("0fae27")); // xsave [rdi], all XMM registers zero
    assertEquals(1, data(512));
    state.setU64(CpuLayout.YMM + 32, 7);
    assertEquals(NO_EXCEPTION, run("0fae27"));
    assertEquals(3, data(512));
    state.setU64(CpuLayout.YMM + 32, 8);
    assertEquals(NO_EXCEPTION, run("0fae2f")); // xrstor [rdi]
    assertEquals(7, state.u64(CpuLayout.YMM + 32));
    assertEquals(CpuException.GP, run("0fae6710")); // xsave [rdi+16]
  }

  /** A YMM register's upper half, as one of its two words. */
  private static int upper(int register) {
    return CpuLayout.YMM + register * CpuLayout.YMM_SIZE + 16;
  }

  @Test
  void upperHalvesAreAComponentOfTheirOwn() {
    state.setU64(CpuLayout.XCR0, 7);
    state.setGpr(0, 4);
    state.setU64(upper(9), 0x9999);
    putData(512, 1);
    assertEquals(NO_EXCEPTION, run("0fae27")); // xsave [rdi]
    assertEquals(5, data(512), "the bit of x87 stays, it was not asked for");
    assertEquals(0x9999, data(576 + 16 * 9));
    assertEquals(0, data(160 + 16 * 9));
    state.setU64(upper(9), 1);
    state.setU64(upper(9) - 16, 2);
    assertEquals(NO_EXCEPTION, run("0fae2f")); // xrstor [rdi]
    assertEquals(0x9999, state.u64(upper(9)));
    assertEquals(2, state.u64(upper(9) - 16));
    putData(512, 0);
    assertEquals(NO_EXCEPTION, run("0fae2f"));
    assertEquals(0, state.u64(upper(9)), "the initial state");
  }

  @Test
  void compactedAreaHoldsWhatIsInUse() {
    state.setU64(CpuLayout.XCR0, 7);
    state.setGpr(0, 7);
    state.setU64(upper(3), 0x33);
    assertEquals(NO_EXCEPTION, run("0fc727")); // xsavec [rdi]
    assertEquals(5, data(512));
    assertEquals(0x8000_0000_0000_0007L, data(520));
    assertEquals(0x33, data(576 + 16 * 3));
    state.setU64(upper(3), 0);
    assertEquals(NO_EXCEPTION, run("0fae2f"));
    assertEquals(0x33, state.u64(upper(3)));
    putData(520, 0x8000_0000_0000_0003L); // without the component that the other word names
    assertEquals(CpuException.GP, run("0fae2f"));
  }

  @Test
  void vexNeedsAvxState() {
    String vxorps = "c5f457c0"; // vxorps ymm0, ymm1, ymm0
    assertEquals(CpuException.UD, run(vxorps), "XCR0 without AVX");
    state.setU64(CpuLayout.XCR0, 7);
    assertEquals(NO_EXCEPTION, run(vxorps));
    assertEquals(NO_EXCEPTION, run("c4e278f2c1"), "andn needs no AVX state");
    state.setU64(CpuLayout.CR0, state.cr0() | 8);
    assertEquals(CpuException.NM, run(vxorps));
    state.setU64(CpuLayout.CR4, state.cr4() & ~(1L << 18));
    assertEquals(CpuException.UD, run(vxorps));
    assertEquals(NO_EXCEPTION, run("c4e278f2c1"));
  }

  @Test
  void shortVexClearsTheUpperHalfSseKeepsIt() {
    state.setU64(CpuLayout.XCR0, 7);
    for (int i = 0; i < 16; i++) {
      state.setU64(upper(i), i + 1);
    }
    assertEquals(NO_EXCEPTION, run("0f57c1 c5f057d1")); // xorps xmm0, xmm1; vxorps xmm2, xmm1, xmm1
    assertEquals(1, state.u64(upper(0)));
    assertEquals(0, state.u64(upper(2)));
    assertEquals(NO_EXCEPTION, run("c5f877")); // vzeroupper
    for (int i = 0; i < 16; i++) {
      assertEquals(0, state.u64(upper(i)));
    }
  }

  @Test
  void xgetbvTellsWhatIsInUse() {
    state.setU64(CpuLayout.XCR0, 7);
    state.setGpr(1, 1);
    assertEquals(NO_EXCEPTION, run("0f01d0"));
    assertEquals(1, state.gpr(0));
    state.setU64(upper(15), 1);
    assertEquals(NO_EXCEPTION, run("0f01d0"));
    assertEquals(5, state.gpr(0));
  }

  @Test
  void xrstorRefusesBadHeaders() {
    state.setGpr(0, 3);
    putData(512, 4); // a component that XCR0 does not enable
    assertEquals(CpuException.GP, run("0fae2f"));
    putData(512, 1);
    putData(528, 1); // a reserved byte
    assertEquals(CpuException.GP, run("0fae2f"));
    putData(528, 0);
    assertEquals(NO_EXCEPTION, run("0fae2f"));
  }

  @Test
  void environmentIsStoredByOperandSize() {
    assertEquals(NO_EXCEPTION, run("d9e8 d937")); // fld1; fnstenv [rdi]
    assertEquals(0xffff_3800_ffff_037fL, data(0));
    assertEquals(0xffff_3fffL, data(8) & 0xffff_ffffL);
    assertEquals(CODE, data(8) >>> 32);
    assertEquals(0x1e8, data(16) >>> 16 & 0x7ff);
    assertEquals(NO_EXCEPTION, run("66d937"));
    assertEquals(0x3fff_3800_037fL, data(0) & 0xffff_ffff_ffffL);
  }
}
