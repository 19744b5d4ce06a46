package dev.pollux.core.decode;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.OpcodeInfo.Map;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.decode.OperandSpec.Addressing;
import dev.pollux.core.decode.OperandSpec.Width;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.StringTokenizer;

/**
 * The rows of all opcode maps. They are parsed when the class is initialized, without lambdas,
 * regular expressions and formatted strings: these would double the time, which delays the start.
 *
 * <p>A line of a table reads
 *
 * <pre>{@code
 * opcode [constraint] [prefix] MNEMONIC operands properties, flags, features
 * 80 /0                        ADD      Eb,sIb   lock
 * 70+cc                        JCC      Jb       f64 end
 * AE /r0              F3       RDFSBASE Ry       o64 FSGSBASE
 * 45                  66.W1    VPSRLVQ  Vx,Hx,Wx AVX2
 * }</pre>
 *
 * <ul>
 *   <li>{@code +r}: the low three bits of the opcode are a register; {@code +cc}: the low four are
 *       a condition.
 *   <li>{@code /0} to {@code /7}: ModRM.reg; {@code /m}, {@code /m0}: with a memory operand only;
 *       {@code /r}, {@code /r0}: with a register only; {@code =C8}: this ModRM byte. Operand
 *       letters that allow only memory (M, K) or only registers (N, R, U) imply m or r.
 *   <li>{@code 66}, {@code F3}, {@code F2}: mandatory prefix; {@code NP}: none of them; {@code NF}:
 *       neither F3 nor F2. Without any of these the prefixes keep their usual meaning, and rows
 *       with a mandatory prefix come first. {@code L0 L1 W0 W1 B0} fix VEX.L, W and REX.B.
 *   <li>Operands: see {@link OperandSpec}; {@code -} for none.
 *   <li>Properties: see {@link Property}. Flags: see {@link FlagEffect}; a row's {@code w:} and
 *       {@code u:} replace those of the instruction, {@code c:} lists flags that may stay
 *       unchanged.
 *   <li>Features: names of {@link CpuFeature}; {@code A+B}: both; {@code A|B}: one of them; {@code
 *       AVXi}: AVX for 128, AVX2 for 256 bits.
 * </ul>
 */
public final class OpcodeTables {
  private static final List<OpcodeInfo> ROWS = parseAll();

  private OpcodeTables() {}

  /** All rows, in the order of the maps and of the opcodes. */
  public static List<OpcodeInfo> rows() {
    return ROWS;
  }

  private static List<OpcodeInfo> parseAll() {
    Parser parser = new Parser();
    parser.parse(Map.ONE_BYTE, OneByteOpcodes.TABLE, "");
    parser.parse(Map.ONE_BYTE, X87Opcodes.TABLE, "FPU");
    parser.parse(Map.M0F, TwoByteOpcodes.TABLE, "");
    parser.parse(Map.M0F38, Opcodes0F38.TABLE, "");
    parser.parse(Map.M0F3A, Opcodes0F3A.TABLE, "");
    parser.parse(Map.VEX_0F, VexOpcodes.TABLE, "");
    return Collections.unmodifiableList(parser.rows);
  }

  /** Splits a table into lines and words. */
  private static final class Words {
    private final byte[] text;
    private int at;

    Words(String table) {
      text = table.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Goes to the next line; false after the last. */
    boolean nextLine() {
      while (at < text.length && text[at] != '\n') {
        at++;
      }
      at++;
      return at < text.length;
    }

    /** The next word of the line, or an empty one at its end. */
    String next() {
      while (at < text.length && text[at] == ' ') {
        at++;
      }
      int start = at;
      while (at < text.length && text[at] > ' ') {
        at++;
      }
      return new String(text, start, at - start, StandardCharsets.ISO_8859_1);
    }
  }

  /** Reads lines into rows. */
  private static final class Parser {
    final List<OpcodeInfo> rows = new ArrayList<>(1500);
    private final java.util.Map<String, List<OperandSpec>> operandLists = new HashMap<>();
    private final java.util.Map<String, List<Set<CpuFeature>>> featureLists = new HashMap<>();
    private final java.util.Map<String, Property> propertyNames = new HashMap<>();

    Parser() {
      for (Property property : Property.values()) {
        propertyNames.put(property.name().toLowerCase(Locale.ROOT), property);
      }
    }

