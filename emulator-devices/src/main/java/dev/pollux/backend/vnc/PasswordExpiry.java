package dev.pollux.backend.vnc;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;

/** Until when a password is good, as {@code expire_password} has it. */
public final class PasswordExpiry {
  private PasswordExpiry() {}

  /**
   * Reads a time.
   *
   * @param text {@code now}, {@code never}, {@code +} and seconds from now on, or seconds since
   *     1970
   * @return {@link Instant#MAX} for never; empty if the text is something else
   */
  public static Optional<Instant> read(String text, Instant now) {
    try {
      return Optional.of(
          switch (text) {
            case "now" -> now;
            case "never" -> Instant.MAX;
            default ->
                text.startsWith("+")
                    ? now.plusSeconds(Long.parseUnsignedLong(text, 1, text.length(), 10))
                    : Instant.ofEpochSecond(Long.parseUnsignedLong(text));
          });
    } catch (NumberFormatException | DateTimeException | ArithmeticException e) {
      return Optional.empty();
    }
  }
}
