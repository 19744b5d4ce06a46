package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.F2;
import static dev.pollux.core.jit.asm.OpcodeBits.F3;
import static dev.pollux.core.jit.asm.OpcodeBits.IMM8;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F38;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F3A;
import static dev.pollux.core.jit.asm.OpcodeBits.NO_VEX;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.ONLY_128;
import static dev.pollux.core.jit.asm.OpcodeBits.ONLY_256;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;
import static dev.pollux.core.jit.asm.OpcodeBits.VEX_ONLY;
import static dev.pollux.core.jit.asm.OpcodeBits.VEX_W;
import static dev.pollux.core.jit.asm.VectorOp.Form.RM;
import static dev.pollux.core.jit.asm.VectorOp.Form.RMEM;
import static dev.pollux.core.jit.asm.VectorOp.Form.RVM;
import static dev.pollux.core.jit.asm.VectorOp.Form.RVMR;
import static dev.pollux.core.jit.asm.VectorOp.Form.RVR;

/**
 * A vector instruction whose destination is a vector register: mandatory prefix, opcode map,
 * opcode, operand {@link Form} and what the encodings allow (Intel SDM vol. 2). One row serves the
 * legacy and the VEX encoding; a name that starts with V exists only in the latter. Scalar
 * instructions, whose vector length is ignored, are assembled with 128 bits.
 */
