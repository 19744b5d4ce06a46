package dev.pollux.core.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SuggestionsTest {
  private static final List<String> KNOWN =
      List.of("sse4.1", "sse4.2", "avx", "popcnt", "pclmulqdq");

  @Test
  void distanceCountsEdits() {
    assertEquals(0, Suggestions.distance("avx", "avx"));
    assertEquals(1, Suggestions.distance("axv", "avx"));
    assertEquals(1, Suggestions.distance("avx2", "avx"));
    assertEquals(3, Suggestions.distance("kitten", "sitting"));
    assertEquals(3, Suggestions.distance("", "abc"));
  }

  @Test
  void nearestIsFoundOnlyWhenItIsNear() {
    assertEquals(Optional.of("popcnt"), Suggestions.nearest("popcount", KNOWN));
    assertEquals(Optional.of("sse4.1"), Suggestions.nearest("SSE41", KNOWN));
    assertEquals(Optional.of("pclmulqdq"), Suggestions.nearest("pclmul", KNOWN));
    assertEquals(Optional.empty(), Suggestions.nearest("zebra", KNOWN));
  }

  @Test
  void hintListsAllWhenNoneIsNear() {
    assertEquals("did you mean \"avx\"?", Suggestions.hint("avxx", KNOWN));
    assertEquals("known: b, pc", Suggestions.hint("windows", List.of("pc", "b")));
  }
}
