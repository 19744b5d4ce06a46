package dev.pollux.qmp.protocol;

import java.util.Arrays;

/**
 * Cuts a stream of bytes into JSON tokens, the way QEMU does where input is not JSON: strings may
 * stand in single quotes, and after a byte that fits nowhere everything up to the next control
 * character other than the tab, bracket, brace, colon or comma is skipped. Fed in pieces of any
 * size. Not thread-safe.
 */
final class JsonLexer {
  enum Kind {
    LEFT_BRACE,
    RIGHT_BRACE,
    LEFT_BRACKET,
    RIGHT_BRACKET,
    COLON,
    COMMA,
    INTEGER,
    FLOAT,
    KEYWORD,
    STRING,
    /** Bytes that are no token; the text holds them. */
    STRAY
  }

  /** Takes tokens; the bytes are the lexer's and change after the call. */
  @FunctionalInterface
  interface Sink {
    void token(Kind kind, byte[] bytes, int length);
  }

  /** Longest token, in bytes. */
  static final int MAX_TOKEN = 64 << 20;

  private enum State {
    START,
    RECOVERY,
    DOUBLE_QUOTED,
    DOUBLE_ESCAPE,
    SINGLE_QUOTED,
    SINGLE_ESCAPE,
    SIGN,
    ZERO,
    DIGITS,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
    KEYWORD
  }

  private final Sink sink;
  private State state = State.START;
  private byte[] token = new byte[64];
  private int length;

  JsonLexer(Sink sink) {
    this.sink = sink;
  }

  void feed(byte b) {
    int c = b & 0xff;
    // A byte that ends a number or a keyword is looked at once more as the start of what follows.
    if (!step(c, b)) {
      step(c, b);
    }
  }

  /** Returns false where the byte ended a token without belonging to it. */
  private boolean step(int c, byte b) {
    return switch (state) {
      case START -> start(c, b);
      case RECOVERY -> recover(c);
      case DOUBLE_QUOTED -> quoted(c, b, '"', State.DOUBLE_ESCAPE);
      case SINGLE_QUOTED -> quoted(c, b, '\'', State.SINGLE_ESCAPE);
      case DOUBLE_ESCAPE -> escape(c, b, State.DOUBLE_QUOTED);
      case SINGLE_ESCAPE -> escape(c, b, State.SINGLE_QUOTED);
      case SIGN -> c == '0' ? go(State.ZERO, b) : isDigit(c) ? go(State.DIGITS, b) : stray(b);
      case ZERO -> isDigit(c) ? stray(b) : afterInteger(c, b);
      case DIGITS -> isDigit(c) ? go(State.DIGITS, b) : afterInteger(c, b);
      case POINT -> isDigit(c) ? go(State.FRACTION, b) : stray(b);
      case FRACTION ->
          isDigit(c)
              ? go(State.FRACTION, b)
              : isExponent(c) ? go(State.EXPONENT, b) : end(Kind.FLOAT);
      case EXPONENT ->
          isDigit(c)
              ? go(State.EXPONENT_DIGITS, b)
              : c == '+' || c == '-' ? go(State.EXPONENT_SIGN, b) : stray(b);
      case EXPONENT_SIGN -> isDigit(c) ? go(State.EXPONENT_DIGITS, b) : stray(b);
      case EXPONENT_DIGITS -> isDigit(c) ? go(State.EXPONENT_DIGITS, b) : end(Kind.FLOAT);
      case KEYWORD -> c >= 'a' && c <= 'z' ? go(State.KEYWORD, b) : end(Kind.KEYWORD);
    };
  }

  private boolean start(int c, byte b) {
    switch (c) {
      case ' ', '\t', '\r', '\n' -> {
        return true;
      }
      case '{', '}', '[', ']', ':', ',' -> {
        append(b);
        return finish(structural(c));
      }
      default -> {}
    }
    State next =
        switch (c) {
          case '"' -> State.DOUBLE_QUOTED;
          case '\'' -> State.SINGLE_QUOTED;
          case '-' -> State.SIGN;
          case '0' -> State.ZERO;
          default -> isDigit(c) ? State.DIGITS : c >= 'a' && c <= 'z' ? State.KEYWORD : null;
        };
    return next == null ? stray(b) : go(next, b);
  }

  private boolean recover(int c) {
    if ((c < 0x20 && c != '\t') || c >= 0xfe || isStructural(c)) {
      state = State.START;
      return false;
    }
    return true;
  }

  private boolean quoted(int c, byte b, char quote, State escape) {
    if (c == quote) {
      append(b);
      return finish(Kind.STRING);
    }
    if (c == '\\') {
      return go(escape, b);
    }
    return c < 0x20 || c >= 0xfe ? stray(b) : go(state, b);
  }

  private boolean escape(int c, byte b, State string) {
    return c < 0x20 || c >= 0xfe ? stray(b) : go(string, b);
  }

  private boolean afterInteger(int c, byte b) {
    return c == '.'
        ? go(State.POINT, b)
        : isExponent(c) ? go(State.EXPONENT, b) : end(Kind.INTEGER);
  }

  private boolean go(State next, byte b) {
    append(b);
    state = next;
    return true;
  }

  private boolean end(Kind kind) {
    finish(kind);
    return false;
  }

  private boolean finish(Kind kind) {
    int n = length;
    length = 0;
    state = State.START;
    sink.token(kind, token, n);
    return true;
  }

  private boolean stray(byte b) {
    append(b);
    int n = length;
    length = 0;
    state = State.RECOVERY;
    sink.token(Kind.STRAY, token, n);
    return true;
  }

  private void append(byte b) {
    if (length == token.length) {
      token = Arrays.copyOf(token, length * 2);
    }
    token[length++] = b;
    if (length > MAX_TOKEN) {
      stray(b);
    }
  }

  private static Kind structural(int c) {
    return switch (c) {
      case '{' -> Kind.LEFT_BRACE;
      case '}' -> Kind.RIGHT_BRACE;
      case '[' -> Kind.LEFT_BRACKET;
      case ']' -> Kind.RIGHT_BRACKET;
      case ':' -> Kind.COLON;
      default -> Kind.COMMA;
    };
  }

  private static boolean isStructural(int c) {
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ':' || c == ',';
  }

  private static boolean isDigit(int c) {
    return c >= '0' && c <= '9';
  }

  private static boolean isExponent(int c) {
    return c == 'e' || c == 'E';
  }
}
