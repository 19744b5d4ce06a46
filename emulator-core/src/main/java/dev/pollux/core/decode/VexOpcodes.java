package dev.pollux.core.decode;

/**
 * The VEX-encoded instructions (Intel SDM volume 2, the {@code VEX.} opcode columns). A line {@code
 * map 0F38} names the opcode map of the rows that follow. The notation is described at {@link
 * OpcodeTables}.
 */
final class VexOpcodes {
  private VexOpcodes() {}

  static final String TABLE =
      """
      map 0F
      10         NP     VMOVUPS    Vx,Wx            AVX
      10         66     VMOVUPD    Vx,Wx            AVX
      10 /m      F3     VMOVSS     Vdq,Wss          AVX
      10 /r      F3     VMOVSS     Vdq,Hdq,Wss      AVX
      10 /m      F2     VMOVSD     Vdq,Wsd          AVX
      10 /r      F2     VMOVSD     Vdq,Hdq,Wsd      AVX
      11         NP     VMOVUPS    Wx,Vx            AVX
      11         66     VMOVUPD    Wx,Vx            AVX
      11 /m      F3     VMOVSS     Wss,Vss          AVX
      11 /r      F3     VMOVSS     Wdq,Hdq,Vss      AVX alias
      11 /m      F2     VMOVSD     Wsd,Vsd          AVX
      11 /r      F2     VMOVSD     Wdq,Hdq,Vsd      AVX alias
      12 /m      NP.L0  VMOVLPS    Vdq,Hdq,Mq       AVX
      12 /r      NP.L0  VMOVHLPS   Vdq,Hdq,Udq      AVX
      12         66.L0  VMOVLPD    Vdq,Hdq,Mq       AVX
      12         F3     VMOVSLDUP  Vx,Wx            AVX
      12         F2.L0  VMOVDDUP   Vdq,Wq           AVX
      12         F2.L1  VMOVDDUP   Vqq,Wqq          AVX
      13         NP.L0  VMOVLPS    Mq,Vq            AVX
      13         66.L0  VMOVLPD    Mq,Vq            AVX
      14         NP     VUNPCKLPS  Vx,Hx,Wx         AVX
      14         66     VUNPCKLPD  Vx,Hx,Wx         AVX
      15         NP     VUNPCKHPS  Vx,Hx,Wx         AVX
      15         66     VUNPCKHPD  Vx,Hx,Wx         AVX
      16 /m      NP.L0  VMOVHPS    Vdq,Hdq,Mq       AVX
      16 /r      NP.L0  VMOVLHPS   Vdq,Hdq,Uq       AVX
      16         66.L0  VMOVHPD    Vdq,Hdq,Mq       AVX
      16         F3     VMOVSHDUP  Vx,Wx            AVX
      17         NP.L0  VMOVHPS    Mq,Vdq           AVX
      17         66.L0  VMOVHPD    Mq,Vdq           AVX
      28         NP     VMOVAPS    Vx,Wx            AVX aligned
      28         66     VMOVAPD    Vx,Wx            AVX aligned
      29         NP     VMOVAPS    Wx,Vx            AVX aligned
      29         66     VMOVAPD    Wx,Vx            AVX aligned
      2A         F3     VCVTSI2SS  Vdq,Hdq,Ey       AVX fp
      2A         F2     VCVTSI2SD  Vdq,Hdq,Ey       AVX fp
      2B         NP     VMOVNTPS   Mx,Vx            AVX aligned
      2B         66     VMOVNTPD   Mx,Vx            AVX aligned
      2C         F3     VCVTTSS2SI Gy,Wss           AVX fp
      2C         F2     VCVTTSD2SI Gy,Wsd           AVX fp
      2D         F3     VCVTSS2SI  Gy,Wss           AVX fp
      2D         F2     VCVTSD2SI  Gy,Wsd           AVX fp
      2E         NP     VUCOMISS   Vss,Wss          AVX fp
      2E         66     VUCOMISD   Vsd,Wsd          AVX fp
      2F         NP     VCOMISS    Vss,Wss          AVX fp
      2F         66     VCOMISD    Vsd,Wsd          AVX fp
      50 /r      NP     VMOVMSKPS  Gd,Ux            AVX
      50 /r      66     VMOVMSKPD  Gd,Ux            AVX
      51         NP     VSQRTPS    Vx,Wx            AVX fp
      51         66     VSQRTPD    Vx,Wx            AVX fp
      51         F3     VSQRTSS    Vdq,Hdq,Wss      AVX fp
      51         F2     VSQRTSD    Vdq,Hdq,Wsd      AVX fp
      52         NP     VRSQRTPS   Vx,Wx            AVX approx
      52         F3     VRSQRTSS   Vdq,Hdq,Wss      AVX approx
      53         NP     VRCPPS     Vx,Wx            AVX approx
      53         F3     VRCPSS     Vdq,Hdq,Wss      AVX approx
      54         NP     VANDPS     Vx,Hx,Wx         AVX
      54         66     VANDPD     Vx,Hx,Wx         AVX
      55         NP     VANDNPS    Vx,Hx,Wx         AVX
      55         66     VANDNPD    Vx,Hx,Wx         AVX
      56         NP     VORPS      Vx,Hx,Wx         AVX
      56         66     VORPD      Vx,Hx,Wx         AVX
      57         NP     VXORPS     Vx,Hx,Wx         AVX
      57         66     VXORPD     Vx,Hx,Wx         AVX
      58         NP     VADDPS     Vx,Hx,Wx         AVX fp
      58         66     VADDPD     Vx,Hx,Wx         AVX fp
      58         F3     VADDSS     Vdq,Hdq,Wss      AVX fp
      58         F2     VADDSD     Vdq,Hdq,Wsd      AVX fp
      59         NP     VMULPS     Vx,Hx,Wx         AVX fp
      59         66     VMULPD     Vx,Hx,Wx         AVX fp
      59         F3     VMULSS     Vdq,Hdq,Wss      AVX fp
      59         F2     VMULSD     Vdq,Hdq,Wsd      AVX fp
      5A         NP     VCVTPS2PD  Vx,Wh            AVX fp
      5A         66     VCVTPD2PS  Vdq,Wx           AVX fp
      5A         F3     VCVTSS2SD  Vdq,Hdq,Wss      AVX fp
      5A         F2     VCVTSD2SS  Vdq,Hdq,Wsd      AVX fp
      5B         NP     VCVTDQ2PS  Vx,Wx            AVX fp
      5B         66     VCVTPS2DQ  Vx,Wx            AVX fp
      5B         F3     VCVTTPS2DQ Vx,Wx            AVX fp
      5C         NP     VSUBPS     Vx,Hx,Wx         AVX fp
      5C         66     VSUBPD     Vx,Hx,Wx         AVX fp
      5C         F3     VSUBSS     Vdq,Hdq,Wss      AVX fp
      5C         F2     VSUBSD     Vdq,Hdq,Wsd      AVX fp
      5D         NP     VMINPS     Vx,Hx,Wx         AVX fp
      5D         66     VMINPD     Vx,Hx,Wx         AVX fp
      5D         F3     VMINSS     Vdq,Hdq,Wss      AVX fp
      5D         F2     VMINSD     Vdq,Hdq,Wsd      AVX fp
      5E         NP     VDIVPS     Vx,Hx,Wx         AVX fp
      5E         66     VDIVPD     Vx,Hx,Wx         AVX fp
      5E         F3     VDIVSS     Vdq,Hdq,Wss      AVX fp
      5E         F2     VDIVSD     Vdq,Hdq,Wsd      AVX fp
      5F         NP     VMAXPS     Vx,Hx,Wx         AVX fp
      5F         66     VMAXPD     Vx,Hx,Wx         AVX fp
      5F         F3     VMAXSS     Vdq,Hdq,Wss      AVX fp
      5F         F2     VMAXSD     Vdq,Hdq,Wsd      AVX fp
      60         66     VPUNPCKLBW Vx,Hx,Wx         AVXi
      61         66     VPUNPCKLWD Vx,Hx,Wx         AVXi
      62         66     VPUNPCKLDQ Vx,Hx,Wx         AVXi
      63         66     VPACKSSWB  Vx,Hx,Wx         AVXi
      64         66     VPCMPGTB   Vx,Hx,Wx         AVXi
      65         66     VPCMPGTW   Vx,Hx,Wx         AVXi
      66         66     VPCMPGTD   Vx,Hx,Wx         AVXi
      67         66     VPACKUSWB  Vx,Hx,Wx         AVXi
      68         66     VPUNPCKHBW Vx,Hx,Wx         AVXi
      69         66     VPUNPCKHWD Vx,Hx,Wx         AVXi
      6A         66     VPUNPCKHDQ Vx,Hx,Wx         AVXi
      6B         66     VPACKSSDW  Vx,Hx,Wx         AVXi
      6C         66     VPUNPCKLQDQ Vx,Hx,Wx        AVXi
      6D         66     VPUNPCKHQDQ Vx,Hx,Wx        AVXi
      6E         66.L0  VMOVD      Vdq,Ey           AVX
      6F         66     VMOVDQA    Vx,Wx            AVX aligned
      6F         F3     VMOVDQU    Vx,Wx            AVX
      70         66     VPSHUFD    Vx,Wx,Ib         AVXi
      70         F3     VPSHUFHW   Vx,Wx,Ib         AVXi
      70         F2     VPSHUFLW   Vx,Wx,Ib         AVXi
      71 /r2     66     VPSRLW     Hx,Ux,Ib         AVXi
      71 /r4     66     VPSRAW     Hx,Ux,Ib         AVXi
      71 /r6     66     VPSLLW     Hx,Ux,Ib         AVXi
      72 /r2     66     VPSRLD     Hx,Ux,Ib         AVXi
      72 /r4     66     VPSRAD     Hx,Ux,Ib         AVXi
      72 /r6     66     VPSLLD     Hx,Ux,Ib         AVXi
      73 /r2     66     VPSRLQ     Hx,Ux,Ib         AVXi
      73 /r3     66     VPSRLDQ    Hx,Ux,Ib         AVXi
      73 /r6     66     VPSLLQ     Hx,Ux,Ib         AVXi
      73 /r7     66     VPSLLDQ    Hx,Ux,Ib         AVXi
      74         66     VPCMPEQB   Vx,Hx,Wx         AVXi
      75         66     VPCMPEQW   Vx,Hx,Wx         AVXi
      76         66     VPCMPEQD   Vx,Hx,Wx         AVXi
      77         NP.L0  VZEROUPPER -                AVX simd
      77         NP.L1  VZEROALL   -                AVX simd
      7C         66     VHADDPD    Vx,Hx,Wx         AVX fp
      7C         F2     VHADDPS    Vx,Hx,Wx         AVX fp
      7D         66     VHSUBPD    Vx,Hx,Wx         AVX fp
      7D         F2     VHSUBPS    Vx,Hx,Wx         AVX fp
      7E         66.L0  VMOVD      Ey,Vdq           AVX
      7E         F3.L0  VMOVQ      Vdq,Wq           AVX
      7F         66     VMOVDQA    Wx,Vx            AVX aligned
      7F         F3     VMOVDQU    Wx,Vx            AVX
      AE /m2     NP.L0  VLDMXCSR   Md               AVX simd fault
      AE /m3     NP.L0  VSTMXCSR   Md               AVX simd
      C2         NP     VCMPPS     Vx,Hx,Wx,Ib      AVX fp
      C2         66     VCMPPD     Vx,Hx,Wx,Ib      AVX fp
      C2         F3     VCMPSS     Vdq,Hdq,Wss,Ib   AVX fp
      C2         F2     VCMPSD     Vdq,Hdq,Wsd,Ib   AVX fp
      C4         66.L0  VPINSRW    Vdq,Hdq,Rd/Mw,Ib AVX
      C5 /r      66.L0  VPEXTRW    Gd,Udq,Ib        AVX
      C6         NP     VSHUFPS    Vx,Hx,Wx,Ib      AVX
      C6         66     VSHUFPD    Vx,Hx,Wx,Ib      AVX
      D0         66     VADDSUBPD  Vx,Hx,Wx         AVX fp
      D0         F2     VADDSUBPS  Vx,Hx,Wx         AVX fp
      D1         66     VPSRLW     Vx,Hx,Wdq        AVXi
      D2         66     VPSRLD     Vx,Hx,Wdq        AVXi
      D3         66     VPSRLQ     Vx,Hx,Wdq        AVXi
      D4         66     VPADDQ     Vx,Hx,Wx         AVXi
      D5         66     VPMULLW    Vx,Hx,Wx         AVXi
      D6         66.L0  VMOVQ      Wq,Vq            AVX
      D7 /r      66     VPMOVMSKB  Gd,Ux            AVXi
      D8         66     VPSUBUSB   Vx,Hx,Wx         AVXi
      D9         66     VPSUBUSW   Vx,Hx,Wx         AVXi
      DA         66     VPMINUB    Vx,Hx,Wx         AVXi
      DB         66     VPAND      Vx,Hx,Wx         AVXi
      DC         66     VPADDUSB   Vx,Hx,Wx         AVXi
      DD         66     VPADDUSW   Vx,Hx,Wx         AVXi
      DE         66     VPMAXUB    Vx,Hx,Wx         AVXi
      DF         66     VPANDN     Vx,Hx,Wx         AVXi
      E0         66     VPAVGB     Vx,Hx,Wx         AVXi
      E1         66     VPSRAW     Vx,Hx,Wdq        AVXi
      E2         66     VPSRAD     Vx,Hx,Wdq        AVXi
      E3         66     VPAVGW     Vx,Hx,Wx         AVXi
      E4         66     VPMULHUW   Vx,Hx,Wx         AVXi
      E5         66     VPMULHW    Vx,Hx,Wx         AVXi
      E6         66     VCVTTPD2DQ Vdq,Wx           AVX fp
      E6         F3     VCVTDQ2PD  Vx,Wh            AVX fp
      E6         F2     VCVTPD2DQ  Vdq,Wx           AVX fp
      E7         66     VMOVNTDQ   Mx,Vx            AVX aligned
      E8         66     VPSUBSB    Vx,Hx,Wx         AVXi
      E9         66     VPSUBSW    Vx,Hx,Wx         AVXi
      EA         66     VPMINSW    Vx,Hx,Wx         AVXi
      EB         66     VPOR       Vx,Hx,Wx         AVXi
      EC         66     VPADDSB    Vx,Hx,Wx         AVXi
      ED         66     VPADDSW    Vx,Hx,Wx         AVXi
      EE         66     VPMAXSW    Vx,Hx,Wx         AVXi
      EF         66     VPXOR      Vx,Hx,Wx         AVXi
      F0 /m      F2     VLDDQU     Vx,Mx            AVX
      F1         66     VPSLLW     Vx,Hx,Wdq        AVXi
      F2         66     VPSLLD     Vx,Hx,Wdq        AVXi
      F3         66     VPSLLQ     Vx,Hx,Wdq        AVXi
      F4         66     VPMULUDQ   Vx,Hx,Wx         AVXi
      F5         66     VPMADDWD   Vx,Hx,Wx         AVXi
      F6         66     VPSADBW    Vx,Hx,Wx         AVXi
      F7 /r      66.L0  VMASKMOVDQU Vdq,Udq,@DIdq   AVX
      F8         66     VPSUBB     Vx,Hx,Wx         AVXi
      F9         66     VPSUBW     Vx,Hx,Wx         AVXi
      FA         66     VPSUBD     Vx,Hx,Wx         AVXi
      FB         66     VPSUBQ     Vx,Hx,Wx         AVXi
      FC         66     VPADDB     Vx,Hx,Wx         AVXi
      FD         66     VPADDW     Vx,Hx,Wx         AVXi
      FE         66     VPADDD     Vx,Hx,Wx         AVXi
      map 0F38
      00         66     VPSHUFB    Vx,Hx,Wx         AVXi
      01         66     VPHADDW    Vx,Hx,Wx         AVXi
      02         66     VPHADDD    Vx,Hx,Wx         AVXi
      03         66     VPHADDSW   Vx,Hx,Wx         AVXi
      04         66     VPMADDUBSW Vx,Hx,Wx         AVXi
      05         66     VPHSUBW    Vx,Hx,Wx         AVXi
      06         66     VPHSUBD    Vx,Hx,Wx         AVXi
      07         66     VPHSUBSW   Vx,Hx,Wx         AVXi
      08         66     VPSIGNB    Vx,Hx,Wx         AVXi
      09         66     VPSIGNW    Vx,Hx,Wx         AVXi
      0A         66     VPSIGND    Vx,Hx,Wx         AVXi
      0B         66     VPMULHRSW  Vx,Hx,Wx         AVXi
      0C         66.W0  VPERMILPS  Vx,Hx,Wx         AVX
      0D         66.W0  VPERMILPD  Vx,Hx,Wx         AVX
      0E         66.W0  VTESTPS    Vx,Wx            AVX
      0F         66.W0  VTESTPD    Vx,Wx            AVX
      13         66.W0  VCVTPH2PS  Vx,Wh            F16C fp
      16         66.L1.W0 VPERMPS  Vqq,Hqq,Wqq      AVX2
      17         66     VPTEST     Vx,Wx            AVX
      18         66.W0  VBROADCASTSS Vx,Md          AVX
      18 /r      66.W0  VBROADCASTSS Vx,Uss         AVX2
      19 /m      66.L1.W0 VBROADCASTSD Vqq,Mq       AVX
      19 /r      66.L1.W0 VBROADCASTSD Vqq,Uq       AVX2
      1A         66.L1.W0 VBROADCASTF128 Vqq,Mdq    AVX
      1C         66     VPABSB     Vx,Wx            AVXi
      1D         66     VPABSW     Vx,Wx            AVXi
      1E         66     VPABSD     Vx,Wx            AVXi
      20         66     VPMOVSXBW  Vx,Wh            AVXi
      21         66     VPMOVSXBD  Vx,Wk            AVXi
      22         66     VPMOVSXBQ  Vx,We            AVXi
      23         66     VPMOVSXWD  Vx,Wh            AVXi
      24         66     VPMOVSXWQ  Vx,Wk            AVXi
      25         66     VPMOVSXDQ  Vx,Wh            AVXi
      28         66     VPMULDQ    Vx,Hx,Wx         AVXi
      29         66     VPCMPEQQ   Vx,Hx,Wx         AVXi
      2A         66     VMOVNTDQA  Vx,Mx            AVXi aligned
      2B         66     VPACKUSDW  Vx,Hx,Wx         AVXi
      2C         66.W0  VMASKMOVPS Vx,Hx,Mx         AVX
      2D         66.W0  VMASKMOVPD Vx,Hx,Mx         AVX
      2E         66.W0  VMASKMOVPS Mx,Hx,Vx         AVX
      2F         66.W0  VMASKMOVPD Mx,Hx,Vx         AVX
      30         66     VPMOVZXBW  Vx,Wh            AVXi
      31         66     VPMOVZXBD  Vx,Wk            AVXi
      32         66     VPMOVZXBQ  Vx,We            AVXi
      33         66     VPMOVZXWD  Vx,Wh            AVXi
      34         66     VPMOVZXWQ  Vx,Wk            AVXi
      35         66     VPMOVZXDQ  Vx,Wh            AVXi
      36         66.L1.W0 VPERMD   Vqq,Hqq,Wqq      AVX2
      37         66     VPCMPGTQ   Vx,Hx,Wx         AVXi
      38         66     VPMINSB    Vx,Hx,Wx         AVXi
      39         66     VPMINSD    Vx,Hx,Wx         AVXi
      3A         66     VPMINUW    Vx,Hx,Wx         AVXi
      3B         66     VPMINUD    Vx,Hx,Wx         AVXi
      3C         66     VPMAXSB    Vx,Hx,Wx         AVXi
      3D         66     VPMAXSD    Vx,Hx,Wx         AVXi
      3E         66     VPMAXUW    Vx,Hx,Wx         AVXi
      3F         66     VPMAXUD    Vx,Hx,Wx         AVXi
      40         66     VPMULLD    Vx,Hx,Wx         AVXi
      41         66.L0  VPHMINPOSUW Vdq,Wdq         AVX
      45         66.W0  VPSRLVD    Vx,Hx,Wx         AVX2
      45         66.W1  VPSRLVQ    Vx,Hx,Wx         AVX2
      46         66.W0  VPSRAVD    Vx,Hx,Wx         AVX2
      47         66.W0  VPSLLVD    Vx,Hx,Wx         AVX2
      47         66.W1  VPSLLVQ    Vx,Hx,Wx         AVX2
      58         66.W0  VPBROADCASTD Vx,Wd          AVX2
      59         66.W0  VPBROADCASTQ Vx,Wq          AVX2
      5A         66.L1.W0 VBROADCASTI128 Vqq,Mdq    AVX2
      78         66.W0  VPBROADCASTB Vx,Wb          AVX2
      79         66.W0  VPBROADCASTW Vx,Ww          AVX2
      8C         66.W0  VPMASKMOVD Vx,Hx,Mx         AVX2
      8C         66.W1  VPMASKMOVQ Vx,Hx,Mx         AVX2
      8E         66.W0  VPMASKMOVD Mx,Hx,Vx         AVX2
      8E         66.W1  VPMASKMOVQ Mx,Hx,Vx         AVX2
      90         66.W0  VPGATHERDD Vx,Kdx,Hx        AVX2
      90         66.W1  VPGATHERDQ Vx,Kqh,Hx        AVX2
      91         66.W0  VPGATHERQD Vh,Kdx,Hh        AVX2
      91         66.W1  VPGATHERQQ Vx,Kqx,Hx        AVX2
      92         66.W0  VGATHERDPS Vx,Kdx,Hx        AVX2
      92         66.W1  VGATHERDPD Vx,Kqh,Hx        AVX2
      93         66.W0  VGATHERQPS Vh,Kdx,Hh        AVX2
      93         66.W1  VGATHERQPD Vx,Kqx,Hx        AVX2
      50         66.W0  VPDPBUSD   Vx,Hx,Wx         AVX_VNNI
      51         66.W0  VPDPBUSDS  Vx,Hx,Wx         AVX_VNNI
      52         66.W0  VPDPWSSD   Vx,Hx,Wx         AVX_VNNI
      53         66.W0  VPDPWSSDS  Vx,Hx,Wx         AVX_VNNI
      CF         66.W0  VGF2P8MULB Vx,Hx,Wx         AVX+GFNI
      DB         66.L0  VAESIMC    Vdq,Wdq          AVX+AES
      DC         66.L0  VAESENC    Vdq,Hdq,Wdq      AVX+AES
      DC         66.L1  VAESENC    Vqq,Hqq,Wqq      AVX+VAES
      DD         66.L0  VAESENCLAST Vdq,Hdq,Wdq     AVX+AES
      DD         66.L1  VAESENCLAST Vqq,Hqq,Wqq     AVX+VAES
      DE         66.L0  VAESDEC    Vdq,Hdq,Wdq      AVX+AES
      DE         66.L1  VAESDEC    Vqq,Hqq,Wqq      AVX+VAES
      DF         66.L0  VAESDECLAST Vdq,Hdq,Wdq     AVX+AES
      DF         66.L1  VAESDECLAST Vqq,Hqq,Wqq     AVX+VAES
      96         66.W0  VFMADDSUB132PS Vx,Hx,Wx     FMA fp
      96         66.W1  VFMADDSUB132PD Vx,Hx,Wx     FMA fp
      97         66.W0  VFMSUBADD132PS Vx,Hx,Wx     FMA fp
      97         66.W1  VFMSUBADD132PD Vx,Hx,Wx     FMA fp
      98         66.W0  VFMADD132PS  Vx,Hx,Wx       FMA fp
      98         66.W1  VFMADD132PD  Vx,Hx,Wx       FMA fp
      99         66.W0  VFMADD132SS  Vdq,Hdq,Wss    FMA fp
      99         66.W1  VFMADD132SD  Vdq,Hdq,Wsd    FMA fp
      9A         66.W0  VFMSUB132PS  Vx,Hx,Wx       FMA fp
      9A         66.W1  VFMSUB132PD  Vx,Hx,Wx       FMA fp
      9B         66.W0  VFMSUB132SS  Vdq,Hdq,Wss    FMA fp
      9B         66.W1  VFMSUB132SD  Vdq,Hdq,Wsd    FMA fp
      9C         66.W0  VFNMADD132PS Vx,Hx,Wx       FMA fp
      9C         66.W1  VFNMADD132PD Vx,Hx,Wx       FMA fp
      9D         66.W0  VFNMADD132SS Vdq,Hdq,Wss    FMA fp
      9D         66.W1  VFNMADD132SD Vdq,Hdq,Wsd    FMA fp
      9E         66.W0  VFNMSUB132PS Vx,Hx,Wx       FMA fp
      9E         66.W1  VFNMSUB132PD Vx,Hx,Wx       FMA fp
      9F         66.W0  VFNMSUB132SS Vdq,Hdq,Wss    FMA fp
      9F         66.W1  VFNMSUB132SD Vdq,Hdq,Wsd    FMA fp
      A6         66.W0  VFMADDSUB213PS Vx,Hx,Wx     FMA fp
      A6         66.W1  VFMADDSUB213PD Vx,Hx,Wx     FMA fp
      A7         66.W0  VFMSUBADD213PS Vx,Hx,Wx     FMA fp
      A7         66.W1  VFMSUBADD213PD Vx,Hx,Wx     FMA fp
      A8         66.W0  VFMADD213PS  Vx,Hx,Wx       FMA fp
      A8         66.W1  VFMADD213PD  Vx,Hx,Wx       FMA fp
      A9         66.W0  VFMADD213SS  Vdq,Hdq,Wss    FMA fp
      A9         66.W1  VFMADD213SD  Vdq,Hdq,Wsd    FMA fp
      AA         66.W0  VFMSUB213PS  Vx,Hx,Wx       FMA fp
      AA         66.W1  VFMSUB213PD  Vx,Hx,Wx       FMA fp
      AB         66.W0  VFMSUB213SS  Vdq,Hdq,Wss    FMA fp
      AB         66.W1  VFMSUB213SD  Vdq,Hdq,Wsd    FMA fp
      AC         66.W0  VFNMADD213PS Vx,Hx,Wx       FMA fp
      AC         66.W1  VFNMADD213PD Vx,Hx,Wx       FMA fp
      AD         66.W0  VFNMADD213SS Vdq,Hdq,Wss    FMA fp
      AD         66.W1  VFNMADD213SD Vdq,Hdq,Wsd    FMA fp
      AE         66.W0  VFNMSUB213PS Vx,Hx,Wx       FMA fp
      AE         66.W1  VFNMSUB213PD Vx,Hx,Wx       FMA fp
      AF         66.W0  VFNMSUB213SS Vdq,Hdq,Wss    FMA fp
      AF         66.W1  VFNMSUB213SD Vdq,Hdq,Wsd    FMA fp
      B6         66.W0  VFMADDSUB231PS Vx,Hx,Wx     FMA fp
      B6         66.W1  VFMADDSUB231PD Vx,Hx,Wx     FMA fp
      B7         66.W0  VFMSUBADD231PS Vx,Hx,Wx     FMA fp
      B7         66.W1  VFMSUBADD231PD Vx,Hx,Wx     FMA fp
      B8         66.W0  VFMADD231PS  Vx,Hx,Wx       FMA fp
      B8         66.W1  VFMADD231PD  Vx,Hx,Wx       FMA fp
      B9         66.W0  VFMADD231SS  Vdq,Hdq,Wss    FMA fp
      B9         66.W1  VFMADD231SD  Vdq,Hdq,Wsd    FMA fp
      BA         66.W0  VFMSUB231PS  Vx,Hx,Wx       FMA fp
      BA         66.W1  VFMSUB231PD  Vx,Hx,Wx       FMA fp
      BB         66.W0  VFMSUB231SS  Vdq,Hdq,Wss    FMA fp
      BB         66.W1  VFMSUB231SD  Vdq,Hdq,Wsd    FMA fp
      BC         66.W0  VFNMADD231PS Vx,Hx,Wx       FMA fp
      BC         66.W1  VFNMADD231PD Vx,Hx,Wx       FMA fp
      BD         66.W0  VFNMADD231SS Vdq,Hdq,Wss    FMA fp
      BD         66.W1  VFNMADD231SD Vdq,Hdq,Wsd    FMA fp
      BE         66.W0  VFNMSUB231PS Vx,Hx,Wx       FMA fp
      BE         66.W1  VFNMSUB231PD Vx,Hx,Wx       FMA fp
      BF         66.W0  VFNMSUB231SS Vdq,Hdq,Wss    FMA fp
      BF         66.W1  VFNMSUB231SD Vdq,Hdq,Wsd    FMA fp
      F2         NP.L0  ANDN       Gy,By,Ey         BMI1
      F3 /1      NP.L0  BLSR       By,Ey            BMI1
      F3 /2      NP.L0  BLSMSK     By,Ey            BMI1
      F3 /3      NP.L0  BLSI       By,Ey            BMI1
      F5         NP.L0  BZHI       Gy,Ey,By         BMI2
      F5         F3.L0  PEXT       Gy,By,Ey         BMI2
      F5         F2.L0  PDEP       Gy,By,Ey         BMI2
      F6         F2.L0  MULX       Gy,By,Ey         BMI2
      F7         NP.L0  BEXTR      Gy,Ey,By         BMI1
      F7         66.L0  SHLX       Gy,Ey,By         BMI2
      F7         F3.L0  SARX       Gy,Ey,By         BMI2
      F7         F2.L0  SHRX       Gy,Ey,By         BMI2
      map 0F3A
      00         66.L1.W1 VPERMQ   Vqq,Wqq,Ib       AVX2
      01         66.L1.W1 VPERMPD  Vqq,Wqq,Ib       AVX2
      02         66.W0  VPBLENDD   Vx,Hx,Wx,Ib      AVX2
      04         66.W0  VPERMILPS  Vx,Wx,Ib         AVX
      05         66.W0  VPERMILPD  Vx,Wx,Ib         AVX
      06         66.L1.W0 VPERM2F128 Vqq,Hqq,Wqq,Ib AVX
      08         66     VROUNDPS   Vx,Wx,Ib         AVX fp
      09         66     VROUNDPD   Vx,Wx,Ib         AVX fp
      0A         66     VROUNDSS   Vdq,Hdq,Wss,Ib   AVX fp
      0B         66     VROUNDSD   Vdq,Hdq,Wsd,Ib   AVX fp
      0C         66     VBLENDPS   Vx,Hx,Wx,Ib      AVX
      0D         66     VBLENDPD   Vx,Hx,Wx,Ib      AVX
      0E         66     VPBLENDW   Vx,Hx,Wx,Ib      AVXi
      0F         66     VPALIGNR   Vx,Hx,Wx,Ib      AVXi
      14         66.L0  VPEXTRB    Rd/Mb,Vdq,Ib     AVX
      15         66.L0  VPEXTRW    Rd/Mw,Vdq,Ib     AVX
      16         66.L0  VPEXTRD    Ey,Vdq,Ib        AVX
      17         66.L0  VEXTRACTPS Ed,Vdq,Ib        AVX
      18         66.L1.W0 VINSERTF128 Vqq,Hqq,Wdq,Ib AVX
      19         66.L1.W0 VEXTRACTF128 Wdq,Vqq,Ib   AVX
      1D         66.W0  VCVTPS2PH  Wh,Vx,Ib         F16C fp
      20         66.L0  VPINSRB    Vdq,Hdq,Rd/Mb,Ib AVX
      21         66.L0  VINSERTPS  Vdq,Hdq,Wss,Ib   AVX
      22         66.L0  VPINSRD    Vdq,Hdq,Ey,Ib    AVX
      38         66.L1.W0 VINSERTI128 Vqq,Hqq,Wdq,Ib AVX2
      39         66.L1.W0 VEXTRACTI128 Wdq,Vqq,Ib   AVX2
      40         66     VDPPS      Vx,Hx,Wx,Ib      AVX fp
      41         66.L0  VDPPD      Vdq,Hdq,Wdq,Ib   AVX fp
      42         66     VMPSADBW   Vx,Hx,Wx,Ib      AVXi
      44         66.L0  VPCLMULQDQ Vdq,Hdq,Wdq,Ib   AVX+PCLMULQDQ
      44         66.L1  VPCLMULQDQ Vqq,Hqq,Wqq,Ib   AVX+VPCLMULQDQ
      46         66.L1.W0 VPERM2I128 Vqq,Hqq,Wqq,Ib AVX2
      4A         66.W0  VBLENDVPS  Vx,Hx,Wx,Lx      AVX
      4B         66.W0  VBLENDVPD  Vx,Hx,Wx,Lx      AVX
      4C         66.W0  VPBLENDVB  Vx,Hx,Wx,Lx      AVXi
      60         66.L0  VPCMPESTRM Vdq,Wdq,Ib       AVX
      61         66.L0  VPCMPESTRI Vdq,Wdq,Ib       AVX
      62         66.L0  VPCMPISTRM Vdq,Wdq,Ib       AVX
      63         66.L0  VPCMPISTRI Vdq,Wdq,Ib       AVX
      CE         66.W1  VGF2P8AFFINEQB Vx,Hx,Wx,Ib  AVX+GFNI
      CF         66.W1  VGF2P8AFFINEINVQB Vx,Hx,Wx,Ib AVX+GFNI
      DF         66.L0  VAESKEYGENASSIST Vdq,Wdq,Ib AVX+AES
      F0         F2.L0  RORX       Gy,Ey,Ib         BMI2
      """;
}
