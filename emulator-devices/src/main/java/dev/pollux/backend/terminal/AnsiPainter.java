package dev.pollux.backend.terminal;

import dev.pollux.devices.display.TextScreen;
import java.util.Arrays;

/** Turns screens of characters into what a terminal is sent to show them (ECMA-48). One thread. */
final class AnsiPainter {
  /** Colors of graphics cards by the order that terminals have them in. */
  private static final int[] COLORS = {0, 4, 2, 6, 1, 5, 3, 7};

  /** Ends a sequence that did not get through as a whole, then clears. */
  private static final String CLEAR = "\030\033[0m\033[2J\033[H";

  /** Cells that cost less to be sent again than to be passed over. */
  private static final int NEAR = 6;

  private int[] shown = {};
  private int columns;
  private int attribute = -1;
  private int cursor = -1;
  private String message = "";

  /** Begins anew: what the terminal shows is not known. */
  void forget() {
    shown = new int[0];
    columns = 0;
    attribute = -1;
    cursor = -1;
    message = "";
  }

  /** What changes the terminal to a screen; empty if it shows that already. */
  String paint(TextScreen screen) {
    StringBuilder out = new StringBuilder();
    if (screen.columns() != columns || screen.cells().length != shown.length) {
      forget();
      columns = screen.columns();
      shown = new int[screen.cells().length];
      Arrays.fill(shown, -1);
      out.append(CLEAR);
    }
    int at = -1;
    for (int i = 0; i < shown.length; i++) {
      if (screen.cells()[i] != shown[i]) {
        boolean near = at >= 0 && i - at <= NEAR && at / columns == i / columns;
        if (!near && at != i) {
          move(out, i);
        }
        for (int cell = near ? at : i; cell <= i; cell++) {
          put(out, screen.cells()[cell]);
          shown[cell] = screen.cells()[cell];
        }
        at = (i + 1) % columns == 0 ? -1 : i + 1;
      }
    }
    if (screen.cursor() != cursor || !out.isEmpty()) {
      cursor = screen.cursor();
      move(out, cursor >= 0 ? cursor : shown.length - 1);
    }
    return out.toString();
  }

  /** What changes the terminal to a line of text; empty if it shows that already. */
  String say(String text) {
    if (text.equals(message)) {
      return "";
    }
    forget();
    message = text;
    return CLEAR + text;
  }

  private void put(StringBuilder out, int cell) {
    color(out, cell >> 8 & 0xff);
    out.append(TextScreen.character(cell & 0xff));
  }

  private void move(StringBuilder out, int cell) {
    out.append("\033[%d;%dH".formatted(cell / columns + 1, cell % columns + 1));
  }

  private void color(StringBuilder out, int to) {
    if (to == attribute) {
      return;
    }
    attribute = to;
    int front = to & 0xf;
    int back = to >> 4;
    out.append(
        "\033[%d;%dm"
            .formatted(
                (front < 8 ? 30 : 90) + COLORS[front & 7],
                (back < 8 ? 40 : 100) + COLORS[back & 7]));
  }
}
