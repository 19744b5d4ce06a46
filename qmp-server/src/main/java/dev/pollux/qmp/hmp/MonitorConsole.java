package dev.pollux.qmp.hmp;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * A human monitor on a character back end: prompt, echo, line editing with history and completion.
 * Everything on the event loop.
 *
 * <p>While output waits for the back end no input is taken, so what is buffered is at most what one
 * command prints.
 */
public final class MonitorConsole implements CharFrontEnd {
  /** What scripts written for QEMU's monitor wait for. */
  private static final String PROMPT = "(qemu) ";

  private static final int MAX_LINE = 4096;
  private static final int MAX_HISTORY = 100;

  private final HumanMonitor monitor;
  private final CharBackend backend;
  private final Executor loop;
  private final String banner;
  private final ArrayDeque<byte[]> pending = new ArrayDeque<>();
  private int pendingOffset;

  private final StringBuilder line = new StringBuilder();
  private int cursor;
  private final List<String> history = new ArrayList<>();
  private int historyAt;
  private String escape = "";
  private boolean opened;
  private boolean greeted;
  private boolean muxedOut;

  /** A command waits for others than the machine. */
  private boolean waiting;

  /**
   * Attaches to the back end.
   *
   * @param version of the emulator
   * @param loop runs callbacks with the machine lock held
   */
  public MonitorConsole(HumanMonitor monitor, CharBackend backend, String version, Executor loop) {
    this.monitor = monitor;
    this.backend = backend;
    this.loop = loop;
    this.banner = "Pollux " + version + " monitor - type 'help' for more information\n";
    backend.attach(this, loop);
  }

  @Override
  public int canReceive() {
    // One at a time: a key may end a line whose output then has to go out first.
    return pending.isEmpty() && !waiting ? 1 : 0;
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    for (int i = offset; i < offset + length; i++) {
      key(bytes[i] & 0xff);
    }
  }

  @Override
  public boolean isConversation() {
    return true;
  }

  @Override
  public void event(CharEvent event) {
    switch (event) {
      case OPENED -> {
        opened = true;
        greeted = false;
        setLine("");
        show();
      }
      case MUX_IN -> {
        muxedOut = false;
        show();
      }
      case MUX_OUT -> {
        muxedOut = true;
        if (greeted) {
          print("\n");
        }
      }
      case CLOSED -> {
        opened = false;
        pending.clear();
        pendingOffset = 0;
      }
      case BREAK -> {}
    }
  }

  /** Shows the prompt, once there is somebody to see it. */
  private void show() {
    if (!opened || muxedOut) {
      return;
    }
    if (greeted) {
      refresh();
    } else {
      greeted = true;
      print(banner);
      print(PROMPT);
    }
  }

  // ---- output ----

  private void print(String text) {
    byte[] bytes = text.replace("\n", "\r\n").getBytes(StandardCharsets.UTF_8);
    boolean idle = pending.isEmpty();
    pending.add(bytes);
    if (idle) {
      drain();
    }
  }

  private void drain() {
    while (!pending.isEmpty()) {
      byte[] bytes = pending.getFirst();
      pendingOffset += backend.write(bytes, pendingOffset, bytes.length - pendingOffset);
      if (pendingOffset < bytes.length) {
        backend.whenWritable(
            () -> {
              drain();
              if (pending.isEmpty()) {
                backend.acceptInput();
              }
            });
        return;
      }
      pending.removeFirst();
      pendingOffset = 0;
    }
  }

  // ---- input ----

  private void key(int key) {
    if (!escape.isEmpty()) {
      escapeKey((char) key);
      return;
    }
    switch (key) {
      case '\r', '\n' -> enter();
      case 0x1b -> escape = "\u001b";
      case 0x08, 0x7f -> delete(cursor - 1);
      case 0x01 -> move(0);
      case 0x05 -> move(line.length());
      case 0x02 -> move(cursor - 1);
      case 0x06 -> move(cursor + 1);
      case 0x04 -> delete(cursor);
      case 0x0b -> {
        line.setLength(cursor);
        refresh();
      }
      case 0x15, 0x03 -> {
        setLine("");
        refresh();
      }
      case 0x17 -> deleteWord();
      case 0x0c -> refresh();
      case 0x10 -> recall(historyAt - 1);
      case 0x0e -> recall(historyAt + 1);
      case '\t' -> complete();
      default -> {
        if (key >= 0x20) {
          insert((char) key);
        }
      }
    }
  }

  private void escapeKey(char key) {
    escape += key;
    if (escape.length() == 2 && (key == '[' || key == 'O')) {
      return;
    }
    if (Character.isDigit(key) && escape.length() < 6) {
      return;
    }
    String sequence = escape.substring(1);
    escape = "";
    switch (sequence) {
      case "[A", "OA" -> recall(historyAt - 1);
      case "[B", "OB" -> recall(historyAt + 1);
      case "[C", "OC" -> move(cursor + 1);
      case "[D", "OD" -> move(cursor - 1);
      case "[H", "OH", "[1~" -> move(0);
      case "[F", "OF", "[4~" -> move(line.length());
      case "[3~" -> delete(cursor);
      default -> {}
    }
  }

  private void enter() {
    String text = line.toString();
    setLine("");
    print("\n");
    if (!text.isBlank() && (history.isEmpty() || !history.getLast().equals(text))) {
      history.add(text);
      if (history.size() > MAX_HISTORY) {
        history.removeFirst();
      }
    }
    historyAt = history.size();
    CompletableFuture<String> answer = monitor.submit(text);
    if (answer.isDone()) {
      print(answer.join() + PROMPT);
    } else {
      waiting = true;
      var _ = answer.thenAcceptAsync(this::answered, loop);
    }
  }

  private void answered(String text) {
    waiting = false;
    if (opened) {
      print(text + PROMPT);
      backend.acceptInput();
    }
  }

  private void insert(char key) {
    if (line.length() == MAX_LINE) {
      return;
    }
    line.insert(cursor++, key);
    if (cursor == line.length()) {
      print(String.valueOf(key));
    } else {
      refresh();
    }
  }

  private void delete(int at) {
    if (at >= 0 && at < line.length()) {
      line.deleteCharAt(at);
      cursor = at;
      refresh();
    }
  }

  private void deleteWord() {
    int from = cursor;
    while (from > 0 && line.charAt(from - 1) == ' ') {
      from--;
    }
    while (from > 0 && line.charAt(from - 1) != ' ') {
      from--;
    }
    line.delete(from, cursor);
    cursor = from;
    refresh();
  }

  private void move(int to) {
    cursor = Math.clamp(to, 0, line.length());
    refresh();
  }

  private void recall(int index) {
    if (index >= 0 && index <= history.size()) {
      historyAt = index;
      setLine(index == history.size() ? "" : history.get(index));
      refresh();
    }
  }

  private void complete() {
    List<String> names = HumanMonitor.completions(line.toString());
    if (names.size() == 1) {
      setLine(names.getFirst() + " ");
      refresh();
    } else if (!names.isEmpty()) {
      print("\n" + String.join("  ", names) + "\n");
      refresh();
    }
  }

  private void setLine(String text) {
    line.setLength(0);
    line.append(text);
    cursor = line.length();
  }

  private void refresh() {
    StringBuilder text = new StringBuilder("\r").append(PROMPT).append(line).append("\u001b[K");
    if (cursor < line.length()) {
      text.append("\u001b[").append(line.length() - cursor).append('D');
    }
    print(text.toString());
  }
}
