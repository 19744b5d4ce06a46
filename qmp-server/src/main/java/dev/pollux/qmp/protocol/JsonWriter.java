package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * Writes JSON in QEMU's form: ASCII only, a space after colons and commas; or indented by four for
 * people.
 */
public final class JsonWriter {
  private static final String HEX = "0123456789ABCDEF";

  private static final class TooLong extends RuntimeException {
    private static final long serialVersionUID = 1;

    TooLong() {
      super(null, null, false, false);
    }
  }

  private final StringBuilder out = new StringBuilder();
  private final boolean pretty;
  private final int most;
  private int depth;

  private JsonWriter(boolean pretty, int most) {
    this.pretty = pretty;
    this.most = most;
  }

  /** The text of a value, in one line unless {@code pretty}. */
  public static String write(JsonNode value, boolean pretty) {
    JsonWriter writer = new JsonWriter(pretty, Integer.MAX_VALUE);
    writer.value(value);
    return writer.out.toString();
  }

  /**
   * The bytes of a value, ended by CR LF; none where they would be more than {@code most}, which
   * takes no more memory than twice that to find out.
   */
  public static Optional<byte[]> line(JsonNode value, boolean pretty, int most) {
    JsonWriter writer = new JsonWriter(pretty, most);
    try {
      writer.value(value);
    } catch (TooLong e) {
      return Optional.empty();
    }
    return Optional.of(writer.out.append("\r\n").toString().getBytes(StandardCharsets.US_ASCII));
  }

  private void value(JsonNode value) {
    switch (value.getNodeType()) {
      case OBJECT -> object(value);
      case ARRAY -> array(value);
      case STRING -> string(value.textValue());
      case NUMBER ->
          out.append(value.isFloatingPointNumber() ? number(value.doubleValue()) : value.asText());
      default -> out.append(value.asText());
    }
  }

  private void object(JsonNode object) {
    out.append('{');
    depth++;
    Iterator<Map.Entry<String, JsonNode>> members = object.properties().iterator();
    for (boolean first = true; members.hasNext(); first = false) {
      Map.Entry<String, JsonNode> member = members.next();
      separate(first);
      string(member.getKey());
      out.append(": ");
      value(member.getValue());
    }
    close(object.isEmpty(), '}');
  }

  private void array(JsonNode array) {
    out.append('[');
    depth++;
    boolean first = true;
    for (JsonNode element : array) {
      separate(first);
      value(element);
      first = false;
    }
    close(array.isEmpty(), ']');
  }

  private void separate(boolean first) {
    if (!first) {
      out.append(pretty ? "," : ", ");
    }
    newLine();
  }

  private void newLine() {
    if (pretty) {
      out.append('\n').repeat("    ", depth);
    }
  }

  private void close(boolean empty, char bracket) {
    depth--;
    if (!empty) {
      newLine();
    }
    out.append(bracket);
  }

  /** As C's {@code %.17g} writes it. */
  private static String number(double value) {
    if (value == 0 || Double.isNaN(value) || Double.isInfinite(value)) {
      return value == 0 && 1 / value < 0 ? "-0" : value == 0 ? "0" : String.valueOf(value);
    }
    BigDecimal digits = new BigDecimal(value).round(new MathContext(17)).stripTrailingZeros();
    int exponent = digits.precision() - digits.scale() - 1;
    if (exponent >= -4 && exponent < 17) {
      return digits.toPlainString();
    }
    String mantissa = digits.movePointLeft(exponent).toPlainString();
    return "%se%s%02d".formatted(mantissa, exponent < 0 ? "-" : "+", Math.abs(exponent));
  }

  private void string(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      character(text.charAt(i));
    }
    out.append('"');
  }

  private void character(char c) {
    if (out.length() > most) {
      throw new TooLong();
    }
    switch (c) {
      case '"', '\\' -> out.append('\\').append(c);
      case '\b' -> out.append("\\b");
      case '\f' -> out.append("\\f");
      case '\n' -> out.append("\\n");
      case '\r' -> out.append("\\r");
      case '\t' -> out.append("\\t");
      default -> {
        if (c >= 0x20 && c < 0x7f) {
          out.append(c);
        } else {
          out.append("\\u");
          for (int shift = 12; shift >= 0; shift -= 4) {
            out.append(HEX.charAt(c >> shift & 15));
          }
        }
      }
    }
  }
}
