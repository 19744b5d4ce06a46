package dev.pollux.backend.chr;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Several front ends on one back end. All may write; the keyboard belongs to the one that has the
 * focus, the last that was attached to begin with. A two-key command, Ctrl-A by default and a
 * letter, moves the focus, ends the emulator and so on.
 *
 * <p>Runs on the executor given to the constructor, apart from writes.
 */
public final class MuxBackend {
  /** Ctrl-A. */
  public static final int DEFAULT_ESCAPE = 1;

  private final CharBackend base;
  private final int escape;
  private final Runnable quit;
  private final List<Port> ports = new ArrayList<>();
  private Port focus;
  private boolean escaped;
  private boolean baseOpen;

  // Output state, guarded by outputLock.
  private final Object outputLock = new Object();
  private boolean timestamps;
  private long timestampsSince;
  private boolean lineStart = true;
  private byte[] prefix = {};

  /**
   * @param base the back end to share; nobody else may attach to it
   * @param executor on which keys are looked at
   * @param escape the first key of a command, 1 to 26 for Ctrl-A to Ctrl-Z
   * @param quit ends the emulator
   */
  public MuxBackend(CharBackend base, Executor executor, int escape, Runnable quit) {
    this.base = base;
    this.escape = escape;
    this.quit = quit;
    base.attach(new Keyboard(), executor);
  }

  public CharBackend base() {
    return base;
  }

  /** A back end for one more front end. */
  public synchronized CharBackend newPort() {
    Port port = new Port();
    ports.add(port);
    if (baseOpen) {
      port.input.open();
    }
    return port;
  }

  synchronized boolean isAttached() {
    return ports.stream().anyMatch(Port::isAttached);
  }

  private synchronized Port focus() {
    return focus;
  }

  private synchronized void setFocus(Port to) {
    if (focus == to) {
      return;
    }
    if (focus != null) {
      focus.input.event(CharEvent.MUX_OUT);
    }
    focus = to;
    if (focus != null) {
      focus.input.event(CharEvent.MUX_IN);
    }
  }

  private synchronized void focusNext() {
    int at = ports.indexOf(focus);
    for (int i = 1; i <= ports.size(); i++) {
      Port next = ports.get((at + i) % ports.size());
      if (next.isAttached()) {
        setFocus(next);
        return;
      }
    }
  }

  private synchronized void baseEvent(CharEvent event) {
    switch (event) {
      case OPENED -> {
        baseOpen = true;
        ports.forEach(port -> port.input.open());
      }
      case CLOSED -> {
        baseOpen = false;
        ports.forEach(port -> port.input.close());
      }
      case BREAK -> {
        if (focus != null) {
          focus.input.event(CharEvent.BREAK);
        }
      }
      case MUX_IN, MUX_OUT -> {}
    }
  }

  /** What the base back end talks to. */
  private final class Keyboard implements CharFrontEnd {
    @Override
    public int canReceive() {
      Port port = focus();
      // Without anybody to type for, keys still have to be looked at for commands.
      return port == null ? InputQueue.CAPACITY : port.input.room();
    }

    @Override
    public void receive(byte[] bytes, int offset, int length) {
      for (int i = offset; i < offset + length; i++) {
        key(bytes[i]);
      }
    }

    @Override
    public void event(CharEvent event) {
      baseEvent(event);
    }
  }

  private void key(byte key) {
    if (escaped) {
      escaped = false;
      command(key);
    } else if (key == escape) {
      escaped = true;
    } else {
      typed(key);
    }
  }

  private void typed(byte key) {
    Port port = focus();
    if (port != null) {
      port.input.offer(new byte[] {key}, 0, 1);
    }
  }

  private void command(byte key) {
    if (key == escape) {
      typed(key);
      return;
    }
    switch (key) {
      case 'h', '?' -> print(help());
      case 'x' -> {
        print("Pollux: terminated\n\r");
        quit.run();
      }
      case 's' -> print("Pollux: no disk is in snapshot mode\n\r");
      case 'b' -> baseEvent(CharEvent.BREAK);
      case 'c' -> focusNext();
      case 't' -> toggleTimestamps();
      default -> {}
    }
  }

