package dev.pollux.cli.pair.ledger;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollux.cli.pair.decide.Ledger;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** A record as JSON. */
final class LedgerFormat {
  private static final int LARGEST = 64 << 10;

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private LedgerFormat() {}

  static byte[] write(Ledger ledger) {
    try {
      return JSON.writeValueAsString(ledger).getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * @param where for people
   * @throws IOException if it is no record
   */
  static Ledger read(String where, byte[] text) throws IOException {
    if (text.length > LARGEST) {
      throw new IOException("%s: %d bytes are no record of a pair".formatted(where, text.length));
    }
    try {
      Ledger ledger = JSON.readValue(text, Ledger.class);
      boolean heldBySync =
          ledger.holder().isEmpty() || ledger.inSync().containsKey(ledger.holder());
      if (ledger.version() < 1 || !heldBySync || ledger.inSync().size() > 2) {
        throw new IOException("%s: this is no record of a pair: %s".formatted(where, ledger));
      }
      return ledger;
    } catch (JsonProcessingException e) {
      throw new IOException(
          "%s: this is no record of a pair: %s".formatted(where, e.getOriginalMessage()), e);
    }
  }
}
