package dev.pollux.core.decode;

import java.util.EnumMap;
import java.util.Map;
import java.util.StringTokenizer;

/**
 * What an instruction does to EFLAGS, as masks of the register (Intel SDM volume 1, appendix A).
 *
 * @param read bits that it reads
 * @param written bits that it sets to a defined value
 * @param undefined bits that it leaves undefined
 * @param conditional those of the written and undefined bits that may keep their value
 */
record FlagEffect(int read, int written, int undefined, int conditional) {
  static final FlagEffect NONE = new FlagEffect(0, 0, 0, 0);

  /**
   * The effect of each instruction that has one: {@code r:} reads, {@code w:} writes, {@code u:}
   * leaves undefined, {@code c:} may leave alone. The letters are those of the flags, with l for
   * IOPL, n for NT, k for AC. What division leaves, by the manuals undefined, is here the host's.
   */
  private static final String TABLE =
      """
      AAA AAS                                r:a w:ac u:oszp
      AAD AAM                                w:szp u:oac
      ADC SBB                                r:c w:oszapc
      ADD SUB CMP NEG XADD CMPXCHG           w:oszapc
      AND OR XOR TEST                        w:oszpc u:a
      ARPL VERR VERW LAR LSL                 w:z
      CMPXCHG8B CMPXCHG16B                   w:z
      BSF BSR                                w:z u:osapc
      BT BTS BTR BTC                         w:c u:osap
      DAA DAS                                r:ac w:szapc u:o
      MUL IMUL                               w:oc u:szap
      DIV IDIV                               w:oszapc c:oszapc
      INC DEC                                w:oszap
      ROL ROR                                w:c u:o
      RCL RCR                                r:c w:c u:o
      SHL SHR SAR SHLD SHRD                  w:szpc u:oa
      SAHF                                   w:szapc
      LAHF                                   r:szapc
      PUSHF                                  r:oszapcditlnk
      POPF IRET                              r:itlnk w:oszapcditlnk
      SYSRET RSM                             w:oszapcditlnk
      INT INT1 INT3                          r:oszapcditlnk w:itnk
      INTO                                   r:oszapcditlnk
      SYSCALL                                r:oszapcditlnk w:oszapcditlnk
      SYSENTER                               w:i
      CLC STC                                w:c
      CMC                                    r:c w:c
      CLD STD                                w:d
      CLI STI                                r:l w:i
      CLAC STAC                              w:k
      MOVS STOS LODS INS OUTS                r:d
      CMPS SCAS                              r:d w:oszapc
      LOOPE LOOPNE                           r:z
      SALC                                   r:c
      JCC SETCC CMOVCC                       r:oszpc
      FCMOVB FCMOVNB                         r:c
      FCMOVE FCMOVNE                         r:z
      FCMOVBE FCMOVNBE                       r:zc
      FCMOVU FCMOVNU                         r:p
      FCOMI FCOMIP FUCOMI FUCOMIP            w:zpc u:osa
      COMISS COMISD UCOMISS UCOMISD          w:oszapc
      VCOMISS VCOMISD VUCOMISS VUCOMISD      w:oszapc
      PTEST VPTEST VTESTPS VTESTPD           w:oszapc
      PCMPESTRI PCMPESTRM PCMPISTRI          w:oszapc
      PCMPISTRM VPCMPESTRI VPCMPESTRM        w:oszapc
      VPCMPISTRI VPCMPISTRM                  w:oszapc
      POPCNT RDRAND RDSEED                   w:oszapc
      TZCNT LZCNT                            w:zc u:osap
      ANDN BLSI BLSR BLSMSK BZHI             w:oszc u:ap
      BEXTR                                  w:ozc u:sap
      ADCX                                   r:c w:c
      ADOX                                   r:o w:o
      """;

  private static final Map<Op, FlagEffect> BY_OP = parseTable();

  private static Map<Op, FlagEffect> parseTable() {
    Map<Op, FlagEffect> effects = new EnumMap<>(Op.class);
    StringTokenizer lines = new StringTokenizer(TABLE, "\n");
    while (lines.hasMoreTokens()) {
      String line = lines.nextToken();
      FlagEffect effect = NONE;
      StringTokenizer words = new StringTokenizer(line, " ");
      while (words.hasMoreTokens()) {
        effect = effect.with(words.nextToken());
      }
      words = new StringTokenizer(line, " ");
      while (words.hasMoreTokens()) {
        String word = words.nextToken();
        if (word.indexOf(':') < 0) {
          effects.put(Op.valueOf(word), effect);
        }
      }
    }
    return effects;
  }

  /** The effect of an instruction in all its forms, unless a table row says otherwise. */
  static FlagEffect of(Op op) {
    return BY_OP.getOrDefault(op, NONE);
  }

  /** This effect without written and undefined bits: a row states them itself. */
  FlagEffect readOnly() {
    return new FlagEffect(read, 0, 0, 0);
  }

  /** This effect with the bits of {@code word}, for instance {@code w:oszapc}, added. */
  FlagEffect with(String word) {
    if (word.length() < 2 || word.charAt(1) != ':') {
      return this;
    }
    int bits = 0;
    for (int i = 2; i < word.length(); i++) {
      bits |= flag(word.charAt(i));
    }
    return switch (word.charAt(0)) {
      case 'r' -> new FlagEffect(read | bits, written, undefined, conditional);
      case 'w' -> new FlagEffect(read, written | bits, undefined, conditional);
      case 'u' -> new FlagEffect(read, written, undefined | bits, conditional);
      case 'c' -> new FlagEffect(read, written, undefined, conditional | bits);
      default -> throw new IllegalStateException("flag effect " + word);
    };
  }

  private static int flag(char letter) {
    return switch (letter) {
      case 'c' -> OpcodeInfo.CF;
      case 'p' -> OpcodeInfo.PF;
      case 'a' -> OpcodeInfo.AF;
      case 'z' -> OpcodeInfo.ZF;
      case 's' -> OpcodeInfo.SF;
      case 't' -> OpcodeInfo.TF;
      case 'i' -> OpcodeInfo.IF;
      case 'd' -> OpcodeInfo.DF;
      case 'o' -> OpcodeInfo.OF;
      case 'l' -> OpcodeInfo.IOPL;
      case 'n' -> OpcodeInfo.NT;
      case 'k' -> OpcodeInfo.AC;
      default -> throw new IllegalStateException("flag " + letter);
    };
  }
}
