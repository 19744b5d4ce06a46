package dev.pollux.cli.pair;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecentOutputTest {
  private static RecentOutput of(String text) {
    RecentOutput output = new RecentOutput();
    byte[] bytes = text.getBytes(US_ASCII);
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
    assertEquals(missing, new String(of(secondary).beyond(of(primary)), US_ASCII));
  }

  @Test
  void whatCameLateDoesNotMatter() {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      lines.append("line ").append(i).append('\n');
    }
    String all = lines.toString();
    int at = all.indexOf("line 50");
    String late = "from before\n";
    assertEquals(
        all.substring(at), new String(of(late + all).beyond(of(all.substring(0, at))), US_ASCII));
    assertEquals("", new String(of(late + all.substring(0, at)).beyond(of(all)), US_ASCII));
  }

  @Test
  void keepsTheLastBytes() {
    RecentOutput output = of("first");
    byte[] block = new byte[64 * 1024 - 2];
    output.add(block, block.length);
    byte[] kept = output.beyond(of(""));
    assertEquals(64 * 1024, kept.length);
    assertEquals("st", new String(kept, 0, 2, US_ASCII));
  }
}
