package dev.pollux.core.decode;

/**
 * The two-byte opcode map, escape 0F (Intel SDM volume 2D, table A-3, with the groups of table
 * The notation is described at {@link OpcodeTables}.
 */
final class TwoByteOpcodes {
  private TwoByteOpcodes() {}

  static final String TABLE =
      """
      00 /0            SLDT        Rv/Mw           pm
      00 /1            STR         Rv/Mw           pm
      00 /2            LLDT        Ew              pm priv
      00 /3            LTR         Ew              pm priv
      00 /4            VERR        Ew              pm
      00 /5            VERW        Ew              pm
      01 /m0           SGDT        Ms
      01 /m1           SIDT        Ms
      01 /m2           LGDT        Ms              priv
      01 /m3           LIDT        Ms              priv
      01 /4            SMSW        Rv/Mw
      01 /6            LMSW        Ew              priv end
      01 /m7           INVLPG      M               priv end
      01 =C8           MONITOR     @AXb            priv MONITOR
      01 =C9           MWAIT       -               priv end MONITOR
      01 =CA           CLAC        -               priv end SMAP
      01 =CB           STAC        -               priv end SMAP
      01 =E8     NP    SERIALIZE   -               SERIALIZE
      01 =D0     NP    XGETBV      -               fault XSAVE
      01 =D1     NP    XSETBV      -               priv end XSAVE
      01 =EE     NP    RDPKRU      -               fault PKU
      01 =EF     NP    WRPKRU      -               end fault PKU
      01 =F8           SWAPGS      -               o64 priv
      01 =F9           RDTSCP      -               fault RDTSCP
      01 =FC           CLZERO      @AXb            CLZERO
      02               LAR         Gv,Ew           pm
      03               LSL         Gv,Ew           pm
      05               SYSCALL     -               end SYSCALL
      06               CLTS        -               priv end
      07               SYSRET      -               priv end SYSCALL
      08               INVD        -               priv
      09               WBINVD      -               priv
      09         F3    WBNOINVD    -               priv WBNOINVD
      0B               UD2         -               end fault
      0D /m            PREFETCH    Mb              hint LM|AMD_PREFETCHW|AMD_3DNOW
      10         NP    MOVUPS      Vps,Wps         SSE
      10         66    MOVUPD      Vpd,Wpd         SSE2
      10 /m      F3    MOVSS       Vdq,Wss         SSE
      10 /r      F3    MOVSS       Vss,Wss         SSE
      10 /m      F2    MOVSD       Vdq,Wsd         SSE2
      10 /r      F2    MOVSD       Vsd,Wsd         SSE2
      11         NP    MOVUPS      Wps,Vps         SSE
      11         66    MOVUPD      Wpd,Vpd         SSE2
      11         F3    MOVSS       Wss,Vss         SSE
      11         F2    MOVSD       Wsd,Vsd         SSE2
      12 /m      NP    MOVLPS      Vq,Mq           SSE
      12 /r      NP    MOVHLPS     Vq,Udq          SSE
      12         66    MOVLPD      Vq,Mq           SSE2
      12         F3    MOVSLDUP    Vdq,Wdq         SSE3 aligned
      12         F2    MOVDDUP     Vdq,Wq          SSE3
      13         NP    MOVLPS      Mq,Vq           SSE
      13         66    MOVLPD      Mq,Vq           SSE2
      14         NP    UNPCKLPS    Vps,Wps         SSE aligned
      14         66    UNPCKLPD    Vpd,Wpd         SSE2 aligned
      15         NP    UNPCKHPS    Vps,Wps         SSE aligned
      15         66    UNPCKHPD    Vpd,Wpd         SSE2 aligned
      16 /m      NP    MOVHPS      Vdq,Mq          SSE
      16 /r      NP    MOVLHPS     Vdq,Uq          SSE
      16         66    MOVHPD      Vdq,Mq          SSE2
      16         F3    MOVSHDUP    Vdq,Wdq         SSE3 aligned
      17         NP    MOVHPS      Mq,Vdq          SSE
      17         66    MOVHPD      Mq,Vdq          SSE2
      18 /m0           PREFETCHNTA Mb              hint
      18 /m1           PREFETCHT0  Mb              hint
      18 /m2           PREFETCHT1  Mb              hint
      18 /m3           PREFETCHT2  Mb              hint
      18 /m4           NOP         Ev              hint
      18 /m5           NOP         Ev              hint
      18 /m6           NOP         Ev              hint
      18 /m7           NOP         Ev              hint
      18 /r            NOP         Ev              hint
      19               NOP         Ev              hint
      1A               NOP         Ev              hint
      1B               NOP         Ev              hint
      1C               NOP         Ev              hint
      1D               NOP         Ev              hint
      1E =FA     F3    ENDBR64     -
      1E =FB     F3    ENDBR32     -
      1E               NOP         Ev              hint
      1F               NOP         Ev              hint
      20               MOV_CR      Rn,Cn           priv mod3
      21               MOV_DR      Rn,Dn           priv mod3
      22               MOV_CR      Cn,Rn           priv end mod3
      23               MOV_DR      Dn,Rn           priv end mod3
      28         NP    MOVAPS      Vps,Wps         SSE aligned
      28         66    MOVAPD      Vpd,Wpd         SSE2 aligned
      29         NP    MOVAPS      Wps,Vps         SSE aligned
      29         66    MOVAPD      Wpd,Vpd         SSE2 aligned
      2A         NP    CVTPI2PS    Vq,Qq           SSE fp
      2A         66    CVTPI2PD    Vdq,Qq          SSE2 fp
      2A         F3    CVTSI2SS    Vss,Ey          SSE fp
      2A         F2    CVTSI2SD    Vsd,Ey          SSE2 fp
      2B         NP    MOVNTPS     Mps,Vps         SSE aligned
      2B         66    MOVNTPD     Mpd,Vpd         SSE2 aligned
      2C         NP    CVTTPS2PI   Pq,Wq           SSE fp
      2C         66    CVTTPD2PI   Pq,Wdq          SSE2 fp aligned
      2C         F3    CVTTSS2SI   Gy,Wss          SSE fp
      2C         F2    CVTTSD2SI   Gy,Wsd          SSE2 fp
      2D         NP    CVTPS2PI    Pq,Wq           SSE fp
      2D         66    CVTPD2PI    Pq,Wdq          SSE2 fp aligned
      2D         F3    CVTSS2SI    Gy,Wss          SSE fp
      2D         F2    CVTSD2SI    Gy,Wsd          SSE2 fp
      2E         NP    UCOMISS     Vss,Wss         SSE fp
      2E         66    UCOMISD     Vsd,Wsd         SSE2 fp
      2F         NP    COMISS      Vss,Wss         SSE fp
      2F         66    COMISD      Vsd,Wsd         SSE2 fp
      30               WRMSR       -               priv end MSR
      31               RDTSC       -               fault TSC
      32               RDMSR       -               priv MSR
      33               RDPMC       -               fault
      34               SYSENTER    -               end SEP
      35               SYSEXIT     -               priv end SEP
      40+cc            CMOVCC      Gv,Ev           CMOV
      50 /r      NP    MOVMSKPS    Gd,Ups          SSE
      50 /r      66    MOVMSKPD    Gd,Upd          SSE2
      51         NP    SQRTPS      Vps,Wps         SSE fp aligned
      51         66    SQRTPD      Vpd,Wpd         SSE2 fp aligned
      51         F3    SQRTSS      Vss,Wss         SSE fp
      51         F2    SQRTSD      Vsd,Wsd         SSE2 fp
      52         NP    RSQRTPS     Vps,Wps         SSE aligned approx
      52         F3    RSQRTSS     Vss,Wss         SSE approx
      53         NP    RCPPS       Vps,Wps         SSE aligned approx
      53         F3    RCPSS       Vss,Wss         SSE approx
      54         NP    ANDPS       Vps,Wps         SSE aligned
      54         66    ANDPD       Vpd,Wpd         SSE2 aligned
      55         NP    ANDNPS      Vps,Wps         SSE aligned
      55         66    ANDNPD      Vpd,Wpd         SSE2 aligned
      56         NP    ORPS        Vps,Wps         SSE aligned
      56         66    ORPD        Vpd,Wpd         SSE2 aligned
      57         NP    XORPS       Vps,Wps         SSE aligned
      57         66    XORPD       Vpd,Wpd         SSE2 aligned
      58         NP    ADDPS       Vps,Wps         SSE fp aligned
      58         66    ADDPD       Vpd,Wpd         SSE2 fp aligned
      58         F3    ADDSS       Vss,Wss         SSE fp
      58         F2    ADDSD       Vsd,Wsd         SSE2 fp
      59         NP    MULPS       Vps,Wps         SSE fp aligned
      59         66    MULPD       Vpd,Wpd         SSE2 fp aligned
      59         F3    MULSS       Vss,Wss         SSE fp
      59         F2    MULSD       Vsd,Wsd         SSE2 fp
      5A         NP    CVTPS2PD    Vdq,Wq          SSE2 fp
      5A         66    CVTPD2PS    Vdq,Wpd         SSE2 fp aligned
      5A         F3    CVTSS2SD    Vsd,Wss         SSE2 fp
      5A         F2    CVTSD2SS    Vss,Wsd         SSE2 fp
      5B         NP    CVTDQ2PS    Vps,Wdq         SSE2 fp aligned
      5B         66    CVTPS2DQ    Vdq,Wps         SSE2 fp aligned
      5B         F3    CVTTPS2DQ   Vdq,Wps         SSE2 fp aligned
      5C         NP    SUBPS       Vps,Wps         SSE fp aligned
      5C         66    SUBPD       Vpd,Wpd         SSE2 fp aligned
      5C         F3    SUBSS       Vss,Wss         SSE fp
      5C         F2    SUBSD       Vsd,Wsd         SSE2 fp
      5D         NP    MINPS       Vps,Wps         SSE fp aligned
      5D         66    MINPD       Vpd,Wpd         SSE2 fp aligned
      5D         F3    MINSS       Vss,Wss         SSE fp
      5D         F2    MINSD       Vsd,Wsd         SSE2 fp
      5E         NP    DIVPS       Vps,Wps         SSE fp aligned
      5E         66    DIVPD       Vpd,Wpd         SSE2 fp aligned
      5E         F3    DIVSS       Vss,Wss         SSE fp
      5E         F2    DIVSD       Vsd,Wsd         SSE2 fp
      5F         NP    MAXPS       Vps,Wps         SSE fp aligned
      5F         66    MAXPD       Vpd,Wpd         SSE2 fp aligned
      5F         F3    MAXSS       Vss,Wss         SSE fp
      5F         F2    MAXSD       Vsd,Wsd         SSE2 fp
      60         NP    PUNPCKLBW   Pq,Qd           MMX
      60         66    PUNPCKLBW   Vdq,Wdq         SSE2 aligned
      61         NP    PUNPCKLWD   Pq,Qd           MMX
      61         66    PUNPCKLWD   Vdq,Wdq         SSE2 aligned
      62         NP    PUNPCKLDQ   Pq,Qd           MMX
      62         66    PUNPCKLDQ   Vdq,Wdq         SSE2 aligned
      63         NP    PACKSSWB    Pq,Qq           MMX
      63         66    PACKSSWB    Vdq,Wdq         SSE2 aligned
      64         NP    PCMPGTB     Pq,Qq           MMX
      64         66    PCMPGTB     Vdq,Wdq         SSE2 aligned
      65         NP    PCMPGTW     Pq,Qq           MMX
      65         66    PCMPGTW     Vdq,Wdq         SSE2 aligned
      66         NP    PCMPGTD     Pq,Qq           MMX
      66         66    PCMPGTD     Vdq,Wdq         SSE2 aligned
      67         NP    PACKUSWB    Pq,Qq           MMX
      67         66    PACKUSWB    Vdq,Wdq         SSE2 aligned
      68         NP    PUNPCKHBW   Pq,Qq           MMX
      68         66    PUNPCKHBW   Vdq,Wdq         SSE2 aligned
      69         NP    PUNPCKHWD   Pq,Qq           MMX
      69         66    PUNPCKHWD   Vdq,Wdq         SSE2 aligned
      6A         NP    PUNPCKHDQ   Pq,Qq           MMX
      6A         66    PUNPCKHDQ   Vdq,Wdq         SSE2 aligned
      6B         NP    PACKSSDW    Pq,Qq           MMX
      6B         66    PACKSSDW    Vdq,Wdq         SSE2 aligned
      6C         66    PUNPCKLQDQ  Vdq,Wdq         SSE2 aligned
      6D         66    PUNPCKHQDQ  Vdq,Wdq         SSE2 aligned
      6E         NP    MOVD        Py,Ey           MMX
      6E         66    MOVD        Vy,Ey           SSE2
      6F         NP    MOVQ        Pq,Qq           MMX
      6F         66    MOVDQA      Vdq,Wdq         SSE2 aligned
      6F         F3    MOVDQU      Vdq,Wdq         SSE2
      70         NP    PSHUFW      Pq,Qq,Ib        SSE
      70         66    PSHUFD      Vdq,Wdq,Ib      SSE2 aligned
      70         F3    PSHUFHW     Vdq,Wdq,Ib      SSE2 aligned
      70         F2    PSHUFLW     Vdq,Wdq,Ib      SSE2 aligned
      71 /r2     NP    PSRLW       Nq,Ib           MMX
      71 /r2     66    PSRLW       Udq,Ib          SSE2
      71 /r4     NP    PSRAW       Nq,Ib           MMX
      71 /r4     66    PSRAW       Udq,Ib          SSE2
      71 /r6     NP    PSLLW       Nq,Ib           MMX
      71 /r6     66    PSLLW       Udq,Ib          SSE2
      72 /r2     NP    PSRLD       Nq,Ib           MMX
      72 /r2     66    PSRLD       Udq,Ib          SSE2
      72 /r4     NP    PSRAD       Nq,Ib           MMX
      72 /r4     66    PSRAD       Udq,Ib          SSE2
      72 /r6     NP    PSLLD       Nq,Ib           MMX
      72 /r6     66    PSLLD       Udq,Ib          SSE2
      73 /r2     NP    PSRLQ       Nq,Ib           MMX
      73 /r2     66    PSRLQ       Udq,Ib          SSE2
      73 /r3     66    PSRLDQ      Udq,Ib          SSE2
      73 /r6     NP    PSLLQ       Nq,Ib           MMX
      73 /r6     66    PSLLQ       Udq,Ib          SSE2
      73 /r7     66    PSLLDQ      Udq,Ib          SSE2
      74         NP    PCMPEQB     Pq,Qq           MMX
      74         66    PCMPEQB     Vdq,Wdq         SSE2 aligned
      75         NP    PCMPEQW     Pq,Qq           MMX
      75         66    PCMPEQW     Vdq,Wdq         SSE2 aligned
      76         NP    PCMPEQD     Pq,Qq           MMX
      76         66    PCMPEQD     Vdq,Wdq         SSE2 aligned
      77         NP    EMMS        -               MMX
      7C         66    HADDPD      Vpd,Wpd         SSE3 fp aligned
      7C         F2    HADDPS      Vps,Wps         SSE3 fp aligned
      7D         66    HSUBPD      Vpd,Wpd         SSE3 fp aligned
      7D         F2    HSUBPS      Vps,Wps         SSE3 fp aligned
      7E         NP    MOVD        Ey,Py           MMX
      7E         66    MOVD        Ey,Vy           SSE2
      7E         F3    MOVQ        Vdq,Wq          SSE2
      7F         NP    MOVQ        Qq,Pq           MMX
      7F         66    MOVDQA      Wdq,Vdq         SSE2 aligned
      7F         F3    MOVDQU      Wdq,Vdq         SSE2
      80+cc            JCC         Jz              f64 end
      90+cc            SETCC       Eb
      A0               PUSH_SREG   FS              d64 stack
      A1               POP_SREG    FS              d64 stack
      A2               CPUID       -               end
      A3               BT          Ev,Gv           bitstring
      A4               SHLD        Ev,Gv,Ib        c:oszapc
      A5               SHLD        Ev,Gv,CL        c:oszapc
      A8               PUSH_SREG   GS              d64 stack
      A9               POP_SREG    GS              d64 stack
      AA               RSM         -               end fault
      AB               BTS         Ev,Gv           lock bitstring
      AC               SHRD        Ev,Gv,Ib        c:oszapc
      AD               SHRD        Ev,Gv,CL        c:oszapc
      AE /m0     NP    FXSAVE      Mfx             FXSR
      AE /r0     F3    RDFSBASE    Ry              o64 FSGSBASE
      AE /m1     NP    FXRSTOR     Mfx             FXSR
      AE /r1     F3    RDGSBASE    Ry              o64 FSGSBASE
      AE /m2     NP    LDMXCSR     Md              SSE simd fault
      AE /r2     F3    WRFSBASE    Ry              o64 FSGSBASE fault
      AE /m3     NP    STMXCSR     Md              SSE simd
      AE /r3     F3    WRGSBASE    Ry              o64 FSGSBASE fault
      AE /m4     NP    XSAVE       M               XSAVE fault
      AE /m5     NP    XRSTOR      M               XSAVE fault
      AE /r5     NP    LFENCE      -               SSE2
      AE /m6     NP    XSAVEOPT    M               XSAVEOPT fault
      AE /m6     66    CLWB        Mb              CLWB
      AE /r6     NP    MFENCE      -               SSE2
      AE /m7     NP    CLFLUSH     Mb              CLFLUSH
      AE /m7     66    CLFLUSHOPT  Mb              CLFLUSHOPT
      AE /r7     NP    SFENCE      -               SSE
      AF               IMUL        Gv,Ev
      B0               CMPXCHG     Eb,Gb           lock
      B1               CMPXCHG     Ev,Gv           lock
      B2               LSS         Gv,Mp           end fault
      B3               BTR         Ev,Gv           lock bitstring
      B4               LFS         Gv,Mp           fault
      B5               LGS         Gv,Mp           fault
      B6               MOVZX       Gv,Eb
      B7               MOVZX       Gv,Ew
      B8         F3    POPCNT      Gv,Ev           POPCNT
      B9               UD1         Gv,Ev           end fault
      BA /4            BT          Ev,Ib
      BA /5            BTS         Ev,Ib           lock
      BA /6            BTR         Ev,Ib           lock
      BA /7            BTC         Ev,Ib           lock
      BB               BTC         Ev,Gv           lock bitstring
      BC         F3    TZCNT       Gv,Ev           BMI1
      BC               BSF         Gv,Ev
      BD         F3    LZCNT       Gv,Ev           ABM
      BD               BSR         Gv,Ev
      BE               MOVSX       Gv,Eb
      BF               MOVSX       Gv,Ew
      C0               XADD        Eb,Gb           lock
      C1               XADD        Ev,Gv           lock
      C2         NP    CMPPS       Vps,Wps,Ib      SSE fp aligned
      C2         66    CMPPD       Vpd,Wpd,Ib      SSE2 fp aligned
      C2         F3    CMPSS       Vss,Wss,Ib      SSE fp
      C2         F2    CMPSD       Vsd,Wsd,Ib      SSE2 fp
      C3         NP    MOVNTI      My,Gy           SSE2
      C4         NP    PINSRW      Pq,Rd/Mw,Ib     SSE
      C4         66    PINSRW      Vdq,Rd/Mw,Ib    SSE2
      C5 /r      NP    PEXTRW      Gd,Nq,Ib        SSE
      C5 /r      66    PEXTRW      Gd,Udq,Ib       SSE2
      C6         NP    SHUFPS      Vps,Wps,Ib      SSE aligned
      C6         66    SHUFPD      Vpd,Wpd,Ib      SSE2 aligned
      C7 /m1     W0    CMPXCHG8B   Mq              lock CX8
      C7 /m1     W1    CMPXCHG16B  Mdq             lock CX16 aligned
      C7 /m3     NP    XRSTORS     M               priv XSAVES
      C7 /m4     NP    XSAVEC      M               XSAVEC fault
      C7 /m5     NP    XSAVES      M               priv XSAVES
      C7 /r6     NF    RDRAND      Rv              RDRAND
      C7 /r7     NF    RDSEED      Rv              RDSEED
      C7 /r7     F3    RDPID       Rn              RDPID
      C8+r             BSWAP       Zv
      D0         66    ADDSUBPD    Vpd,Wpd         SSE3 fp aligned
      D0         F2    ADDSUBPS    Vps,Wps         SSE3 fp aligned
      D1         NP    PSRLW       Pq,Qq           MMX
      D1         66    PSRLW       Vdq,Wdq         SSE2 aligned
      D2         NP    PSRLD       Pq,Qq           MMX
      D2         66    PSRLD       Vdq,Wdq         SSE2 aligned
      D3         NP    PSRLQ       Pq,Qq           MMX
      D3         66    PSRLQ       Vdq,Wdq         SSE2 aligned
      D4         NP    PADDQ       Pq,Qq           SSE2
      D4         66    PADDQ       Vdq,Wdq         SSE2 aligned
      D5         NP    PMULLW      Pq,Qq           MMX
      D5         66    PMULLW      Vdq,Wdq         SSE2 aligned
      D6         66    MOVQ        Wq,Vq           SSE2
      D6 /r      F3    MOVQ2DQ     Vdq,Nq          SSE2
      D6 /r      F2    MOVDQ2Q     Pq,Uq           SSE2
      D7 /r      NP    PMOVMSKB    Gd,Nq           SSE
      D7 /r      66    PMOVMSKB    Gd,Udq          SSE2
      D8         NP    PSUBUSB     Pq,Qq           MMX
      D8         66    PSUBUSB     Vdq,Wdq         SSE2 aligned
      D9         NP    PSUBUSW     Pq,Qq           MMX
      D9         66    PSUBUSW     Vdq,Wdq         SSE2 aligned
      DA         NP    PMINUB      Pq,Qq           SSE
      DA         66    PMINUB      Vdq,Wdq         SSE2 aligned
      DB         NP    PAND        Pq,Qq           MMX
      DB         66    PAND        Vdq,Wdq         SSE2 aligned
      DC         NP    PADDUSB     Pq,Qq           MMX
      DC         66    PADDUSB     Vdq,Wdq         SSE2 aligned
      DD         NP    PADDUSW     Pq,Qq           MMX
      DD         66    PADDUSW     Vdq,Wdq         SSE2 aligned
      DE         NP    PMAXUB      Pq,Qq           SSE
      DE         66    PMAXUB      Vdq,Wdq         SSE2 aligned
      DF         NP    PANDN       Pq,Qq           MMX
      DF         66    PANDN       Vdq,Wdq         SSE2 aligned
      E0         NP    PAVGB       Pq,Qq           SSE
      E0         66    PAVGB       Vdq,Wdq         SSE2 aligned
      E1         NP    PSRAW       Pq,Qq           MMX
      E1         66    PSRAW       Vdq,Wdq         SSE2 aligned
      E2         NP    PSRAD       Pq,Qq           MMX
      E2         66    PSRAD       Vdq,Wdq         SSE2 aligned
      E3         NP    PAVGW       Pq,Qq           SSE
      E3         66    PAVGW       Vdq,Wdq         SSE2 aligned
      E4         NP    PMULHUW     Pq,Qq           SSE
      E4         66    PMULHUW     Vdq,Wdq         SSE2 aligned
      E5         NP    PMULHW      Pq,Qq           MMX
      E5         66    PMULHW      Vdq,Wdq         SSE2 aligned
      E6         66    CVTTPD2DQ   Vdq,Wpd         SSE2 fp aligned
      E6         F3    CVTDQ2PD    Vdq,Wq          SSE2 fp
      E6         F2    CVTPD2DQ    Vdq,Wpd         SSE2 fp aligned
      E7         NP    MOVNTQ      Mq,Pq           SSE
      E7         66    MOVNTDQ     Mdq,Vdq         SSE2 aligned
      E8         NP    PSUBSB      Pq,Qq           MMX
      E8         66    PSUBSB      Vdq,Wdq         SSE2 aligned
      E9         NP    PSUBSW      Pq,Qq           MMX
      E9         66    PSUBSW      Vdq,Wdq         SSE2 aligned
      EA         NP    PMINSW      Pq,Qq           SSE
      EA         66    PMINSW      Vdq,Wdq         SSE2 aligned
      EB         NP    POR         Pq,Qq           MMX
      EB         66    POR         Vdq,Wdq         SSE2 aligned
      EC         NP    PADDSB      Pq,Qq           MMX
      EC         66    PADDSB      Vdq,Wdq         SSE2 aligned
      ED         NP    PADDSW      Pq,Qq           MMX
      ED         66    PADDSW      Vdq,Wdq         SSE2 aligned
      EE         NP    PMAXSW      Pq,Qq           SSE
      EE         66    PMAXSW      Vdq,Wdq         SSE2 aligned
      EF         NP    PXOR        Pq,Qq           MMX
      EF         66    PXOR        Vdq,Wdq         SSE2 aligned
      F0 /m      F2    LDDQU       Vdq,Mdq         SSE3
      F1         NP    PSLLW       Pq,Qq           MMX
      F1         66    PSLLW       Vdq,Wdq         SSE2 aligned
      F2         NP    PSLLD       Pq,Qq           MMX
      F2         66    PSLLD       Vdq,Wdq         SSE2 aligned
      F3         NP    PSLLQ       Pq,Qq           MMX
      F3         66    PSLLQ       Vdq,Wdq         SSE2 aligned
      F4         NP    PMULUDQ     Pq,Qq           SSE2
      F4         66    PMULUDQ     Vdq,Wdq         SSE2 aligned
      F5         NP    PMADDWD     Pq,Qq           MMX
      F5         66    PMADDWD     Vdq,Wdq         SSE2 aligned
      F6         NP    PSADBW      Pq,Qq           SSE
      F6         66    PSADBW      Vdq,Wdq         SSE2 aligned
      F7 /r      NP    MASKMOVQ    Pq,Nq,@DIq      SSE
      F7 /r      66    MASKMOVDQU  Vdq,Udq,@DIdq   SSE2
      F8         NP    PSUBB       Pq,Qq           MMX
      F8         66    PSUBB       Vdq,Wdq         SSE2 aligned
      F9         NP    PSUBW       Pq,Qq           MMX
      F9         66    PSUBW       Vdq,Wdq         SSE2 aligned
      FA         NP    PSUBD       Pq,Qq           MMX
      FA         66    PSUBD       Vdq,Wdq         SSE2 aligned
      FB         NP    PSUBQ       Pq,Qq           SSE2
      FB         66    PSUBQ       Vdq,Wdq         SSE2 aligned
      FC         NP    PADDB       Pq,Qq           MMX
      FC         66    PADDB       Vdq,Wdq         SSE2 aligned
      FD         NP    PADDW       Pq,Qq           MMX
      FD         66    PADDW       Vdq,Wdq         SSE2 aligned
      FE         NP    PADDD       Pq,Qq           MMX
      FE         66    PADDD       Vdq,Wdq         SSE2 aligned
      FF               UD0         Gv,Ev           end fault
      """;
}