public enum VectorOp {
  SQRTPS(NP, M0F, 0x51, RM, 0),
  SQRTPD(P66, M0F, 0x51, RM, 0),
  SQRTSS(F3, M0F, 0x51, RVM, ONLY_128),
  SQRTSD(F2, M0F, 0x51, RVM, ONLY_128),
  RSQRTPS(NP, M0F, 0x52, RM, 0),
  RSQRTSS(F3, M0F, 0x52, RVM, ONLY_128),
  RCPPS(NP, M0F, 0x53, RM, 0),
  RCPSS(F3, M0F, 0x53, RVM, ONLY_128),
  ANDPS(NP, M0F, 0x54, RVM, 0),
  ANDPD(P66, M0F, 0x54, RVM, 0),
  ANDNPS(NP, M0F, 0x55, RVM, 0),
  ANDNPD(P66, M0F, 0x55, RVM, 0),
  ORPS(NP, M0F, 0x56, RVM, 0),
  ORPD(P66, M0F, 0x56, RVM, 0),
  XORPS(NP, M0F, 0x57, RVM, 0),
  XORPD(P66, M0F, 0x57, RVM, 0),
  UNPCKLPS(NP, M0F, 0x14, RVM, 0),
  UNPCKLPD(P66, M0F, 0x14, RVM, 0),
  UNPCKHPS(NP, M0F, 0x15, RVM, 0),
  UNPCKHPD(P66, M0F, 0x15, RVM, 0),
  ADDPS(NP, M0F, 0x58, RVM, 0),
  ADDPD(P66, M0F, 0x58, RVM, 0),
  ADDSS(F3, M0F, 0x58, RVM, ONLY_128),
  ADDSD(F2, M0F, 0x58, RVM, ONLY_128),
  MULPS(NP, M0F, 0x59, RVM, 0),
  MULPD(P66, M0F, 0x59, RVM, 0),
  MULSS(F3, M0F, 0x59, RVM, ONLY_128),
  MULSD(F2, M0F, 0x59, RVM, ONLY_128),
  SUBPS(NP, M0F, 0x5c, RVM, 0),
  SUBPD(P66, M0F, 0x5c, RVM, 0),
  SUBSS(F3, M0F, 0x5c, RVM, ONLY_128),
  SUBSD(F2, M0F, 0x5c, RVM, ONLY_128),
  MINPS(NP, M0F, 0x5d, RVM, 0),
  MINPD(P66, M0F, 0x5d, RVM, 0),
  MINSS(F3, M0F, 0x5d, RVM, ONLY_128),
  MINSD(F2, M0F, 0x5d, RVM, ONLY_128),
  DIVPS(NP, M0F, 0x5e, RVM, 0),
  DIVPD(P66, M0F, 0x5e, RVM, 0),
  DIVSS(F3, M0F, 0x5e, RVM, ONLY_128),
  DIVSD(F2, M0F, 0x5e, RVM, ONLY_128),
  MAXPS(NP, M0F, 0x5f, RVM, 0),
  MAXPD(P66, M0F, 0x5f, RVM, 0),
  MAXSS(F3, M0F, 0x5f, RVM, ONLY_128),
  MAXSD(F2, M0F, 0x5f, RVM, ONLY_128),
  CMPPS(NP, M0F, 0xc2, RVM, IMM8),
  CMPPD(P66, M0F, 0xc2, RVM, IMM8),
  CMPSS(F3, M0F, 0xc2, RVM, IMM8 | ONLY_128),
  CMPSD(F2, M0F, 0xc2, RVM, IMM8 | ONLY_128),
  SHUFPS(NP, M0F, 0xc6, RVM, IMM8),
  SHUFPD(P66, M0F, 0xc6, RVM, IMM8),
  UCOMISS(NP, M0F, 0x2e, RM, ONLY_128),
  COMISS(NP, M0F, 0x2f, RM, ONLY_128),
  UCOMISD(P66, M0F, 0x2e, RM, ONLY_128),
  COMISD(P66, M0F, 0x2f, RM, ONLY_128),
  CVTPS2PD(NP, M0F, 0x5a, RM, 0),
  CVTPD2PS(P66, M0F, 0x5a, RM, 0),
  CVTSS2SD(F3, M0F, 0x5a, RVM, ONLY_128),
  CVTSD2SS(F2, M0F, 0x5a, RVM, ONLY_128),
  CVTDQ2PS(NP, M0F, 0x5b, RM, 0),
  CVTPS2DQ(P66, M0F, 0x5b, RM, 0),
  CVTTPS2DQ(F3, M0F, 0x5b, RM, 0),
  CVTTPD2DQ(P66, M0F, 0xe6, RM, 0),
  CVTDQ2PD(F3, M0F, 0xe6, RM, 0),
  CVTPD2DQ(F2, M0F, 0xe6, RM, 0),
  MOVHLPS(NP, M0F, 0x12, RVR, ONLY_128),
  MOVLHPS(NP, M0F, 0x16, RVR, ONLY_128),
  MOVSLDUP(F3, M0F, 0x12, RM, 0),
  MOVSHDUP(F3, M0F, 0x16, RM, 0),
  MOVDDUP(F2, M0F, 0x12, RM, 0),
  ADDSUBPD(P66, M0F, 0xd0, RVM, 0),
  ADDSUBPS(F2, M0F, 0xd0, RVM, 0),
  HADDPD(P66, M0F, 0x7c, RVM, 0),
  HADDPS(F2, M0F, 0x7c, RVM, 0),
  HSUBPD(P66, M0F, 0x7d, RVM, 0),
  HSUBPS(F2, M0F, 0x7d, RVM, 0),
  PUNPCKLBW(P66, M0F, 0x60, RVM, 0),
  PUNPCKLWD(P66, M0F, 0x61, RVM, 0),
  PUNPCKLDQ(P66, M0F, 0x62, RVM, 0),
  PACKSSWB(P66, M0F, 0x63, RVM, 0),
  PCMPGTB(P66, M0F, 0x64, RVM, 0),
  PCMPGTW(P66, M0F, 0x65, RVM, 0),
  PCMPGTD(P66, M0F, 0x66, RVM, 0),
  PACKUSWB(P66, M0F, 0x67, RVM, 0),
  PUNPCKHBW(P66, M0F, 0x68, RVM, 0),
  PUNPCKHWD(P66, M0F, 0x69, RVM, 0),
  PUNPCKHDQ(P66, M0F, 0x6a, RVM, 0),
  PACKSSDW(P66, M0F, 0x6b, RVM, 0),
  PUNPCKLQDQ(P66, M0F, 0x6c, RVM, 0),
  PUNPCKHQDQ(P66, M0F, 0x6d, RVM, 0),
  PCMPEQB(P66, M0F, 0x74, RVM, 0),
  PCMPEQW(P66, M0F, 0x75, RVM, 0),
  PCMPEQD(P66, M0F, 0x76, RVM, 0),
  PSRLW(P66, M0F, 0xd1, RVM, 0),
  PSRLD(P66, M0F, 0xd2, RVM, 0),
  PSRLQ(P66, M0F, 0xd3, RVM, 0),
  PADDQ(P66, M0F, 0xd4, RVM, 0),
  PMULLW(P66, M0F, 0xd5, RVM, 0),
  PSUBUSB(P66, M0F, 0xd8, RVM, 0),
  PSUBUSW(P66, M0F, 0xd9, RVM, 0),
  PMINUB(P66, M0F, 0xda, RVM, 0),
  PAND(P66, M0F, 0xdb, RVM, 0),
  PADDUSB(P66, M0F, 0xdc, RVM, 0),
  PADDUSW(P66, M0F, 0xdd, RVM, 0),
  PMAXUB(P66, M0F, 0xde, RVM, 0),
  PANDN(P66, M0F, 0xdf, RVM, 0),
  PAVGB(P66, M0F, 0xe0, RVM, 0),
  PSRAW(P66, M0F, 0xe1, RVM, 0),
  PSRAD(P66, M0F, 0xe2, RVM, 0),
  PAVGW(P66, M0F, 0xe3, RVM, 0),
  PMULHUW(P66, M0F, 0xe4, RVM, 0),
  PMULHW(P66, M0F, 0xe5, RVM, 0),
  PSUBSB(P66, M0F, 0xe8, RVM, 0),
  PSUBSW(P66, M0F, 0xe9, RVM, 0),
  PMINSW(P66, M0F, 0xea, RVM, 0),
  POR(P66, M0F, 0xeb, RVM, 0),
  PADDSB(P66, M0F, 0xec, RVM, 0),
  PADDSW(P66, M0F, 0xed, RVM, 0),
  PMAXSW(P66, M0F, 0xee, RVM, 0),
  PXOR(P66, M0F, 0xef, RVM, 0),
  PSLLW(P66, M0F, 0xf1, RVM, 0),
  PSLLD(P66, M0F, 0xf2, RVM, 0),
  PSLLQ(P66, M0F, 0xf3, RVM, 0),
  PMULUDQ(P66, M0F, 0xf4, RVM, 0),
  PMADDWD(P66, M0F, 0xf5, RVM, 0),
  PSADBW(P66, M0F, 0xf6, RVM, 0),
  PSUBB(P66, M0F, 0xf8, RVM, 0),
  PSUBW(P66, M0F, 0xf9, RVM, 0),
  PSUBD(P66, M0F, 0xfa, RVM, 0),
  PSUBQ(P66, M0F, 0xfb, RVM, 0),
  PADDB(P66, M0F, 0xfc, RVM, 0),
  PADDW(P66, M0F, 0xfd, RVM, 0),
  PADDD(P66, M0F, 0xfe, RVM, 0),
  PSHUFD(P66, M0F, 0x70, RM, IMM8),
  PSHUFHW(F3, M0F, 0x70, RM, IMM8),
  PSHUFLW(F2, M0F, 0x70, RM, IMM8),
  PSHUFB(P66, M0F38, 0x00, RVM, 0),
  PHADDW(P66, M0F38, 0x01, RVM, 0),
  PHADDD(P66, M0F38, 0x02, RVM, 0),
  PHADDSW(P66, M0F38, 0x03, RVM, 0),
  PMADDUBSW(P66, M0F38, 0x04, RVM, 0),
  PHSUBW(P66, M0F38, 0x05, RVM, 0),
  PHSUBD(P66, M0F38, 0x06, RVM, 0),
  PHSUBSW(P66, M0F38, 0x07, RVM, 0),
  PSIGNB(P66, M0F38, 0x08, RVM, 0),
  PSIGNW(P66, M0F38, 0x09, RVM, 0),
  PSIGND(P66, M0F38, 0x0a, RVM, 0),
  PMULHRSW(P66, M0F38, 0x0b, RVM, 0),
  PMULDQ(P66, M0F38, 0x28, RVM, 0),
  PCMPEQQ(P66, M0F38, 0x29, RVM, 0),
  PACKUSDW(P66, M0F38, 0x2b, RVM, 0),
  PCMPGTQ(P66, M0F38, 0x37, RVM, 0),
  PMINSB(P66, M0F38, 0x38, RVM, 0),
  PMINSD(P66, M0F38, 0x39, RVM, 0),
  PMINUW(P66, M0F38, 0x3a, RVM, 0),
  PMINUD(P66, M0F38, 0x3b, RVM, 0),
  PMAXSB(P66, M0F38, 0x3c, RVM, 0),
  PMAXSD(P66, M0F38, 0x3d, RVM, 0),
  PMAXUW(P66, M0F38, 0x3e, RVM, 0),
  PMAXUD(P66, M0F38, 0x3f, RVM, 0),
  PMULLD(P66, M0F38, 0x40, RVM, 0),
  PBLENDVB(P66, M0F38, 0x10, RM, NO_VEX | ONLY_128),
  BLENDVPS(P66, M0F38, 0x14, RM, NO_VEX | ONLY_128),
  BLENDVPD(P66, M0F38, 0x15, RM, NO_VEX | ONLY_128),
  PTEST(P66, M0F38, 0x17, RM, 0),
  PABSB(P66, M0F38, 0x1c, RM, 0),
  PABSW(P66, M0F38, 0x1d, RM, 0),
  PABSD(P66, M0F38, 0x1e, RM, 0),
  PMOVSXBW(P66, M0F38, 0x20, RM, 0),
  PMOVSXBD(P66, M0F38, 0x21, RM, 0),
  PMOVSXBQ(P66, M0F38, 0x22, RM, 0),
  PMOVSXWD(P66, M0F38, 0x23, RM, 0),
  PMOVSXWQ(P66, M0F38, 0x24, RM, 0),
  PMOVSXDQ(P66, M0F38, 0x25, RM, 0),
  PMOVZXBW(P66, M0F38, 0x30, RM, 0),
  PMOVZXBD(P66, M0F38, 0x31, RM, 0),
  PMOVZXBQ(P66, M0F38, 0x32, RM, 0),
  PMOVZXWD(P66, M0F38, 0x33, RM, 0),
  PMOVZXWQ(P66, M0F38, 0x34, RM, 0),
  PMOVZXDQ(P66, M0F38, 0x35, RM, 0),
  PHMINPOSUW(P66, M0F38, 0x41, RM, ONLY_128),
  AESIMC(P66, M0F38, 0xdb, RM, ONLY_128),
  AESENC(P66, M0F38, 0xdc, RVM, 0),
  AESENCLAST(P66, M0F38, 0xdd, RVM, 0),
  AESDEC(P66, M0F38, 0xde, RVM, 0),
  AESDECLAST(P66, M0F38, 0xdf, RVM, 0),
  SHA1NEXTE(NP, M0F38, 0xc8, RM, NO_VEX | ONLY_128),
  SHA1MSG1(NP, M0F38, 0xc9, RM, NO_VEX | ONLY_128),
  SHA1MSG2(NP, M0F38, 0xca, RM, NO_VEX | ONLY_128),
  SHA256RNDS2(NP, M0F38, 0xcb, RM, NO_VEX | ONLY_128),
  SHA256MSG1(NP, M0F38, 0xcc, RM, NO_VEX | ONLY_128),
  SHA256MSG2(NP, M0F38, 0xcd, RM, NO_VEX | ONLY_128),
  SHA1RNDS4(NP, M0F3A, 0xcc, RM, IMM8 | NO_VEX | ONLY_128),
  ROUNDPS(P66, M0F3A, 0x08, RM, IMM8),
  ROUNDPD(P66, M0F3A, 0x09, RM, IMM8),
  ROUNDSS(P66, M0F3A, 0x0a, RVM, IMM8 | ONLY_128),
  ROUNDSD(P66, M0F3A, 0x0b, RVM, IMM8 | ONLY_128),
  BLENDPS(P66, M0F3A, 0x0c, RVM, IMM8),
  BLENDPD(P66, M0F3A, 0x0d, RVM, IMM8),
  PBLENDW(P66, M0F3A, 0x0e, RVM, IMM8),
  PALIGNR(P66, M0F3A, 0x0f, RVM, IMM8),
  DPPS(P66, M0F3A, 0x40, RVM, IMM8),
  MPSADBW(P66, M0F3A, 0x42, RVM, IMM8),
  PCLMULQDQ(P66, M0F3A, 0x44, RVM, IMM8),
  DPPD(P66, M0F3A, 0x41, RVM, IMM8 | ONLY_128),
  INSERTPS(P66, M0F3A, 0x21, RVM, IMM8 | ONLY_128),
  PCMPESTRM(P66, M0F3A, 0x60, RM, IMM8 | ONLY_128),
  PCMPESTRI(P66, M0F3A, 0x61, RM, IMM8 | ONLY_128),
  PCMPISTRM(P66, M0F3A, 0x62, RM, IMM8 | ONLY_128),
  PCMPISTRI(P66, M0F3A, 0x63, RM, IMM8 | ONLY_128),
  AESKEYGENASSIST(P66, M0F3A, 0xdf, RM, IMM8 | ONLY_128),
  VBROADCASTSS(P66, M0F38, 0x18, RM, VEX_ONLY),
  VBROADCASTSD(P66, M0F38, 0x19, RM, VEX_ONLY | ONLY_256),
  VBROADCASTF128(P66, M0F38, 0x1a, RMEM, VEX_ONLY | ONLY_256),
  VBROADCASTI128(P66, M0F38, 0x5a, RMEM, VEX_ONLY | ONLY_256),
  VPBROADCASTB(P66, M0F38, 0x78, RM, VEX_ONLY),
  VPBROADCASTW(P66, M0F38, 0x79, RM, VEX_ONLY),
  VPBROADCASTD(P66, M0F38, 0x58, RM, VEX_ONLY),
  VPBROADCASTQ(P66, M0F38, 0x59, RM, VEX_ONLY),
  VTESTPS(P66, M0F38, 0x0e, RM, VEX_ONLY),
  VTESTPD(P66, M0F38, 0x0f, RM, VEX_ONLY),
  VCVTPH2PS(P66, M0F38, 0x13, RM, VEX_ONLY),
  VPERMILPS(P66, M0F38, 0x0c, RVM, VEX_ONLY),
  VPERMILPD(P66, M0F38, 0x0d, RVM, VEX_ONLY),
  VPERMILPS_IMM(P66, M0F3A, 0x04, RM, IMM8 | VEX_ONLY),
  VPERMILPD_IMM(P66, M0F3A, 0x05, RM, IMM8 | VEX_ONLY),
  VPERM2F128(P66, M0F3A, 0x06, RVM, IMM8 | VEX_ONLY | ONLY_256),
  VPERM2I128(P66, M0F3A, 0x46, RVM, IMM8 | VEX_ONLY | ONLY_256),
  VPERMD(P66, M0F38, 0x36, RVM, VEX_ONLY | ONLY_256),
  VPERMPS(P66, M0F38, 0x16, RVM, VEX_ONLY | ONLY_256),
  VPERMQ(P66, M0F3A, 0x00, RM, IMM8 | VEX_ONLY | VEX_W | ONLY_256),
  VPERMPD(P66, M0F3A, 0x01, RM, IMM8 | VEX_ONLY | VEX_W | ONLY_256),
  VINSERTF128(P66, M0F3A, 0x18, RVM, IMM8 | VEX_ONLY | ONLY_256),
  VINSERTI128(P66, M0F3A, 0x38, RVM, IMM8 | VEX_ONLY | ONLY_256),
  VPBLENDD(P66, M0F3A, 0x02, RVM, IMM8 | VEX_ONLY),
  VBLENDVPS(P66, M0F3A, 0x4a, RVMR, VEX_ONLY),
  VBLENDVPD(P66, M0F3A, 0x4b, RVMR, VEX_ONLY),
  VPBLENDVB(P66, M0F3A, 0x4c, RVMR, VEX_ONLY),
  VPSRLVD(P66, M0F38, 0x45, RVM, VEX_ONLY),
  VPSRLVQ(P66, M0F38, 0x45, RVM, VEX_ONLY | VEX_W),
  VPSLLVD(P66, M0F38, 0x47, RVM, VEX_ONLY),
  VPSLLVQ(P66, M0F38, 0x47, RVM, VEX_ONLY | VEX_W),
  VPSRAVD(P66, M0F38, 0x46, RVM, VEX_ONLY),
  VFMADDSUB132PS(P66, M0F38, 0x96, RVM, VEX_ONLY),
  VFMADDSUB132PD(P66, M0F38, 0x96, RVM, VEX_ONLY | VEX_W),
  VFMSUBADD132PS(P66, M0F38, 0x97, RVM, VEX_ONLY),
  VFMSUBADD132PD(P66, M0F38, 0x97, RVM, VEX_ONLY | VEX_W),
  VFMADD132PS(P66, M0F38, 0x98, RVM, VEX_ONLY),
  VFMADD132PD(P66, M0F38, 0x98, RVM, VEX_ONLY | VEX_W),
  VFMADD132SS(P66, M0F38, 0x99, RVM, VEX_ONLY | ONLY_128),
  VFMADD132SD(P66, M0F38, 0x99, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFMSUB132PS(P66, M0F38, 0x9a, RVM, VEX_ONLY),
  VFMSUB132PD(P66, M0F38, 0x9a, RVM, VEX_ONLY | VEX_W),
  VFMSUB132SS(P66, M0F38, 0x9b, RVM, VEX_ONLY | ONLY_128),
  VFMSUB132SD(P66, M0F38, 0x9b, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMADD132PS(P66, M0F38, 0x9c, RVM, VEX_ONLY),
  VFNMADD132PD(P66, M0F38, 0x9c, RVM, VEX_ONLY | VEX_W),
  VFNMADD132SS(P66, M0F38, 0x9d, RVM, VEX_ONLY | ONLY_128),
  VFNMADD132SD(P66, M0F38, 0x9d, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMSUB132PS(P66, M0F38, 0x9e, RVM, VEX_ONLY),
  VFNMSUB132PD(P66, M0F38, 0x9e, RVM, VEX_ONLY | VEX_W),
  VFNMSUB132SS(P66, M0F38, 0x9f, RVM, VEX_ONLY | ONLY_128),
  VFNMSUB132SD(P66, M0F38, 0x9f, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFMADDSUB213PS(P66, M0F38, 0xa6, RVM, VEX_ONLY),
  VFMADDSUB213PD(P66, M0F38, 0xa6, RVM, VEX_ONLY | VEX_W),
  VFMSUBADD213PS(P66, M0F38, 0xa7, RVM, VEX_ONLY),
  VFMSUBADD213PD(P66, M0F38, 0xa7, RVM, VEX_ONLY | VEX_W),
  VFMADD213PS(P66, M0F38, 0xa8, RVM, VEX_ONLY),
  VFMADD213PD(P66, M0F38, 0xa8, RVM, VEX_ONLY | VEX_W),
  VFMADD213SS(P66, M0F38, 0xa9, RVM, VEX_ONLY | ONLY_128),
  VFMADD213SD(P66, M0F38, 0xa9, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFMSUB213PS(P66, M0F38, 0xaa, RVM, VEX_ONLY),
  VFMSUB213PD(P66, M0F38, 0xaa, RVM, VEX_ONLY | VEX_W),
  VFMSUB213SS(P66, M0F38, 0xab, RVM, VEX_ONLY | ONLY_128),
  VFMSUB213SD(P66, M0F38, 0xab, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMADD213PS(P66, M0F38, 0xac, RVM, VEX_ONLY),
  VFNMADD213PD(P66, M0F38, 0xac, RVM, VEX_ONLY | VEX_W),
  VFNMADD213SS(P66, M0F38, 0xad, RVM, VEX_ONLY | ONLY_128),
  VFNMADD213SD(P66, M0F38, 0xad, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMSUB213PS(P66, M0F38, 0xae, RVM, VEX_ONLY),
  VFNMSUB213PD(P66, M0F38, 0xae, RVM, VEX_ONLY | VEX_W),
  VFNMSUB213SS(P66, M0F38, 0xaf, RVM, VEX_ONLY | ONLY_128),
  VFNMSUB213SD(P66, M0F38, 0xaf, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFMADDSUB231PS(P66, M0F38, 0xb6, RVM, VEX_ONLY),
  VFMADDSUB231PD(P66, M0F38, 0xb6, RVM, VEX_ONLY | VEX_W),
  VFMSUBADD231PS(P66, M0F38, 0xb7, RVM, VEX_ONLY),
  VFMSUBADD231PD(P66, M0F38, 0xb7, RVM, VEX_ONLY | VEX_W),
  VFMADD231PS(P66, M0F38, 0xb8, RVM, VEX_ONLY),
  VFMADD231PD(P66, M0F38, 0xb8, RVM, VEX_ONLY | VEX_W),
  VFMADD231SS(P66, M0F38, 0xb9, RVM, VEX_ONLY | ONLY_128),
  VFMADD231SD(P66, M0F38, 0xb9, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFMSUB231PS(P66, M0F38, 0xba, RVM, VEX_ONLY),
  VFMSUB231PD(P66, M0F38, 0xba, RVM, VEX_ONLY | VEX_W),
  VFMSUB231SS(P66, M0F38, 0xbb, RVM, VEX_ONLY | ONLY_128),
  VFMSUB231SD(P66, M0F38, 0xbb, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMADD231PS(P66, M0F38, 0xbc, RVM, VEX_ONLY),
  VFNMADD231PD(P66, M0F38, 0xbc, RVM, VEX_ONLY | VEX_W),
  VFNMADD231SS(P66, M0F38, 0xbd, RVM, VEX_ONLY | ONLY_128),
  VFNMADD231SD(P66, M0F38, 0xbd, RVM, VEX_ONLY | VEX_W | ONLY_128),
  VFNMSUB231PS(P66, M0F38, 0xbe, RVM, VEX_ONLY),
  VFNMSUB231PD(P66, M0F38, 0xbe, RVM, VEX_ONLY | VEX_W),
  VFNMSUB231SS(P66, M0F38, 0xbf, RVM, VEX_ONLY | ONLY_128),
  VFNMSUB231SD(P66, M0F38, 0xbf, RVM, VEX_ONLY | VEX_W | ONLY_128);

  /** Operands of an instruction, in the letters of the manual: register, VEX.vvvv, r/m. */
  enum Form {
    /** destination, register or memory. */
    RM,
    /** destination, memory. */
    RMEM,
    /** destination, first source (VEX only), register or memory. */
    RVM,
    /** destination, first source (VEX only), register. */
    RVR,
    /** destination, first source, register or memory, register in the immediate. */
    RVMR;

    boolean hasFirstSource() {
      return this != RM && this != RMEM;
    }
  }

  private final int prefix;
  private final int map;
  private final int opcode;
  private final Form form;
  private final int options;

  VectorOp(int prefix, int map, int opcode, Form form, int options) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.form = form;
    this.options = options;
  }

  /** Mandatory prefix byte, 0 for none. */
  int prefix() {
    return prefix;
  }

  /** Opcode map: 1 is 0F, 2 is 0F 38, 3 is 0F 3A. */
  int map() {
    return map;
  }

  int opcode() {
    return opcode;
  }

  Form form() {
    return form;
  }

  /** Whether an 8-bit immediate follows. */
  public boolean hasImmediate() {
    return (options & OpcodeBits.IMM8) != 0;
  }

  /** Whether there is an encoding without VEX. */
  public boolean hasLegacyForm() {
    return (options & OpcodeBits.VEX_ONLY) == 0;
  }

  /** Whether there is a VEX encoding. */
  public boolean hasVexForm() {
    return (options & OpcodeBits.NO_VEX) == 0;
  }

  boolean vexW() {
    return (options & OpcodeBits.VEX_W) != 0;
  }

  /** Whether the VEX encoding exists with this vector length. */
  public boolean allows(VectorLength length) {
    return (options & (length == VectorLength.L128 ? OpcodeBits.ONLY_256 : OpcodeBits.ONLY_128))
        == 0;
  }
}
