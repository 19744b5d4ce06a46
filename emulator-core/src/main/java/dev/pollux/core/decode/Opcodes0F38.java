package dev.pollux.core.decode;

/**
 * The three-byte opcode map with escape 0F 38 (Intel SDM volume 2D, table A-4). The notation is
 * described at {@link OpcodeTables}.
 */
final class Opcodes0F38 {
  private Opcodes0F38() {}

  static final String TABLE =
      """
      00         NP    PSHUFB      Pq,Qq           SSSE3
      00         66    PSHUFB      Vdq,Wdq         SSSE3 aligned
      01         NP    PHADDW      Pq,Qq           SSSE3
      01         66    PHADDW      Vdq,Wdq         SSSE3 aligned
      02         NP    PHADDD      Pq,Qq           SSSE3
      02         66    PHADDD      Vdq,Wdq         SSSE3 aligned
      03         NP    PHADDSW     Pq,Qq           SSSE3
      03         66    PHADDSW     Vdq,Wdq         SSSE3 aligned
      04         NP    PMADDUBSW   Pq,Qq           SSSE3
      04         66    PMADDUBSW   Vdq,Wdq         SSSE3 aligned
      05         NP    PHSUBW      Pq,Qq           SSSE3
      05         66    PHSUBW      Vdq,Wdq         SSSE3 aligned
      06         NP    PHSUBD      Pq,Qq           SSSE3
      06         66    PHSUBD      Vdq,Wdq         SSSE3 aligned
      07         NP    PHSUBSW     Pq,Qq           SSSE3
      07         66    PHSUBSW     Vdq,Wdq         SSSE3 aligned
      08         NP    PSIGNB      Pq,Qq           SSSE3
      08         66    PSIGNB      Vdq,Wdq         SSSE3 aligned
      09         NP    PSIGNW      Pq,Qq           SSSE3
      09         66    PSIGNW      Vdq,Wdq         SSSE3 aligned
      0A         NP    PSIGND      Pq,Qq           SSSE3
      0A         66    PSIGND      Vdq,Wdq         SSSE3 aligned
      0B         NP    PMULHRSW    Pq,Qq           SSSE3
      0B         66    PMULHRSW    Vdq,Wdq         SSSE3 aligned
      10         66    PBLENDVB    Vdq,Wdq,XMM0    SSE41 aligned
      14         66    BLENDVPS    Vdq,Wdq,XMM0    SSE41 aligned
      15         66    BLENDVPD    Vdq,Wdq,XMM0    SSE41 aligned
      17         66    PTEST       Vdq,Wdq         SSE41 aligned
      1C         NP    PABSB       Pq,Qq           SSSE3
      1C         66    PABSB       Vdq,Wdq         SSSE3 aligned
      1D         NP    PABSW       Pq,Qq           SSSE3
      1D         66    PABSW       Vdq,Wdq         SSSE3 aligned
      1E         NP    PABSD       Pq,Qq           SSSE3
      1E         66    PABSD       Vdq,Wdq         SSSE3 aligned
      20         66    PMOVSXBW    Vdq,Wq          SSE41
      21         66    PMOVSXBD    Vdq,Wd          SSE41
      22         66    PMOVSXBQ    Vdq,Ww          SSE41
      23         66    PMOVSXWD    Vdq,Wq          SSE41
      24         66    PMOVSXWQ    Vdq,Wd          SSE41
      25         66    PMOVSXDQ    Vdq,Wq          SSE41
      28         66    PMULDQ      Vdq,Wdq         SSE41 aligned
      29         66    PCMPEQQ     Vdq,Wdq         SSE41 aligned
      2A         66    MOVNTDQA    Vdq,Mdq         SSE41 aligned
      2B         66    PACKUSDW    Vdq,Wdq         SSE41 aligned
      30         66    PMOVZXBW    Vdq,Wq          SSE41
      31         66    PMOVZXBD    Vdq,Wd          SSE41
      32         66    PMOVZXBQ    Vdq,Ww          SSE41
      33         66    PMOVZXWD    Vdq,Wq          SSE41
      34         66    PMOVZXWQ    Vdq,Wd          SSE41
      35         66    PMOVZXDQ    Vdq,Wq          SSE41
      37         66    PCMPGTQ     Vdq,Wdq         SSE42 aligned
      38         66    PMINSB      Vdq,Wdq         SSE41 aligned
      39         66    PMINSD      Vdq,Wdq         SSE41 aligned
      3A         66    PMINUW      Vdq,Wdq         SSE41 aligned
      3B         66    PMINUD      Vdq,Wdq         SSE41 aligned
      3C         66    PMAXSB      Vdq,Wdq         SSE41 aligned
      3D         66    PMAXSD      Vdq,Wdq         SSE41 aligned
      3E         66    PMAXUW      Vdq,Wdq         SSE41 aligned
      3F         66    PMAXUD      Vdq,Wdq         SSE41 aligned
      40         66    PMULLD      Vdq,Wdq         SSE41 aligned
      41         66    PHMINPOSUW  Vdq,Wdq         SSE41 aligned
      82         66    INVPCID     Gn,Mdq          INVPCID priv end
      C8         NP    SHA1NEXTE   Vdq,Wdq         SHA aligned
      C9         NP    SHA1MSG1    Vdq,Wdq         SHA aligned
      CA         NP    SHA1MSG2    Vdq,Wdq         SHA aligned
      CB         NP    SHA256RNDS2 Vdq,Wdq,XMM0    SHA aligned
      CC         NP    SHA256MSG1  Vdq,Wdq         SHA aligned
      CD         NP    SHA256MSG2  Vdq,Wdq         SHA aligned
      CF         66    GF2P8MULB   Vdq,Wdq         GFNI aligned
      DB         66    AESIMC      Vdq,Wdq         AES aligned
      DC         66    AESENC      Vdq,Wdq         AES aligned
      DD         66    AESENCLAST  Vdq,Wdq         AES aligned
      DE         66    AESDEC      Vdq,Wdq         AES aligned
      DF         66    AESDECLAST  Vdq,Wdq         AES aligned
      F0 /m      NF    MOVBE       Gv,Mv           MOVBE
      F0         F2    CRC32       Gy,Eb           SSE42
      F1 /m      NF    MOVBE       Mv,Gv           MOVBE
      F1         F2    CRC32       Gy,Ev           SSE42
      F9 /m      NP    MOVDIRI     My,Gy           MOVDIRI
      F6         66    ADCX        Gy,Ey           ADX
      F6         F3    ADOX        Gy,Ey           ADX
      """;
}
