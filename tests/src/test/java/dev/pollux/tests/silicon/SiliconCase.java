package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * A sequence of instructions and the state it starts from. As text it is what reports print and
 * what the file of regression cases holds: the mode, the code, and each word of the state that is
 * not {@linkplain #defaultState the default}.
 *
 * <p>{@code +N} stands for <i>N</i> bytes that are jumped over, {@code *N} for <i>N</i> bytes of
 * NOPs.
 *
 * <pre>{@code
 * mode 64
 * code 1000100 48f7d8 fec0
 * rax 1234
 * rflags 246
 * }</pre>
 *
 * @param bits 64 or 32
 * @param address where the code starts
 * @param pieces instructions, or runs of bytes that are jumped over
 * @param start the state, RIP at {@code address}
 */
record SiliconCase(int bits, long address, List<byte[]> pieces, SiliconState start) {
  /** Fills what is jumped over: HLT, which faults everywhere should a case get there. */
  static final byte SKIPPED = (byte) 0xf4;

  static final byte NOP = (byte) 0x90;

  /** More equal bytes are counted in texts. */
  private static final int COUNTED = 15;

  /** True if the code is executed at its second address. */
  boolean isMoved() {
    return Window.moveOf(address) != 0;
  }

  /** The same case with its code at its first address. */
  SiliconCase home() {
    return startingAt(Window.home(address));
  }

  /** The same case with its code at its second address. */
  SiliconCase moved() {
    return startingAt(Window.home(address) + Window.move(bits));
  }

  private SiliconCase startingAt(long other) {
    SiliconState moved = new SiliconState();
    moved.copyFrom(start);
    moved.words[SiliconState.RIP] = other;
    return new SiliconCase(bits, other, pieces, moved);
  }

  /** The whole code. */
  byte[] code() {
    int length = 0;
    for (byte[] piece : pieces) {
      length += piece.length;
    }
    byte[] code = new byte[length];
    int at = 0;
    for (byte[] piece : pieces) {
      System.arraycopy(piece, 0, code, at, piece.length);
      at += piece.length;
    }
    return code;
  }

  /** Zeros, an aligned stack, everything masked. */
  static SiliconState defaultState() {
    SiliconState state = new SiliconState();
    state.words[SiliconState.GPR + 4] = Window.STACK + Window.STACK_LENGTH / 2;
    state.words[SiliconState.RFLAGS] = 0x202;
    state.words[SiliconState.FCW] = 0x37f;
    state.words[SiliconState.MXCSR] = 0x1f80;
    state.words[SiliconState.VECTOR] = SiliconState.NO_EXCEPTION;
    return state;
  }

  private static boolean isFilledWith(byte[] piece, byte value) {
    for (byte b : piece) {
      if (b != value) {
        return false;
      }
    }
    return true;
  }

  private static String textOf(byte[] piece) {
    if (piece.length > COUNTED && isFilledWith(piece, SKIPPED)) {
      return "+" + piece.length;
    }
    if (piece.length > COUNTED && isFilledWith(piece, NOP)) {
      return "*" + piece.length;
    }
    return HexFormat.of().formatHex(piece);
  }

  private static byte[] parsePiece(String text) {
    if (text.startsWith("+") || text.startsWith("*")) {
      byte[] filler = new byte[Integer.parseInt(text.substring(1))];
      Arrays.fill(filler, text.startsWith("+") ? SKIPPED : NOP);
      return filler;
    }
    return HexFormat.of().parseHex(text);
  }

  String text() {
    StringBuilder text = new StringBuilder();
    text.append("mode ").append(bits).append("\ncode ").append(Long.toHexString(address));
    for (byte[] piece : pieces) {
      text.append(' ').append(textOf(piece));
    }
    text.append('\n');
    long[] defaults = defaultState().words;
    for (int i = 0; i < SiliconState.WORDS; i++) {
      if (!isResult(i) && start.words[i] != defaults[i]) {
        text.append(SiliconState.name(i)).append(' ').append(Long.toHexString(start.words[i]));
        text.append('\n');
      }
    }
    return text.toString();
  }

  static SiliconCase parse(String text) {
    int bits = 64;
    long address = Window.CODE;
    List<byte[]> pieces = new ArrayList<>();
    SiliconState start = defaultState();
    for (String line : text.lines().filter(l -> !l.isBlank()).toList()) {
      String[] words = line.strip().split("\\s+");
      switch (words[0]) {
        case "mode" -> bits = Integer.parseInt(words[1]);
        case "code" -> {
          address = Long.parseLong(words[1], 16);
          for (String piece : Arrays.asList(words).subList(2, words.length)) {
            pieces.add(parsePiece(piece));
          }
        }
        default ->
            start.words[SiliconState.indexOf(words[0])] = Long.parseUnsignedLong(words[1], 16);
      }
    }
    start.words[SiliconState.RIP] = address;
    return new SiliconCase(bits, address, pieces, start);
  }

  /** True for the words that say how execution ended. */
  static boolean isResult(int word) {
    return word >= SiliconState.RIP && word <= SiliconState.CR2;
  }

  static long undefinedAfter(Insn insn, long before) {
    long surelyDefined = insn.info.flagsWritten & ~insn.info.flagsConditional;
    return (before & ~surelyDefined) | insn.info.flagsUndefined;
  }

  /** The instructions, a line each. */
  String listing(Decoder decoder) {
    StringBuilder text = new StringBuilder();
    long at = address;
    for (byte[] piece : pieces) {
      Insn insn = decoder.decode(piece, 0, piece.length, bits);
      text.append(
          "  %x  %-30s %s%n"
              .formatted(
                  at,
                  textOf(piece),
                  insn == null || isFilledWith(piece, SKIPPED) ? "(skipped)" : insn.toString()));
      at += piece.length;
    }
    return text.toString();
  }
}