    void parse(Map tableMap, String table, String commonFeature) {
      Map map = tableMap;
      Words words = new Words(table);
      do {
        String first = words.next();
        if (first.equals("map")) {
          map = Map.valueOf("VEX_".concat(words.next()));
        } else {
          new Row(map, words, first, commonFeature).add();
        }
      } while (words.nextLine());
    }

    private List<OperandSpec> operandList(String text) {
      List<OperandSpec> operands = operandLists.get(text);
      if (operands == null) {
        operands = new ArrayList<>(4);
        if (!text.equals("-")) {
          StringTokenizer texts = new StringTokenizer(text, ",");
          while (texts.hasMoreTokens()) {
            operands.add(parseSpec(texts.nextToken()));
          }
        }
        operands = List.copyOf(operands);
        operandLists.put(text, operands);
      }
      return operands;
    }

    private List<Set<CpuFeature>> featureList(String text) {
      List<Set<CpuFeature>> features = featureLists.get(text);
      if (features == null) {
        features = new ArrayList<>(2);
        StringTokenizer all = new StringTokenizer(text, "+");
        while (all.hasMoreTokens()) {
          EnumSet<CpuFeature> anyOf = EnumSet.noneOf(CpuFeature.class);
          StringTokenizer any = new StringTokenizer(all.nextToken(), "|");
          while (any.hasMoreTokens()) {
            anyOf.add(CpuFeature.valueOf(any.nextToken()));
          }
          features.add(Collections.unmodifiableSet(anyOf));
        }
        features = List.copyOf(features);
        featureLists.put(text, features);
      }
      return features;
    }

    private static OperandSpec parseSpec(String text) {
      OperandSpec fixed =
          switch (text) {
            case "AL" -> spec(Addressing.FIXED_GPR, Width.B, 0);
            case "CL" -> spec(Addressing.FIXED_GPR, Width.B, 1);
            case "AX" -> spec(Addressing.FIXED_GPR, Width.W, 0);
            case "DX" -> spec(Addressing.FIXED_GPR, Width.W, 2);
            case "rAX" -> spec(Addressing.FIXED_GPR, Width.V, 0);
            case "zAX" -> spec(Addressing.FIXED_GPR, Width.Z, 0);
            case "ES" -> spec(Addressing.FIXED_SREG, Width.W, Insn.ES);
            case "CS" -> spec(Addressing.FIXED_SREG, Width.W, Insn.CS);
            case "SS" -> spec(Addressing.FIXED_SREG, Width.W, Insn.SS);
            case "DS" -> spec(Addressing.FIXED_SREG, Width.W, Insn.DS);
            case "FS" -> spec(Addressing.FIXED_SREG, Width.W, Insn.FS);
            case "GS" -> spec(Addressing.FIXED_SREG, Width.W, Insn.GS);
            case "ST0" -> spec(Addressing.FIXED_ST, Width.T, 0);
            case "STi" -> spec(Addressing.RM_ST, Width.T, 0);
            case "XMM0" -> spec(Addressing.FIXED_VEC, Width.DQ, 0);
            case "I1" -> spec(Addressing.FIXED_IMM, Width.B, 1);
            case "Rd/Mb" -> new OperandSpec(Addressing.RM, Width.D, Width.B, 0);
            case "Rd/Mw" -> new OperandSpec(Addressing.RM, Width.D, Width.W, 0);
            case "Rv/Mw" -> new OperandSpec(Addressing.RM, Width.V, Width.W, 0);
            default -> null;
          };
      if (fixed != null) {
        return fixed;
      }
      String rest = text.substring(1);
      return switch (text.charAt(0)) {
        case '@' -> {
          int register =
              switch (text.substring(1, 3)) {
                case "AX" -> 0;
                case "BX" -> 3;
                case "DI" -> 7;
                default -> throw new IllegalStateException("operand " + text);
              };
          yield spec(Addressing.FIXED_MEM, width(text.substring(3)), register);
        }
        case 's' -> spec(Addressing.SIMM, width(text.substring(2)), 0);
        case 'I' -> spec(rest.equals("z") ? Addressing.SIMM : Addressing.IMM, width(rest), 0);
        case 'K' ->
            new OperandSpec(
                Addressing.VSIB, width(rest.substring(0, 1)), width(rest.substring(1)), 0);
        default -> spec(addressing(text), width(rest), 0);
      };
    }

    private static OperandSpec spec(Addressing addressing, Width width, int value) {
      return new OperandSpec(addressing, width, width, value);
    }

