package dev.pollux.core.decode;

/**
 * The three-byte opcode map with escape 0F 3A (Intel SDM volume 2D, table A-5). The notation is
 * described at {@link OpcodeTables}.
 */
final class Opcodes0F3A {
  private Opcodes0F3A() {}

  static final String TABLE =
      """
      08         66    ROUNDPS     Vps,Wps,Ib      SSE41 fp aligned
      09         66    ROUNDPD     Vpd,Wpd,Ib      SSE41 fp aligned
      0A         66    ROUNDSS     Vss,Wss,Ib      SSE41 fp
      0B         66    ROUNDSD     Vsd,Wsd,Ib      SSE41 fp
      0C         66    BLENDPS     Vps,Wps,Ib      SSE41 aligned
      0D         66    BLENDPD     Vpd,Wpd,Ib      SSE41 aligned
      0E         66    PBLENDW     Vdq,Wdq,Ib      SSE41 aligned
      0F         NP    PALIGNR     Pq,Qq,Ib        SSSE3
      0F         66    PALIGNR     Vdq,Wdq,Ib      SSSE3 aligned
      14         66    PEXTRB      Rd/Mb,Vdq,Ib    SSE41
      15         66    PEXTRW      Rd/Mw,Vdq,Ib    SSE41
      16         66    PEXTRD      Ey,Vdq,Ib       SSE41
      17         66    EXTRACTPS   Ed,Vdq,Ib       SSE41
      20         66    PINSRB      Vdq,Rd/Mb,Ib    SSE41
      21         66    INSERTPS    Vdq,Wss,Ib      SSE41
      22         66    PINSRD      Vdq,Ey,Ib       SSE41
      40         66    DPPS        Vps,Wps,Ib      SSE41 fp aligned
      41         66    DPPD        Vpd,Wpd,Ib      SSE41 fp aligned
      42         66    MPSADBW     Vdq,Wdq,Ib      SSE41 aligned
      44         66    PCLMULQDQ   Vdq,Wdq,Ib      PCLMULQDQ aligned
      60         66    PCMPESTRM   Vdq,Wdq,Ib      SSE42
      61         66    PCMPESTRI   Vdq,Wdq,Ib      SSE42
      62         66    PCMPISTRM   Vdq,Wdq,Ib      SSE42
      63         66    PCMPISTRI   Vdq,Wdq,Ib      SSE42
      CC         NP    SHA1RNDS4   Vdq,Wdq,Ib      SHA aligned
      CE         66    GF2P8AFFINEQB Vdq,Wdq,Ib    GFNI aligned
      CF         66    GF2P8AFFINEINVQB Vdq,Wdq,Ib GFNI aligned
      DF         66    AESKEYGENASSIST Vdq,Wdq,Ib  AES aligned
      """;
}
