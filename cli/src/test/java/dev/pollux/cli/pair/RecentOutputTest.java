package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecentOutputTest {
  private static RecentOutput of(String text) {
    RecentOutput output = new RecentOutput();
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    output.add(bytes, bytes.length);
    return output;
  }

  @ParameterizedTest(name = "secondary {0}, primary {1}")
  @CsvSource({
    "abcdef, abc, def", // the secondary is ahead
    "abc, abcdef, ''", // it is behind
    "abc, abc, ''",
    "abcdef, zzabc, def", // the primary's output from before the checkpoint came late
    "abc, xyz, abc", // they differ: better twice than never
    "abc, '', abc",
    "'', abc, ''"
  })
  void whatHasNotBeenShownFollows(String secondary, String primary, String missing) {
    assertEquals(missing, new String(of(secondary).beyond(of(primary)), StandardCharsets.US_ASCII));
  }

  @Test
  void keepsTheLastBytes() {
    RecentOutput output = of("first");
    byte[] block = new byte[64 * 1024 - 2];
    output.add(block, block.length);
    byte[] kept = output.beyond(of(""));
    assertEquals(64 * 1024, kept.length);
    assertEquals("st", new String(kept, 0, 2, StandardCharsets.US_ASCII));
  }
}
