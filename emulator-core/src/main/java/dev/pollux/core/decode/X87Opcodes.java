package dev.pollux.core.decode;

/**
 * The x87 opcodes D8 to DF (Intel SDM volume 2D, tables ). The notation is described at
 * {@link OpcodeTables}. Rows with {@code alias} are encodings that the manuals reserve and every
 * processor since the 80287 executes like the named instruction.
 */
final class X87Opcodes {
  private X87Opcodes() {}

  static final String TABLE =
      """
      D8 /m0     FADD      ST0,Md
      D8 /m1     FMUL      ST0,Md
      D8 /m2     FCOM      ST0,Md
      D8 /m3     FCOMP     ST0,Md
      D8 /m4     FSUB      ST0,Md
      D8 /m5     FSUBR     ST0,Md
      D8 /m6     FDIV      ST0,Md
      D8 /m7     FDIVR     ST0,Md
      D8 /r0     FADD      ST0,STi
      D8 /r1     FMUL      ST0,STi
      D8 /r2     FCOM      ST0,STi
      D8 /r3     FCOMP     ST0,STi
      D8 /r4     FSUB      ST0,STi
      D8 /r5     FSUBR     ST0,STi
      D8 /r6     FDIV      ST0,STi
      D8 /r7     FDIVR     ST0,STi
      D9 /m0     FLD       Md
      D9 /m2     FST       Md
      D9 /m3     FSTP      Md
      D9 /m4     FLDENV    Menv
      D9 /m5     FLDCW     Mw
      D9 /m6     FNSTENV   Menv
      D9 /m7     FNSTCW    Mw
      D9 /r0     FLD       STi
      D9 /r1     FXCH      ST0,STi
      D9 =D0     FNOP      -
      D9 /r3     FSTP      STi          alias
      D9 =E0     FCHS      -
      D9 =E1     FABS      -
      D9 =E4     FTST      -
      D9 =E5     FXAM      -
      D9 =E8     FLD1      -
      D9 =E9     FLDL2T    -
      D9 =EA     FLDL2E    -
      D9 =EB     FLDPI     -
      D9 =EC     FLDLG2    -
      D9 =ED     FLDLN2    -
      D9 =EE     FLDZ      -
      D9 =F0     F2XM1     -
      D9 =F1     FYL2X     -
      D9 =F2     FPTAN     -
      D9 =F3     FPATAN    -
      D9 =F4     FXTRACT   -
      D9 =F5     FPREM1    -
      D9 =F6     FDECSTP   -
      D9 =F7     FINCSTP   -
      D9 =F8     FPREM     -
      D9 =F9     FYL2XP1   -
      D9 =FA     FSQRT     -
      D9 =FB     FSINCOS   -
      D9 =FC     FRNDINT   -
      D9 =FD     FSCALE    -
      D9 =FE     FSIN      -
      D9 =FF     FCOS      -
      DA /m0     FIADD     ST0,Md
      DA /m1     FIMUL     ST0,Md
      DA /m2     FICOM     ST0,Md
      DA /m3     FICOMP    ST0,Md
      DA /m4     FISUB     ST0,Md
      DA /m5     FISUBR    ST0,Md
      DA /m6     FIDIV     ST0,Md
      DA /m7     FIDIVR    ST0,Md
      DA /r0     FCMOVB    ST0,STi      CMOV
      DA /r1     FCMOVE    ST0,STi      CMOV
      DA /r2     FCMOVBE   ST0,STi      CMOV
      DA /r3     FCMOVU    ST0,STi      CMOV
      DA =E9     FUCOMPP   -
      DB /m0     FILD      Md
      DB /m1     FISTTP    Md           SSE3
      DB /m2     FIST      Md
      DB /m3     FISTP     Md
      DB /m5     FLD       Mt
      DB /m7     FSTP      Mt
      DB /r0     FCMOVNB   ST0,STi      CMOV
      DB /r1     FCMOVNE   ST0,STi      CMOV
      DB /r2     FCMOVNBE  ST0,STi      CMOV
      DB /r3     FCMOVNU   ST0,STi      CMOV
      DB =E0     FNOP      -            alias
      DB =E1     FNOP      -            alias
      DB =E2     FNCLEX    -
      DB =E3     FNINIT    -
      DB =E4     FNOP      -            alias
      DB /r5     FUCOMI    ST0,STi      CMOV
      DB /r6     FCOMI     ST0,STi      CMOV
      DC /m0     FADD      ST0,Mq
      DC /m1     FMUL      ST0,Mq
      DC /m2     FCOM      ST0,Mq
      DC /m3     FCOMP     ST0,Mq
      DC /m4     FSUB      ST0,Mq
      DC /m5     FSUBR     ST0,Mq
      DC /m6     FDIV      ST0,Mq
      DC /m7     FDIVR     ST0,Mq
      DC /r0     FADD      STi,ST0
      DC /r1     FMUL      STi,ST0
      DC /r2     FCOM      ST0,STi      alias
      DC /r3     FCOMP     ST0,STi      alias
      DC /r4     FSUBR     STi,ST0
      DC /r5     FSUB      STi,ST0
      DC /r6     FDIVR     STi,ST0
      DC /r7     FDIV      STi,ST0
      DD /m0     FLD       Mq
      DD /m1     FISTTP    Mq           SSE3
      DD /m2     FST       Mq
      DD /m3     FSTP      Mq
      DD /m4     FRSTOR    Mfs
      DD /m6     FNSAVE    Mfs
      DD /m7     FNSTSW    Mw
      DD /r0     FFREE     STi
      DD /r1     FXCH      ST0,STi      alias
      DD /r2     FST       STi
      DD /r3     FSTP      STi
      DD /r4     FUCOM     ST0,STi
      DD /r5     FUCOMP    ST0,STi
      DE /m0     FIADD     ST0,Mw
      DE /m1     FIMUL     ST0,Mw
      DE /m2     FICOM     ST0,Mw
      DE /m3     FICOMP    ST0,Mw
      DE /m4     FISUB     ST0,Mw
      DE /m5     FISUBR    ST0,Mw
      DE /m6     FIDIV     ST0,Mw
      DE /m7     FIDIVR    ST0,Mw
      DE /r0     FADDP     STi,ST0
      DE /r1     FMULP     STi,ST0
      DE /r2     FCOMP     ST0,STi      alias
      DE =D9     FCOMPP    -
      DE /r4     FSUBRP    STi,ST0
      DE /r5     FSUBP     STi,ST0
      DE /r6     FDIVRP    STi,ST0
      DE /r7     FDIVP     STi,ST0
      DF /m0     FILD      Mw
      DF /m1     FISTTP    Mw           SSE3
      DF /m2     FIST      Mw
      DF /m3     FISTP     Mw
      DF /m4     FBLD      Mt
      DF /m5     FILD      Mq
      DF /m6     FBSTP     Mt
      DF /m7     FISTP     Mq
      DF /r0     FFREEP    STi          alias
      DF /r1     FXCH      ST0,STi      alias
      DF /r2     FSTP      STi          alias
      DF /r3     FSTP      STi          alias
      DF =E0     FNSTSW    AX
      DF /r5     FUCOMIP   ST0,STi      CMOV
      DF /r6     FCOMIP    ST0,STi      CMOV
      """;
}
