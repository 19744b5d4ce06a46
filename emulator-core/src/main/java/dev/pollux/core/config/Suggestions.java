package dev.pollux.core.config;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** Guesses what the user meant by a name that does not exist. */
public final class Suggestions {
  private Suggestions() {}

  /**
   * The known name nearest to a mistyped one.
   *
   * @return nothing when no name is near enough to be meant
   */
  public static Optional<String> nearest(String typed, Collection<String> known) {
    String wanted = typed.toLowerCase(Locale.ROOT);
    int tolerance = Math.max(1, wanted.length() / 3);
    return known.stream()
        .min(
            Comparator.comparingInt(
                    (String name) -> distance(wanted, name.toLowerCase(Locale.ROOT)))
                .thenComparing(Comparator.naturalOrder()))
        .filter(
            name ->
                distance(wanted, name.toLowerCase(Locale.ROOT)) <= tolerance
                    || (wanted.length() > 1 && name.toLowerCase(Locale.ROOT).startsWith(wanted)));
  }

  /**
   * The second half of an error message: the nearest name, or all of them.
   *
   * @param known not empty
   * @return for instance {@code did you mean "pc"?} or {@code known: isapc, pc}
   */
  public static String hint(String typed, Collection<String> known) {
    return nearest(typed, known)
        .map(name -> "did you mean \"" + name + "\"?")
        .orElseGet(() -> "known: " + String.join(", ", known.stream().sorted().toList()));
  }

  /** Insertions, removals, changes and swaps of neighbours that turn one word into the other. */
  static int distance(String a, String b) {
    int[][] d = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        int change = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
        d[i][j] = Math.min(Math.min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + change);
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[a.length()][b.length()];
  }
}