  private String help() {
    String name = escape <= 26 ? "C-" + (char) ('a' + escape - 1) : "0x%02x".formatted(escape);
    String[][] rows = {
      {"h", "print this help"},
      {"x", "end the emulator"},
      {"s", "write snapshot disks back to their files"},
      {"t", "put the time before each line, or stop doing so"},
      {"b", "send a break (magic SysRq)"},
      {"c", "switch between console and monitor"},
      {name, "send " + name + " itself"}
    };
    StringBuilder text = new StringBuilder("\n\r");
    for (String[] row : rows) {
      text.append("%s %-6s %s\n\r".formatted(name, row[0], row[1]));
    }
    return text.toString();
  }

  private void print(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    base.write(bytes, 0, bytes.length);
  }

  private void toggleTimestamps() {
    synchronized (outputLock) {
      timestamps = !timestamps;
      timestampsSince = System.nanoTime();
      lineStart = false;
    }
  }

  private int write(byte[] from, int offset, int length) {
    synchronized (outputLock) {
      if (!timestamps && prefix.length == 0) {
        return base.write(from, offset, length);
      }
      int done = 0;
      while (done < length) {
        if (lineStart) {
          lineStart = false;
          prefix = timestamp();
        }
        int n = base.write(prefix, 0, prefix.length);
        if (n < prefix.length) {
          prefix = Arrays.copyOfRange(prefix, n, prefix.length);
          return done;
        }
        prefix = new byte[0];
        int end = offset + done;
        while (end < offset + length && from[end] != '\n') {
          end++;
        }
        int want = Math.min(end + 1, offset + length) - (offset + done);
        int taken = base.write(from, offset + done, want);
        done += taken;
        lineStart = taken > 0 && from[offset + done - 1] == '\n' && timestamps;
        if (taken < want) {
          return done;
        }
      }
      return done;
    }
  }

  private byte[] timestamp() {
    Duration t = Duration.ofNanos(System.nanoTime() - timestampsSince);
    return "[%02d:%02d:%02d.%03d] "
        .formatted(t.toHours(), t.toMinutesPart(), t.toSecondsPart(), t.toMillisPart())
        .getBytes(StandardCharsets.US_ASCII);
  }

  /** One front end's share. */
  private final class Port implements CharBackend {
    final InputQueue input = new InputQueue();

    @Override
    public String id() {
      return base.id();
    }

    @Override
    public String describe() {
      return base.describe();
    }

    @Override
    public boolean isConnected() {
      return base.isConnected();
    }

    @Override
    public boolean isAttached() {
      return input.isAttached();
    }

    @Override
    public void attach(CharFrontEnd frontEnd, Executor executor) {
      input.attach(new BackPressure(frontEnd), executor, executor);
      setFocus(this);
    }

    @Override
    public void detach() {
      input.detach();
      synchronized (MuxBackend.this) {
        ports.remove(this);
        if (focus == this) {
          setFocus(ports.isEmpty() ? null : ports.getFirst());
        }
      }
    }

    @Override
    public void acceptInput() {
      input.acceptInput();
    }

    @Override
    public int write(byte[] from, int offset, int length) {
      return MuxBackend.this.write(from, offset, length);
    }

    @Override
    public void whenWritable(Runnable action) {
      base.whenWritable(() -> input.runForFrontEnd(action));
    }

    @Override
    public void flush(int milliseconds) {
      base.flush(milliseconds);
    }

    @Override
    public void close() {
      detach();
    }
  }

  /** A front end that took something makes room for more from the base. */
  private final class BackPressure implements CharFrontEnd {
    private final CharFrontEnd to;

    BackPressure(CharFrontEnd to) {
      this.to = to;
    }

    @Override
    public int canReceive() {
      return to.canReceive();
    }

    @Override
    public void receive(byte[] bytes, int offset, int length) {
      to.receive(bytes, offset, length);
      base.acceptInput();
    }

    @Override
    public void event(CharEvent event) {
      to.event(event);
    }

    @Override
    public boolean isConversation() {
      return to.isConversation();
    }
  }
}
