package dev.pollux.core.jit.asm;

/** Instructions without written operands, each a fixed run of bytes. */
public enum NullaryOp {
  AAA(Modes.NOT_64, 0x37),
  AAS(Modes.NOT_64, 0x3f),
  DAA(Modes.NOT_64, 0x27),
  DAS(Modes.NOT_64, 0x2f),
  INTO(Modes.NOT_64, 0xce),
  PUSHA(Modes.NOT_64, 0x60),
  POPA(Modes.NOT_64, 0x61),
  CLC(Modes.ANY, 0xf8),
  STC(Modes.ANY, 0xf9),
  CMC(Modes.ANY, 0xf5),
  CLD(Modes.ANY, 0xfc),
  STD(Modes.ANY, 0xfd),
  CLI(Modes.ANY, 0xfa),
  STI(Modes.ANY, 0xfb),
  CLTS(Modes.ANY, 0x0f, 0x06),
  CPUID(Modes.ANY, 0x0f, 0xa2),
  HLT(Modes.ANY, 0xf4),
  INT1(Modes.ANY, 0xf1),
  INT3(Modes.ANY, 0xcc),
  INVD(Modes.ANY, 0x0f, 0x08),
  WBINVD(Modes.ANY, 0x0f, 0x09),
  LAHF(Modes.ANY, 0x9f),
  SAHF(Modes.ANY, 0x9e),
  LEAVE(Modes.ANY, 0xc9),
  MONITOR(Modes.ANY, 0x0f, 0x01, 0xc8),
  MWAIT(Modes.ANY, 0x0f, 0x01, 0xc9),
  CLAC(Modes.ANY, 0x0f, 0x01, 0xca),
  STAC(Modes.ANY, 0x0f, 0x01, 0xcb),
  XGETBV(Modes.ANY, 0x0f, 0x01, 0xd0),
  XSETBV(Modes.ANY, 0x0f, 0x01, 0xd1),
  RDPKRU(Modes.ANY, 0x0f, 0x01, 0xee),
  WRPKRU(Modes.ANY, 0x0f, 0x01, 0xef),
  SWAPGS(Modes.ONLY_64, 0x0f, 0x01, 0xf8),
  RDTSCP(Modes.ANY, 0x0f, 0x01, 0xf9),
  RDTSC(Modes.ANY, 0x0f, 0x31),
  RDPMC(Modes.ANY, 0x0f, 0x33),
  RDMSR(Modes.ANY, 0x0f, 0x32),
  WRMSR(Modes.ANY, 0x0f, 0x30),
  SYSCALL(Modes.ONLY_64, 0x0f, 0x05),
  SYSRET(Modes.ONLY_64, 0x0f, 0x07),
  /** SYSRET to 64-bit code. */
  SYSRETQ(Modes.ONLY_64, 0x48, 0x0f, 0x07),
  SYSENTER(Modes.ANY, 0x0f, 0x34),
  SYSEXIT(Modes.ANY, 0x0f, 0x35),
  /** SYSEXIT to 64-bit code. */
  SYSEXITQ(Modes.ONLY_64, 0x48, 0x0f, 0x35),
  LFENCE(Modes.ANY, 0x0f, 0xae, 0xe8),
  MFENCE(Modes.ANY, 0x0f, 0xae, 0xf0),
  SFENCE(Modes.ANY, 0x0f, 0xae, 0xf8),
  PAUSE(Modes.ANY, 0xf3, 0x90),
  UD2(Modes.ANY, 0x0f, 0x0b),
  XLAT(Modes.ANY, 0xd7),
  ENDBR64(Modes.ANY, 0xf3, 0x0f, 0x1e, 0xfa),
  VZEROUPPER(Modes.ANY, 0xc5, 0xf8, 0x77),
  VZEROALL(Modes.ANY, 0xc5, 0xfc, 0x77),
  EMMS(Modes.ANY, 0x0f, 0x77),
  FWAIT(Modes.ANY, 0x9b),
  FNSTSW_AX(Modes.ANY, 0xdf, 0xe0),
  FNCLEX(Modes.ANY, 0xdb, 0xe2),
  FNINIT(Modes.ANY, 0xdb, 0xe3),
  FNOP(Modes.ANY, 0xd9, 0xd0),
  FCHS(Modes.ANY, 0xd9, 0xe0),
  FABS(Modes.ANY, 0xd9, 0xe1),
  FTST(Modes.ANY, 0xd9, 0xe4),
  FXAM(Modes.ANY, 0xd9, 0xe5),
  FLD1(Modes.ANY, 0xd9, 0xe8),
  FLDL2T(Modes.ANY, 0xd9, 0xe9),
  FLDL2E(Modes.ANY, 0xd9, 0xea),
  FLDPI(Modes.ANY, 0xd9, 0xeb),
  FLDLG2(Modes.ANY, 0xd9, 0xec),
  FLDLN2(Modes.ANY, 0xd9, 0xed),
  FLDZ(Modes.ANY, 0xd9, 0xee),
  F2XM1(Modes.ANY, 0xd9, 0xf0),
  FYL2X(Modes.ANY, 0xd9, 0xf1),
  FPTAN(Modes.ANY, 0xd9, 0xf2),
  FPATAN(Modes.ANY, 0xd9, 0xf3),
  FXTRACT(Modes.ANY, 0xd9, 0xf4),
  FPREM1(Modes.ANY, 0xd9, 0xf5),
  FDECSTP(Modes.ANY, 0xd9, 0xf6),
  FINCSTP(Modes.ANY, 0xd9, 0xf7),
  FPREM(Modes.ANY, 0xd9, 0xf8),
  FYL2XP1(Modes.ANY, 0xd9, 0xf9),
  FSQRT(Modes.ANY, 0xd9, 0xfa),
  FSINCOS(Modes.ANY, 0xd9, 0xfb),
  FRNDINT(Modes.ANY, 0xd9, 0xfc),
  FSCALE(Modes.ANY, 0xd9, 0xfd),
  FSIN(Modes.ANY, 0xd9, 0xfe),
  FCOS(Modes.ANY, 0xd9, 0xff),
  FCOMPP(Modes.ANY, 0xde, 0xd9),
  FUCOMPP(Modes.ANY, 0xda, 0xe9);

  /** Code modes in which an instruction exists. */
  enum Modes {
    ANY,
    NOT_64,
    ONLY_64
  }

  private final Modes modes;
  private final int length;
  private final int bytes;

  NullaryOp(Modes modes, int... bytes) {
    this.modes = modes;
    this.length = bytes.length;
    int packed = 0;
    for (int i = 0; i < bytes.length; i++) {
      packed |= bytes[i] << (8 * i);
    }
    this.bytes = packed;
  }

  /** Length in bytes, 1 to 4. */
  int length() {
    return length;
  }

  /** The bytes, first one lowest. */
  int bytes() {
    return bytes;
  }

  boolean allows(CodeMode mode) {
    return switch (modes) {
      case ANY -> true;
      case NOT_64 -> mode != CodeMode.BITS64;
      case ONLY_64 -> mode == CodeMode.BITS64;
    };
  }
}
