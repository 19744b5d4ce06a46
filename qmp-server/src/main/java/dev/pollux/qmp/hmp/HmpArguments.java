package dev.pollux.qmp.hmp;

import dev.pollux.core.cpu.CpuState;

/**
 * The text after a command's name, taken apart from left to right: words (in quotes, with C's
 * escapes, where they have spaces or follow a sum), {@code /fmt}, and expressions of numbers and
 * registers with C's operators (of which {@code + -} bind least, then {@code & | ^}, then {@code *
 * / %}).
 */
final class HmpArguments {
  private static final int MAX_COUNT = 65_536;
  private static final int MAX_DEPTH = 100;

  /** Count, format letter and size in bytes of a dump; 0 where not given. */
  record Format(int count, char format, int size) {}

  private final String text;
  private final CpuState registers;
  private int at;
  private int depth;

  /**
   * @param registers of the vCPU that {@code $name} means; null where there is none
   */
  HmpArguments(String text, CpuState registers) {
    this.text = text;
    this.registers = registers;
    skipSpace();
  }

  private void skipSpace() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  boolean isEmpty() {
    return at == text.length();
  }

  private char peek() {
    return at < text.length() ? text.charAt(at) : 0;
  }

  /** The next word, which may stand in quotes, or an empty string. */
  String word() {
    if (peek() == '"') {
      return quoted();
    }
    int start = at;
    while (at < text.length() && !Character.isWhitespace(text.charAt(at))) {
      at++;
    }
    String word = text.substring(start, at);
    skipSpace();
    return word;
  }

  private String quoted() {
    StringBuilder word = new StringBuilder();
    for (at++; peek() != '"'; at++) {
      if (peek() == '\\') {
        at++;
        word.append(escaped());
      } else {
        word.append(needed());
      }
    }
    at++;
    skipSpace();
    return word.toString();
  }

  private char escaped() {
    return switch (needed()) {
      case 'n' -> '\n';
      case 'r' -> '\r';
      case '\\', '\'', '"' -> peek();
      default -> throw new HmpException("unsupported escape code: '\\" + peek() + "'");
    };
  }

  private char needed() {
    if (isEmpty()) {
      throw new HmpException("unterminated string");
    }
    return peek();
  }

  String requiredWord(String what) {
    String word = word();
    if (word.isEmpty()) {
      throw new HmpException(what + " expected");
    }
    return word;
  }

  /** Takes a flag such as {@code -a} if it comes next. */
  boolean flag(String flag) {
    if (text.startsWith(flag, at)
        && (at + flag.length() == text.length() || text.charAt(at + flag.length()) == ' ')) {
      at += flag.length();
      skipSpace();
      return true;
    }
    return false;
  }

  /** All that is left. */
  String rest() {
    String rest = text.substring(at).stripTrailing();
    at = text.length();
    return rest;
  }

  /** {@code /4xw} if it comes next. */
  Format format() {
    if (peek() != '/') {
      return new Format(0, (char) 0, 0);
    }
    at++;
    long count = 0;
    boolean counted = false;
    for (; Character.isDigit(peek()); at++) {
      count = Math.min(count * 10 + Character.digit(peek(), 10), MAX_COUNT);
      counted = true;
    }
    char format = 0;
    int size = 0;
    for (; peek() != 0 && !Character.isWhitespace(peek()); at++) {
      switch (peek()) {
        case 'o', 'd', 'u', 'x', 'i', 'c' -> format = peek();
        case 'b' -> size = 1;
        case 'h' -> size = 2;
        case 'w' -> size = 4;
        case 'g', 'L' -> size = 8;
        default -> throw new HmpException("invalid char in format: '" + peek() + "'");
      }
    }
    skipSpace();
    return new Format(counted ? (int) count : 0, format, size);
  }

  /** The value of an expression that must follow. */
  long expression() {
    skipSpace();
    return sum();
  }

  private long sum() {
    if (++depth > MAX_DEPTH) {
      throw new HmpException("expression too deep");
    }
    long value = logic();
    while (peek() == '+' || peek() == '-') {
      char operator = operator();
      long right = logic();
      value = operator == '+' ? value + right : value - right;
    }
    depth--;
    return value;
  }

  private long logic() {
    long value = product();
    while (peek() == '&' || peek() == '|' || peek() == '^') {
      char operator = operator();
      long right = product();
      value =
          switch (operator) {
            case '&' -> value & right;
            case '|' -> value | right;
            default -> value ^ right;
          };
    }
    return value;
  }

  private long product() {
    long value = unary();
    while (peek() == '*' || peek() == '/' || peek() == '%') {
      char operator = operator();
      long right = unary();
      if (operator != '*' && right == 0) {
        throw new HmpException("division by zero");
      }
      value =
          switch (operator) {
            case '*' -> value * right;
            case '/' -> value / right;
            default -> value % right;
          };
    }
    return value;
  }

  private char operator() {
    char operator = text.charAt(at++);
    skipSpace();
    return operator;
  }

  private long unary() {
    if (++depth > MAX_DEPTH) {
      throw new HmpException("expression too deep");
    }
    try {
      return switch (peek()) {
        case '+' -> {
          operator();
          yield unary();
        }
        case '-' -> {
          operator();
          yield -unary();
        }
        case '~' -> {
          operator();
          yield ~unary();
        }
        case '(' -> {
          operator();
          long value = sum();
          if (peek() != ')') {
            throw new HmpException("')' expected");
          }
          operator();
          yield value;
        }
        case '\'' -> character();
        case '$' -> register();
        case 0 -> throw new HmpException("unexpected end of expression");
        default -> number();
      };
    } finally {
      depth--;
    }
  }

  private long character() {
    if (at + 2 >= text.length() || text.charAt(at + 2) != '\'') {
      throw new HmpException("missing terminating ' character");
    }
    long value = text.charAt(at + 1);
    at += 3;
    skipSpace();
    return value;
  }

  private long register() {
    int start = ++at;
    while (Character.isLetterOrDigit(peek()) || peek() == '_' || peek() == '.') {
      at++;
    }
    String name = text.substring(start, at);
    skipSpace();
    if (registers == null) {
      throw new HmpException("No CPU available");
    }
    return RegisterNames.value(registers, name);
  }

  private long number() {
    int radix = 10;
    int start = at;
    if (peek() == '0') {
      radix = 8;
      if (at + 1 < text.length() && (text.charAt(at + 1) | 0x20) == 'x') {
        radix = 16;
        at += 2;
        start = at;
      }
    }
    while (Character.digit(peek(), radix) >= 0 && peek() < 128) {
      at++;
    }
    if (at == start) {
      throw new HmpException("invalid char '" + (peek() == 0 ? ' ' : peek()) + "' in expression");
    }
    String digits = text.substring(start, at);
    skipSpace();
    try {
      return Long.parseUnsignedLong(digits, radix);
    } catch (NumberFormatException e) {
      throw new HmpException("number too large");
    }
  }
}
