package dev.pollux.core.decode;

/**
 * The one-byte opcode map (Intel SDM volume 2D, table A-2, with the groups of table A-6). The
 * notation is described at {@link OpcodeTables}.
 */
final class OneByteOpcodes {
  private OneByteOpcodes() {}

  static final String TABLE =
      """
      00         ADD       Eb,Gb        lock
      01         ADD       Ev,Gv        lock
      02         ADD       Gb,Eb
      03         ADD       Gv,Ev
      04         ADD       AL,sIb
      05         ADD       rAX,Iz
      06         PUSH_SREG ES           i64 stack
      07         POP_SREG  ES           i64 stack
      08         OR        Eb,Gb        lock
      09         OR        Ev,Gv        lock
      0A         OR        Gb,Eb
      0B         OR        Gv,Ev
      0C         OR        AL,sIb
      0D         OR        rAX,Iz
      0E         PUSH_SREG CS           i64 stack
      10         ADC       Eb,Gb        lock
      11         ADC       Ev,Gv        lock
      12         ADC       Gb,Eb
      13         ADC       Gv,Ev
      14         ADC       AL,sIb
      15         ADC       rAX,Iz
      16         PUSH_SREG SS           i64 stack
      17         POP_SREG  SS           i64 stack end
      18         SBB       Eb,Gb        lock
      19         SBB       Ev,Gv        lock
      1A         SBB       Gb,Eb
      1B         SBB       Gv,Ev
      1C         SBB       AL,sIb
      1D         SBB       rAX,Iz
      1E         PUSH_SREG DS           i64 stack
      1F         POP_SREG  DS           i64 stack
      20         AND       Eb,Gb        lock
      21         AND       Ev,Gv        lock
      22         AND       Gb,Eb
      23         AND       Gv,Ev
      24         AND       AL,sIb
      25         AND       rAX,Iz
      27         DAA       -            i64
      28         SUB       Eb,Gb        lock
      29         SUB       Ev,Gv        lock
      2A         SUB       Gb,Eb
      2B         SUB       Gv,Ev
      2C         SUB       AL,sIb
      2D         SUB       rAX,Iz
      2F         DAS       -            i64
      30         XOR       Eb,Gb        lock
      31         XOR       Ev,Gv        lock
      32         XOR       Gb,Eb
      33         XOR       Gv,Ev
      34         XOR       AL,sIb
      35         XOR       rAX,Iz
      37         AAA       -            i64
      38         CMP       Eb,Gb
      39         CMP       Ev,Gv
      3A         CMP       Gb,Eb
      3B         CMP       Gv,Ev
      3C         CMP       AL,sIb
      3D         CMP       rAX,Iz
      3F         AAS       -            i64
      40+r       INC       Zv           i64
      48+r       DEC       Zv           i64
      50+r       PUSH      Zv           d64 stack
      58+r       POP       Zv           d64 stack
      60         PUSHA     -            i64 stack
      61         POPA      -            i64 stack
      62         BOUND     Gv,Ma        i64 fault
      63         ARPL      Ew,Gw        i64 pm
      63         MOVSXD    Gv,Ez        o64
      68         PUSH      Iz           d64 stack
      69         IMUL      Gv,Ev,Iz
      6A         PUSH      sIb          d64 stack
      6B         IMUL      Gv,Ev,sIb
      6C         INS       Yb,DX        io rep
      6D         INS       Yz,DX        io rep
      6E         OUTS      DX,Xb        io rep
      6F         OUTS      DX,Xz        io rep
      70+cc      JCC       Jb           f64 end
      80 /0      ADD       Eb,sIb       lock
      80 /1      OR        Eb,sIb       lock
      80 /2      ADC       Eb,sIb       lock
      80 /3      SBB       Eb,sIb       lock
      80 /4      AND       Eb,sIb       lock
      80 /5      SUB       Eb,sIb       lock
      80 /6      XOR       Eb,sIb       lock
      80 /7      CMP       Eb,sIb
      81 /0      ADD       Ev,Iz        lock
      81 /1      OR        Ev,Iz        lock
      81 /2      ADC       Ev,Iz        lock
      81 /3      SBB       Ev,Iz        lock
      81 /4      AND       Ev,Iz        lock
      81 /5      SUB       Ev,Iz        lock
      81 /6      XOR       Ev,Iz        lock
      81 /7      CMP       Ev,Iz
      82 /0      ADD       Eb,sIb       i64 lock
      82 /1      OR        Eb,sIb       i64 lock
      82 /2      ADC       Eb,sIb       i64 lock
      82 /3      SBB       Eb,sIb       i64 lock
      82 /4      AND       Eb,sIb       i64 lock
      82 /5      SUB       Eb,sIb       i64 lock
      82 /6      XOR       Eb,sIb       i64 lock
      82 /7      CMP       Eb,sIb       i64
      83 /0      ADD       Ev,sIb       lock
      83 /1      OR        Ev,sIb       lock
      83 /2      ADC       Ev,sIb       lock
      83 /3      SBB       Ev,sIb       lock
      83 /4      AND       Ev,sIb       lock
      83 /5      SUB       Ev,sIb       lock
      83 /6      XOR       Ev,sIb       lock
      83 /7      CMP       Ev,sIb
      84         TEST      Eb,Gb
      85         TEST      Ev,Gv
      86         XCHG      Eb,Gb        lock
      87         XCHG      Ev,Gv        lock
      88         MOV       Eb,Gb
      89         MOV       Ev,Gv
      8A         MOV       Gb,Eb
      8B         MOV       Gv,Ev
      8C         MOV_SREG  Rv/Mw,Sw
      8D         LEA       Gv,M
      8E         MOV_SREG  Sw,Ew        end fault
      8F /0      POP       Ev           d64 stack
      90  F3.B0  PAUSE     -
      90  B0     NOP       -
      90+r       XCHG      Zv,rAX
      98         CBW       -
      99         CWD       -
      9A         CALL_FAR  Ap           i64 stack end
      9B         FWAIT     -            fault
      9C         PUSHF     -            d64 stack iopl
      9D         POPF      -            d64 stack iopl end
      9E         SAHF      -            i64
      9E         SAHF      -            o64 LAHF_LM
      9F         LAHF      -            i64
      9F         LAHF      -            o64 LAHF_LM
      A0         MOV       AL,Ob
      A1         MOV       rAX,Ov
      A2         MOV       Ob,AL
      A3         MOV       Ov,rAX
      A4         MOVS      Yb,Xb        rep
      A5         MOVS      Yv,Xv        rep
      A6         CMPS      Xb,Yb        rep c:oszapc
      A7         CMPS      Xv,Yv        rep c:oszapc
      A8         TEST      AL,sIb
      A9         TEST      rAX,Iz
      AA         STOS      Yb,AL        rep
      AB         STOS      Yv,rAX       rep
      AC         LODS      AL,Xb        rep
      AD         LODS      rAX,Xv       rep
      AE         SCAS      AL,Yb        rep c:oszapc
      AF         SCAS      rAX,Yv       rep c:oszapc
      B0+r       MOV       Zb,Ib
      B8+r       MOV       Zv,Iv
      C0 /0      ROL       Eb,Ib        c:oc
      C0 /1      ROR       Eb,Ib        c:oc
      C0 /2      RCL       Eb,Ib        c:oc
      C0 /3      RCR       Eb,Ib        c:oc
      C0 /4      SHL       Eb,Ib        c:oszapc
      C0 /5      SHR       Eb,Ib        c:oszapc
      C0 /6      SHL       Eb,Ib        c:oszapc alias
      C0 /7      SAR       Eb,Ib        c:oszapc
      C1 /0      ROL       Ev,Ib        c:oc
      C1 /1      ROR       Ev,Ib        c:oc
      C1 /2      RCL       Ev,Ib        c:oc
      C1 /3      RCR       Ev,Ib        c:oc
      C1 /4      SHL       Ev,Ib        c:oszapc
      C1 /5      SHR       Ev,Ib        c:oszapc
      C1 /6      SHL       Ev,Ib        c:oszapc alias
      C1 /7      SAR       Ev,Ib        c:oszapc
      C2         RET       Iw           f64 stack end
      C3         RET       -            f64 stack end
      C4 /m      LES       Gz,Mp        i64 fault
      C5 /m      LDS       Gz,Mp        i64 fault
      C6 /0      MOV       Eb,Ib
      C7 /0      MOV       Ev,Iz
      C8         ENTER     Iw,Ib        d64 stack
      C9         LEAVE     -            d64 stack
      CA         RET_FAR   Iw           stack end
      CB         RET_FAR   -            stack end
      CC         INT3      -            stack end
      CD         INT       Ib           stack end iopl
      CE         INTO      -            i64 stack end
      CF         IRET      -            stack end iopl
      D0 /0      ROL       Eb,I1        w:oc
      D0 /1      ROR       Eb,I1        w:oc
      D0 /2      RCL       Eb,I1        w:oc
      D0 /3      RCR       Eb,I1        w:oc
      D0 /4      SHL       Eb,I1        w:oszpc u:a
      D0 /5      SHR       Eb,I1        w:oszpc u:a
      D0 /6      SHL       Eb,I1        w:oszpc u:a alias
      D0 /7      SAR       Eb,I1        w:oszpc u:a
      D1 /0      ROL       Ev,I1        w:oc
      D1 /1      ROR       Ev,I1        w:oc
      D1 /2      RCL       Ev,I1        w:oc
      D1 /3      RCR       Ev,I1        w:oc
      D1 /4      SHL       Ev,I1        w:oszpc u:a
      D1 /5      SHR       Ev,I1        w:oszpc u:a
      D1 /6      SHL       Ev,I1        w:oszpc u:a alias
      D1 /7      SAR       Ev,I1        w:oszpc u:a
      D2 /0      ROL       Eb,CL        c:oc
      D2 /1      ROR       Eb,CL        c:oc
      D2 /2      RCL       Eb,CL        c:oc
      D2 /3      RCR       Eb,CL        c:oc
      D2 /4      SHL       Eb,CL        c:oszapc
      D2 /5      SHR       Eb,CL        c:oszapc
      D2 /6      SHL       Eb,CL        c:oszapc alias
      D2 /7      SAR       Eb,CL        c:oszapc
      D3 /0      ROL       Ev,CL        c:oc
      D3 /1      ROR       Ev,CL        c:oc
      D3 /2      RCL       Ev,CL        c:oc
      D3 /3      RCR       Ev,CL        c:oc
      D3 /4      SHL       Ev,CL        c:oszapc
      D3 /5      SHR       Ev,CL        c:oszapc
      D3 /6      SHL       Ev,CL        c:oszapc alias
      D3 /7      SAR       Ev,CL        c:oszapc
      D4         AAM       Ib           i64 fault
      D5         AAD       Ib           i64
      D6         SALC      -            i64
      D7         XLAT      @BXb
      E0         LOOPNE    Jb           f64 end
      E1         LOOPE     Jb           f64 end
      E2         LOOP      Jb           f64 end
      E3         JCXZ      Jb           f64 end
      E4         IN        AL,Ib        io
      E5         IN        zAX,Ib       io
      E6         OUT       Ib,AL        io
      E7         OUT       Ib,zAX       io
      E8         CALL      Jz           f64 stack end
      E9         JMP       Jz           f64 end
      EA         JMP_FAR   Ap           i64 end
      EB         JMP       Jb           f64 end
      EC         IN        AL,DX        io
      ED         IN        zAX,DX       io
      EE         OUT       DX,AL        io
      EF         OUT       DX,zAX       io
      F1         INT1      -            stack end
      F4         HLT       -            priv end
      F5         CMC       -
      F6 /0      TEST      Eb,sIb
      F6 /1      TEST      Eb,sIb       alias
      F6 /2      NOT       Eb           lock
      F6 /3      NEG       Eb           lock
      F6 /4      MUL       Eb
      F6 /5      IMUL      Eb
      F6 /6      DIV       Eb           fault
      F6 /7      IDIV      Eb           fault
      F7 /0      TEST      Ev,Iz
      F7 /1      TEST      Ev,Iz        alias
      F7 /2      NOT       Ev           lock
      F7 /3      NEG       Ev           lock
      F7 /4      MUL       Ev
      F7 /5      IMUL      Ev
      F7 /6      DIV       Ev           fault
      F7 /7      IDIV      Ev           fault
      F8         CLC       -
      F9         STC       -
      FA         CLI       -            iopl end
      FB         STI       -            iopl end
      FC         CLD       -
      FD         STD       -
      FE /0      INC       Eb           lock
      FE /1      DEC       Eb           lock
      FF /0      INC       Ev           lock
      FF /1      DEC       Ev           lock
      FF /2      CALL      Ev           f64 stack end
      FF /3      CALL_FAR  Mp           stack end
      FF /4      JMP       Ev           f64 end
      FF /5      JMP_FAR   Mp           end
      FF /6      PUSH      Ev           d64 stack
      """;
}
