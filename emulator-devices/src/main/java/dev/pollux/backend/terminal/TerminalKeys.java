package dev.pollux.backend.terminal;

import dev.pollux.backend.vnc.Keysyms;
import dev.pollux.devices.isa.QKeyCode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Turns what a terminal sends into keys of a keyboard with US layout: characters, and the sequences
 * of xterm and of Linux's console for other keys. Escape alone is a key once nothing follows it.
 * One thread.
 */
final class TerminalKeys {
  private static final int ESCAPE = 0x1b;
  private static final int DELETE = 0x7f;
  private static final int LONGEST = 8;

  private static final Map<String, QKeyCode> SEQUENCES =
      Map.ofEntries(
          Map.entry("[A", QKeyCode.UP),
          Map.entry("[B", QKeyCode.DOWN),
          Map.entry("[C", QKeyCode.RIGHT),
          Map.entry("[D", QKeyCode.LEFT),
          Map.entry("OA", QKeyCode.UP),
          Map.entry("OB", QKeyCode.DOWN),
          Map.entry("OC", QKeyCode.RIGHT),
          Map.entry("OD", QKeyCode.LEFT),
          Map.entry("[H", QKeyCode.HOME),
          Map.entry("[F", QKeyCode.END),
          Map.entry("[1~", QKeyCode.HOME),
          Map.entry("[2~", QKeyCode.INSERT),
          Map.entry("[3~", QKeyCode.DELETE),
          Map.entry("[4~", QKeyCode.END),
          Map.entry("[5~", QKeyCode.PGUP),
          Map.entry("[6~", QKeyCode.PGDN),
          Map.entry("OP", QKeyCode.F1),
          Map.entry("OQ", QKeyCode.F2),
          Map.entry("OR", QKeyCode.F3),
          Map.entry("OS", QKeyCode.F4),
          Map.entry("[[A", QKeyCode.F1),
          Map.entry("[[B", QKeyCode.F2),
          Map.entry("[[C", QKeyCode.F3),
          Map.entry("[[D", QKeyCode.F4),
          Map.entry("[[E", QKeyCode.F5),
          Map.entry("[15~", QKeyCode.F5),
          Map.entry("[17~", QKeyCode.F6),
          Map.entry("[18~", QKeyCode.F7),
          Map.entry("[19~", QKeyCode.F8),
          Map.entry("[20~", QKeyCode.F9),
          Map.entry("[21~", QKeyCode.F10),
          Map.entry("[23~", QKeyCode.F11),
          Map.entry("[24~", QKeyCode.F12));

  private final Consumer<List<QKeyCode>> typed;

  /** What has come since an escape character; null when there was none. */
  private StringBuilder sequence;

  /**
   * @param typed hears which keys were pressed together
   */
  TerminalKeys(Consumer<List<QKeyCode>> typed) {
    this.typed = typed;
  }

  /** A byte has come. */
  void put(int b) {
    if (sequence == null) {
      if (b == ESCAPE) {
        sequence = new StringBuilder();
      } else {
        character(b, List.of());
      }
      return;
    }
    sequence.append((char) b);
    QKeyCode key = SEQUENCES.get(sequence.toString());
    if (key != null) {
      sequence = null;
      typed.accept(List.of(key));
    } else if (sequence.length() == 1 && b != '[' && b != 'O') {
      sequence = null;
      if (b == ESCAPE) {
        typed.accept(List.of(QKeyCode.ESC));
        sequence = new StringBuilder();
      } else {
        character(b, List.of(QKeyCode.ALT));
      }
    } else if (sequence.length() >= LONGEST || isEnd(b)) {
      sequence = null; // a key that the keyboard does not have
    }
  }

  /** Whether a byte ends a sequence that is none of the above; "[[" goes on. */
  private boolean isEnd(int b) {
    return sequence.length() > 1 && b >= 0x40 && !sequence.toString().equals("[[");
  }

  /** Nothing has come for a while. */
  void pause() {
    if (sequence == null) {
      return;
    }
    String begun = sequence.toString();
    sequence = null;
    if (begun.isEmpty()) {
      typed.accept(List.of(QKeyCode.ESC));
    } else {
      character(begun.charAt(0), List.of(QKeyCode.ALT));
    }
  }

  private void character(int b, List<QKeyCode> with) {
    List<QKeyCode> keys = new ArrayList<>(with);
    switch (b) {
      case '\r', '\n' -> keys.add(QKeyCode.RET);
      case '\t' -> keys.add(QKeyCode.TAB);
      case DELETE, '\b' -> keys.add(QKeyCode.BACKSPACE);
      default -> {
        int of = b == 0 ? ' ' : b < 0x20 ? b + 0x40 | 0x20 : b;
        if (b < 0x20) {
          keys.add(QKeyCode.CTRL);
        } else if (Keysyms.isShifted(b)) {
          keys.add(QKeyCode.SHIFT);
        }
        Optional<QKeyCode> key = b > DELETE ? Optional.empty() : Keysyms.key(of);
        if (key.isEmpty()) {
          return;
        }
        keys.add(key.get());
      }
    }
    typed.accept(keys);
  }
}
