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

  /** Takes tokens. */
  interface Sink {
    /** The bytes are the lexer's and change after the call. */
    void token(Kind kind, byte[] bytes, int length);

    /** A token was dropped because it was longer than any may be, or than there is memory for. */
    void tooLong();
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

  /** What a token may take without being counted. */
  private static final int SMALL = 4096;

  private final Sink sink;
  private final ClientMemory memory;
  private State state = State.START;
  private byte[] token = new byte[64];
  private int length;

  /**
   * @param memory where long tokens find theirs
   */
  JsonLexer(Sink sink, ClientMemory memory) {
    this.sink = sink;
    this.memory = memory;
  }

  /** Forgets a token that has begun. */
  void close() {
    state = State.START;
    length = 0;
    shrink();
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
      return !append(b) || finish(Kind.STRING);
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
    if (append(b)) {
      state = next;
    }
    return true;
  }

  private boolean end(Kind kind) {
    finish(kind);
    return false;
  }

  private boolean finish(Kind kind) {
    state = State.START;
    emit(kind);
    return true;
  }

  private void emit(Kind kind) {
    int n = length;
    length = 0;
    try {
      sink.token(kind, token, n);
    } finally {
      shrink();
    }
  }

  private boolean stray(byte b) {
    if (append(b)) {
      state = State.RECOVERY;
      emit(Kind.STRAY);
    }
    return true;
  }

  /** False where the token would be too long: it is dropped, and its rest is skipped. */
  private boolean append(byte b) {
    if (length == MAX_TOKEN || (length == token.length && !grow())) {
      length = 0;
      state = State.RECOVERY;
      shrink();
      sink.tooLong();
      return false;
    }
    token[length++] = b;
    return true;
  }

  private boolean grow() {
    int more = Math.max(0, length * 2 - Math.max(SMALL, length));
    if (!memory.take(more)) {
      return false;
    }
    token = Arrays.copyOf(token, length * 2);
    return true;
  }

  private void shrink() {
    if (token.length > SMALL) {
      memory.give(token.length - SMALL);
      token = new byte[64];
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
