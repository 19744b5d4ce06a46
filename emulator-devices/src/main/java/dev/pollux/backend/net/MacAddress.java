package dev.pollux.backend.net;

import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/** Hardware addresses as people write them. */
public final class MacAddress {
  private static final Pattern FORM = Pattern.compile("[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}");

  private MacAddress() {}

  /**
   * Reads an address: 6 bytes; none for empty text, which stands for any address.
   *
   * @return empty where the text is no address of a single card
   */
  public static Optional<byte[]> parse(String text) {
    if (text.isEmpty()) {
      return Optional.of(new byte[0]);
    }
    if (!FORM.matcher(text).matches()) {
      return Optional.empty();
    }
    byte[] bytes = HexFormat.of().parseHex(text.replaceAll("[:-]", ""));
    return (bytes[0] & 1) == 0 ? Optional.of(bytes) : Optional.empty();
  }

  /** An address with colons. */
  public static String text(byte[] address) {
    return HexFormat.ofDelimiter(":").formatHex(address);
  }
}