    private static Addressing addressing(String text) {
      return switch (text.charAt(0)) {
        case 'A' -> Addressing.FAR_POINTER;
        case 'B' -> Addressing.VVVV_GPR;
        case 'C' -> Addressing.REG_CR;
        case 'D' -> Addressing.REG_DR;
        case 'E' -> Addressing.RM;
        case 'G' -> Addressing.REG_GPR;
        case 'H' -> Addressing.VVVV_VEC;
        case 'J' -> Addressing.REL;
        case 'L' -> Addressing.IMM_VEC;
        case 'M' -> Addressing.RM_MEM;
        case 'N' -> Addressing.RM_MMX;
        case 'O' -> Addressing.OFFSET;
        case 'P' -> Addressing.REG_MMX;
        case 'Q' -> Addressing.RM_MMX_MEM;
        case 'R' -> Addressing.RM_GPR;
        case 'S' -> Addressing.REG_SREG;
        case 'U' -> Addressing.RM_VEC;
        case 'V' -> Addressing.REG_VEC;
        case 'W' -> Addressing.RM_VEC_MEM;
        case 'X' -> Addressing.STRING_SOURCE;
        case 'Y' -> Addressing.STRING_DESTINATION;
        case 'Z' -> Addressing.OPCODE_GPR;
        default -> throw new IllegalStateException("operand " + text);
      };
    }

    private static Width width(String text) {
      return switch (text) {
        case "" -> Width.NONE;
        case "b" -> Width.B;
        case "w" -> Width.W;
        case "d", "ss" -> Width.D;
        case "q", "sd" -> Width.Q;
        case "t" -> Width.T;
        case "dq", "ps", "pd" -> Width.DQ;
        case "qq" -> Width.QQ;
        case "fx" -> Width.FX;
        case "v" -> Width.V;
        case "z" -> Width.Z;
        case "y" -> Width.Y;
        case "n" -> Width.N;
        case "x" -> Width.X;
        case "h" -> Width.H;
        case "k" -> Width.K;
        case "e" -> Width.E;
        case "p" -> Width.P;
        case "a" -> Width.A;
        case "s" -> Width.S;
        case "env" -> Width.ENV;
        case "fs" -> Width.FS;
        default -> throw new IllegalStateException("width " + text);
      };
    }

    /** A line on its way to a row, or to two of them where AVX and AVX2 share it. */
    private final class Row {
      private static final String AVX_OR_AVX2 = "AVXi";

      private final Map map;
      private final Words words;
      private String word;
      private int opcode;
      private int opcodeCount = 1;
      private int keyMask;
      private int keyValue;
      private int prefixes = 15;
      private boolean hasModRm;
      private final Op op;
      private final List<OperandSpec> operands;
      private FlagEffect flags;
      private boolean ownFlags;
      private boolean avxOrAvx2;
      private final EnumSet<Property> properties = EnumSet.noneOf(Property.class);
      private List<Set<CpuFeature>> features = List.of();

      Row(Map map, Words words, String first, String commonFeature) {
        this.map = map;
        this.words = words;
        word = first;
        if (!commonFeature.isEmpty()) {
          features = featureList(commonFeature);
          properties.add(Property.X87);
        }
        opcode();
        constraint();
        prefix();
        op = Op.valueOf(word);
        flags = FlagEffect.of(op);
        next();
        operands = operandList(word);
        while (next()) {
          attribute();
        }
        derive();
      }

      void add() {
        if (avxOrAvx2) {
          keyMask |= OpcodeInfo.KEY_L;
          add(keyValue, featureList("AVX"));
          add(keyValue | OpcodeInfo.KEY_L, featureList("AVX2"));
        } else {
          add(keyValue, features);
        }
      }

      private void add(int key, List<Set<CpuFeature>> needed) {
        rows.add(
            new OpcodeInfo(
                map,
                opcode,
                opcodeCount,
                keyMask,
                key,
                prefixes,
                hasModRm,
                op,
                operands,
                flags,
                Collections.unmodifiableSet(properties),
                needed));
      }

      private boolean next() {
        word = words.next();
        return !word.isEmpty();
      }

      private void fix(int mask, int value) {
        keyMask |= mask;
        keyValue |= value;
      }

      private void opcode() {
        opcode = Integer.parseInt(word, 0, 2, 16);
        if (word.endsWith("+r")) {
          opcodeCount = 8;
        } else if (word.endsWith("+cc")) {
          opcodeCount = 16;
        }
        next();
      }

