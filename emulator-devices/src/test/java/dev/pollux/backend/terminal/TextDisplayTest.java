package dev.pollux.backend.terminal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.isa.QKeyCode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A terminal shows what a graphics card does, and its keys arrive as a keyboard's. */
class TextDisplayTest {
  private static final int COLUMNS = 80;
  private static final int ROWS = 25;

  /** A terminal that knows what is sent to it, and nothing else. */
  private static final class Terminal {
    private static final Pattern PART =
        Pattern.compile("\030|\033\\[(\\d*)(?:;(\\d+))?([HJm])|([^\033])", Pattern.DOTALL);

    private final char[] characters = new char[COLUMNS * ROWS];
    private final int[] colors = new int[COLUMNS * ROWS];
    private int at;
    private int color;

    void show(String text) {
      Matcher part = PART.matcher(text);
      int end = 0;
      while (part.find()) {
        assertEquals(end, part.start(), "what is not understood");
        end = part.end();
        if (part.group(4) != null) {
          characters[at] = part.group(4).charAt(0);
          colors[at] = color;
          at++;
        } else if (part.group(3) != null) {
          obey(part.group(3).charAt(0), number(part.group(1)), number(part.group(2)));
        }
      }
      assertEquals(text.length(), end);
    }

    private static int number(String digits) {
      return digits == null || digits.isEmpty() ? 0 : Integer.parseInt(digits);
    }

    private void obey(char what, int first, int second) {
      switch (what) {
        case 'H' -> at = Math.max(0, first - 1) * COLUMNS + Math.max(0, second - 1);
        case 'J' -> java.util.Arrays.fill(characters, ' ');
        default -> color = first << 8 | second;
      }
    }
  }

  private static TextScreen screen(Random random, TextScreen before, int changes) {
    int[] cells = before == null ? new int[COLUMNS * ROWS] : before.cells().clone();
    for (int i = 0; i < changes; i++) {
      cells[random.nextInt(cells.length)] = random.nextInt(1 << 16);
    }
    return new TextScreen(COLUMNS, ROWS, cells, random.nextInt(-1, cells.length));
  }

  @Test
  void terminalFollowsTheScreen() {
    Random random = new Random(1);
    AnsiPainter painter = new AnsiPainter();
    Terminal terminal = new Terminal();
    TextScreen screen = null;
    for (int round = 0; round < 50; round++) {
      screen = screen(random, screen, round * round);
      terminal.show(painter.paint(screen));
      for (int i = 0; i < COLUMNS * ROWS; i++) {
        int cell = screen.cells()[i];
        assertEquals(TextScreen.character(cell & 0xff), terminal.characters[i]);
        assertEquals((cell >> 11 & 1) == 1, terminal.colors[i] >> 8 >= 90, "bright");
        assertEquals((cell >> 15 & 1) == 1, (terminal.colors[i] & 0xff) >= 100, "bright behind");
      }
      if (screen.cursor() >= 0) {
        assertEquals(screen.cursor(), terminal.at);
      }
      assertEquals("", painter.paint(screen));
      if (round == 20) {
        painter.forget();
      }
    }
  }

  @Test
  void wordsReplaceGraphics() {
    AnsiPainter painter = new AnsiPainter();
    String said = painter.say("graphics");
    assertTrue(said.endsWith("graphics"));
    assertEquals("", painter.say("graphics"));
    assertFalse(painter.paint(screen(new Random(2), null, 1)).isEmpty());
    assertEquals(said, painter.say("graphics"));
  }

  @ParameterizedTest
  @CsvSource({
    "a, A",
    "A, SHIFT+A",
    "~, SHIFT+GRAVE_ACCENT",
    "'\u0003', CTRL+C",
    "'\r', RET",
    "'\u007f', BACKSPACE",
    "'\u001b[A', UP",
    "'\u001b[15~', F5",
    "'\u001bOPx', F1 X",
    "'\u001bb', ALT+B",
    "'\u001b[99~q', Q",
    "'\u001b\u001b', ESC ESC",
    "'\u00e9', ''"
  })
  void keysArrive(String sent, String expected) {
    List<String> heard = new ArrayList<>();
    TerminalKeys keys =
        new TerminalKeys(
            together ->
                heard.add(String.join("+", together.stream().map(QKeyCode::name).toList())));
    for (byte each : sent.getBytes(StandardCharsets.UTF_8)) {
      keys.put(each & 0xff);
    }
    keys.pause();
    assertEquals(expected, String.join(" ", heard));
  }

  @Test
  void anythingMayBeTyped() {
    Random random = new Random(3);
    int[] heard = new int[1];
    TerminalKeys keys = new TerminalKeys(_ -> heard[0]++);
    for (int i = 0; i < 100_000; i++) {
      keys.put(random.nextInt(4) == 0 ? 0x1b : random.nextInt(256));
      if (random.nextInt(50) == 0) {
        keys.pause();
      }
    }
    assertTrue(heard[0] > 10_000);
  }
}
