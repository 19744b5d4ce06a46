package dev.pollux.cli.img;

import java.util.Locale;

/** The line that {@code -p} shows. Any thread. */
final class Progress {
  private static final double STEP = 1;

  private final boolean shown;
  private double last = -1;

  Progress(boolean shown) {
    this.shown = shown;
    show(0);
  }

  /**
   * @param percent done
   */
  synchronized void show(double percent) {
    if (shown && (percent >= last + STEP || percent >= 100 && last < 100)) {
      last = percent;
      System.out.print(String.format(Locale.ROOT, "    (%3.2f/100%%)\r", percent));
      System.out.flush();
    }
  }

  void end() {
    show(100);
    if (shown) {
      System.out.println();
    }
  }
}
