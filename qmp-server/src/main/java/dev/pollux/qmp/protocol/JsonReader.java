package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.protocol.JsonLexer.Kind;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads a stream of JSON values with QEMU's leniency and its errors. A value is looked at when its
 * last bracket has come; an error costs only what was collected so far, so that the next value is
 * read as if nothing had happened. Not thread-safe.
 */
public final class JsonReader {
  /** Takes what was read, in order. */
  public interface Sink {
    /**
     * @param held bytes of {@link ClientMemory} that the value takes; who is done with it gives
     *     them back
     */
    void value(JsonNode value, long held);

    /**
     * @param description for instance {@code JSON parse error, expecting value}
     */
    void malformed(String description);
  }

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final int MAX_TOKENS = 2 << 20;
  private static final int MAX_BYTES = JsonLexer.MAX_TOKEN;
  private static final int MAX_NESTING = 1024;
  private static final int MAX_SHOWN = 1024;
  private static final String TOO_LONG = "JSON token size limit exceeded";

  /** What a token takes beside its text, with the value that it becomes. */
  private static final int TOKEN_BYTES = 96;

  /** Length of a Unicode escape. */
  private static final int ESCAPE = 6;

  private static final BigInteger MOST_UNSIGNED =
      BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);
  private static final BigInteger LEAST_SIGNED = BigInteger.ONE.shiftLeft(63).negate();

  private record Token(Kind kind, byte[] bytes) {}

  private final Sink sink;
  private final ClientMemory memory;
  private final JsonLexer lexer;
  private List<Token> tokens = new ArrayList<>();

  /** Bytes of all tokens collected. */
  private long bytes;

  /** Bytes of {@link #memory} that they take. */
  private long held;

  private int braces;
  private int brackets;

  /**
   * @param memory what the values take is counted there
   */
  JsonReader(Sink sink, ClientMemory memory) {
    this.sink = sink;
    this.memory = memory;
    this.lexer =
        new JsonLexer(
            new JsonLexer.Sink() {
              @Override
              public void token(Kind kind, byte[] text, int length) {
                add(kind, text, length);
              }

              @Override
              public void tooLong() {
                fail(TOO_LONG);
              }
            },
            memory);
  }

  /** Forgets what has begun. */
  void close() {
    lexer.close();
    reset();
  }

  /** Reads one more byte; the sink hears what it completes. */
  public void feed(byte b) {
    lexer.feed(b);
  }

  private void add(Kind kind, byte[] text, int length) {
    switch (kind) {
      case LEFT_BRACE -> braces++;
      case RIGHT_BRACE -> braces--;
      case LEFT_BRACKET -> brackets++;
      case RIGHT_BRACKET -> brackets--;
      case STRAY -> {
        fail(
            "JSON parse error, stray '" + Utf8.decodeReplacing(text, 0, shown(text, length)) + "'");
        return;
      }
      default -> {}
    }
    bytes += length;
    if (bytes > MAX_BYTES) {
      fail(TOO_LONG);
    } else if (tokens.size() >= MAX_TOKENS) {
      fail("JSON token count limit exceeded");
    } else if (braces > MAX_NESTING || brackets > MAX_NESTING || braces + brackets > MAX_NESTING) {
      fail("JSON nesting depth limit exceeded");
    } else if (!memory.take(cost(length))) {
      fail(TOO_LONG);
    } else {
      held += cost(length);
      tokens.add(new Token(kind, Arrays.copyOf(text, length)));
      if ((braces <= 0 && brackets <= 0) || braces < 0 || brackets < 0) {
        complete();
      }
    }
  }

  /** A token and what becomes of it. */
  private static long cost(int length) {
    return TOKEN_BYTES + 2L * length;
  }

  /** Errors show input up to the first NUL, and not all of a long one. */
  private static int shown(byte[] text, int length) {
    int n = 0;
    while (n < length && n < MAX_SHOWN && text[n] != 0) {
      n++;
    }
    return n;
  }

  private void complete() {
    JsonNode value;
    try {
      value = new Parser(tokens).value();
    } catch (Malformed e) {
      fail("JSON parse error, " + e.getMessage());
      return;
    } catch (RuntimeException | Error e) {
      reset();
      throw e;
    }
    long taken = held;
    held = 0;
    reset();
    sink.value(value, taken);
  }

  private void fail(String description) {
    reset();
    sink.malformed(description);
  }

  private void reset() {
    tokens = new ArrayList<>(); // not to keep the room of a long value
    memory.give(held);
    held = 0;
    bytes = 0;
    braces = 0;
    brackets = 0;
  }

  private static final class Malformed extends Exception {
    private static final long serialVersionUID = 1;

    Malformed(String message) {
      super(message, null, false, false);
    }
  }

  private static final class Parser {
    private final List<Token> tokens;
    private int next;

    Parser(List<Token> tokens) {
      this.tokens = tokens;
    }

    private Kind peek() throws Malformed {
      if (next == tokens.size()) {
        throw new Malformed("premature EOI");
      }
      return tokens.get(next).kind();
    }

    JsonNode value() throws Malformed {
      Kind kind = peek();
      Token token = tokens.get(next++);
      return switch (kind) {
        case LEFT_BRACE -> object();
        case LEFT_BRACKET -> array();
        case STRING -> NODES.textNode(string(token.bytes()));
        case INTEGER -> integer(ascii(token));
        case FLOAT -> NODES.numberNode(floating(ascii(token)));
        case KEYWORD -> keyword(ascii(token));
        case RIGHT_BRACE, RIGHT_BRACKET, COLON, COMMA, STRAY ->
            throw new Malformed("expecting value");
      };
    }

    private JsonNode object() throws Malformed {
      ObjectNode object = NODES.objectNode();
      if (peek() == Kind.RIGHT_BRACE) {
        next++;
        return object;
      }
      while (true) {
        pair(object);
        Kind kind = peek();
        next++;
        if (kind == Kind.RIGHT_BRACE) {
          return object;
        }
        if (kind != Kind.COMMA) {
          throw new Malformed("expected separator in dict");
        }
      }
    }

    private void pair(ObjectNode object) throws Malformed {
      JsonNode key = value();
      if (!key.isTextual()) {
        throw new Malformed("key is not a string in object");
      }
      if (peek() != Kind.COLON) {
        throw new Malformed("missing : in object pair");
      }
      next++;
      JsonNode value = value();
      if (object.has(key.textValue())) {
        throw new Malformed("duplicate key");
      }
      object.set(key.textValue(), value);
    }

    private JsonNode array() throws Malformed {
      ArrayNode array = NODES.arrayNode();
      if (peek() == Kind.RIGHT_BRACKET) {
        next++;
        return array;
      }
      while (true) {
        array.add(value());
        Kind kind = peek();
        next++;
        if (kind == Kind.RIGHT_BRACKET) {
          return array;
        }
        if (kind != Kind.COMMA) {
          throw new Malformed("expected separator in list");
        }
      }
    }

    private static JsonNode keyword(String word) throws Malformed {
      return switch (word) {
        case "true" -> NODES.booleanNode(true);
        case "false" -> NODES.booleanNode(false);
        case "null" -> NODES.nullNode();
        default -> throw new Malformed("invalid keyword '" + word + "'");
      };
    }

    /** JSON has no word for infinity: what is beyond all numbers could not be sent back. */
    private static double floating(String digits) throws Malformed {
      double value = Double.parseDouble(digits);
      if (Double.isInfinite(value)) {
        throw new Malformed("number too large");
      }
      return value;
    }

    /** A number that no 64-bit integer holds becomes a floating one. */
    private static JsonNode integer(String digits) throws Malformed {
      if (digits.length() < 19) {
        return NODES.numberNode(Long.parseLong(digits));
      }
      if (digits.length() > 20) {
        return NODES.numberNode(floating(digits));
      }
      BigInteger value = new BigInteger(digits);
      if (value.compareTo(MOST_UNSIGNED) > 0 || value.compareTo(LEAST_SIGNED) < 0) {
        return NODES.numberNode(value.doubleValue());
      }
      return value.bitLength() < 64 ? NODES.numberNode(value.longValue()) : NODES.numberNode(value);
    }

    private static String ascii(Token token) {
      return new String(token.bytes(), StandardCharsets.US_ASCII);
    }

    /** The text between the quotes. */
    private static String string(byte[] quoted) throws Malformed {
      StringBuilder text = new StringBuilder(quoted.length);
      int end = quoted.length - 1;
      int i = 1;
      while (i < end) {
        if (quoted[i] == '\\') {
          i = escape(quoted, i, text);
        } else if (quoted[i] >= 0) {
          text.append((char) quoted[i++]);
        } else {
          int codePoint = Utf8.decode(quoted, i, end);
          if (codePoint < 0) {
            throw new Malformed("invalid UTF-8 sequence in string");
          }
          text.appendCodePoint(codePoint);
          i += Utf8.length(quoted[i]);
        }
      }
      return text.toString();
    }

    /** Reads the escape at {@code at}; returns where it ends. */
    private static int escape(byte[] quoted, int at, StringBuilder text) throws Malformed {
      char c = (char) quoted[at + 1];
      switch (c) {
        case '"', '\'', '\\', '/' -> text.append(c);
        case 'b' -> text.append('\b');
        case 'f' -> text.append('\f');
        case 'n' -> text.append('\n');
        case 'r' -> text.append('\r');
        case 't' -> text.append('\t');
        case 'u' -> {
          return unicode(quoted, at, text);
        }
        default -> throw new Malformed("invalid escape sequence in string");
      }
      return at + 2;
    }

    private static int unicode(byte[] quoted, int at, StringBuilder text) throws Malformed {
      int high = hex4(quoted, at + 2);
      int end = at + ESCAPE;
      if (high >= 0
          && Character.isHighSurrogate((char) high)
          && end + 1 < quoted.length
          && quoted[end] == '\\'
          && quoted[end + 1] == 'u') {
        int low = hex4(quoted, end + 2);
        if (low >= 0 && Character.isLowSurrogate((char) low)) {
          text.append((char) high).append((char) low);
          return end + ESCAPE;
        }
      }
      if (high < 0 || Character.isSurrogate((char) high) || isNonCharacter(high)) {
        throw invalid(quoted, at);
      }
      text.append((char) high);
      return end;
    }

    private static boolean isNonCharacter(int codePoint) {
      return (codePoint >= 0xfdd0 && codePoint <= 0xfdef) || (codePoint & 0xfffe) == 0xfffe;
    }

    private static Malformed invalid(byte[] quoted, int at) {
      int n = Math.min(ESCAPE, quoted.length - at);
      return new Malformed(
          Utf8.decodeReplacing(quoted, at, n) + " is not a valid Unicode character");
    }

    private static int hex4(byte[] text, int at) {
      int value = 0;
      for (int i = at; i < at + 4; i++) {
        int digit = i < text.length ? Character.digit(text[i], 16) : -1;
        if (digit < 0) {
          return -1;
        }
        value = value << 4 | digit;
      }
      return value;
    }
  }
}