      private void constraint() {
        if (word.charAt(0) == '=') {
          int modRm = Integer.parseInt(word, 1, 3, 16);
          fix(
              OpcodeInfo.KEY_MOD3 | OpcodeInfo.KEY_REG | OpcodeInfo.KEY_RM,
              OpcodeInfo.KEY_MOD3 | modRm & 0x3F);
        } else if (word.charAt(0) == '/') {
          for (int i = 1; i < word.length(); i++) {
            switch (word.charAt(i)) {
              case 'm' -> fix(OpcodeInfo.KEY_MOD3, 0);
              case 'r' -> fix(OpcodeInfo.KEY_MOD3, OpcodeInfo.KEY_MOD3);
              default -> fix(OpcodeInfo.KEY_REG, word.charAt(i) - '0' << 3);
            }
          }
        } else {
          return;
        }
        hasModRm = true;
        next();
      }

      private void prefix() {
        if (!isPrefix()) {
          return;
        }
        StringTokenizer parts = new StringTokenizer(word, ".");
        while (parts.hasMoreTokens()) {
          switch (parts.nextToken()) {
            case "NP" -> prefixes = 1;
            case "66" -> prefixes = 2;
            case "F3" -> prefixes = 4;
            case "F2" -> prefixes = 8;
            case "NF" -> prefixes = 3;
            case "L0" -> fix(OpcodeInfo.KEY_L, 0);
            case "L1" -> fix(OpcodeInfo.KEY_L, OpcodeInfo.KEY_L);
            case "W0" -> fix(OpcodeInfo.KEY_W, 0);
            case "W1" -> fix(OpcodeInfo.KEY_W, OpcodeInfo.KEY_W);
            case "B0" -> fix(OpcodeInfo.KEY_B, 0);
            default -> throw new IllegalStateException(word);
          }
        }
        next();
      }

      private boolean isPrefix() {
        char second = word.charAt(1);
        return second >= '0' && second <= '9' && word.charAt(0) != 'F'
            || word.startsWith("F2.")
            || word.startsWith("F3.")
            || word.equals("F2")
            || word.equals("F3")
            || word.startsWith("NP")
            || word.startsWith("NF");
      }

      private void attribute() {
        Property property = propertyNames.get(word);
        if (property != null) {
          properties.add(property);
        } else if (word.charAt(1) == ':') {
          if (!ownFlags && word.charAt(0) != 'c') {
            ownFlags = true;
            flags = flags.readOnly();
          }
          flags = flags.with(word);
        } else if (word.equals(AVX_OR_AVX2)) {
          avxOrAvx2 = true;
        } else if (features.isEmpty()) {
          features = featureList(word);
        } else {
          List<Set<CpuFeature>> more = new ArrayList<>(features);
          more.addAll(featureList(word));
          features = List.copyOf(more);
        }
      }

      /** What follows from the operands. */
      private void derive() {
        boolean vvvv = false;
        for (OperandSpec operand : operands) {
          switch (operand.addressing()) {
            case RM_MEM, VSIB -> {
              hasModRm = true;
              fix(OpcodeInfo.KEY_MOD3, 0);
            }
            case RM_GPR, RM_MMX, RM_VEC, RM_ST -> {
              hasModRm = true;
              if (!properties.contains(Property.MOD3)) {
                fix(OpcodeInfo.KEY_MOD3, OpcodeInfo.KEY_MOD3);
              }
            }
            case RM, RM_MMX_MEM, RM_VEC_MEM, REG_CR, REG_DR, REG_GPR, REG_MMX, REG_SREG, REG_VEC ->
                hasModRm = true;
            case VVVV_GPR, VVVV_VEC -> vvvv = true;
            default -> {}
          }
          switch (operand.addressing()) {
            case REG_MMX, RM_MMX, RM_MMX_MEM -> properties.add(Property.MMX);
            case REG_VEC, RM_VEC, RM_VEC_MEM, VVVV_VEC -> properties.add(Property.SIMD);
            default -> {}
          }
        }
        if (op == Op.EMMS) {
          properties.add(Property.MMX);
        }
        if (map.vex()) {
          properties.add(Property.PM);
          if (!vvvv) {
            fix(OpcodeInfo.KEY_NO_VVVV, OpcodeInfo.KEY_NO_VVVV);
          }
        }
      }
    }
  }
}
