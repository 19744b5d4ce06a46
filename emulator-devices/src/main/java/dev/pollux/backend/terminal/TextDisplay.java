package dev.pollux.backend.terminal;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.backend.vnc.MachineScreen;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.display.TextScreen;
import dev.pollux.devices.isa.QKeyCode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shows the characters of a machine's screen in a terminal, as {@code -display curses} does, and
 * has what is typed there arrive at its keyboard. A thread of its own looks at the screen twenty
 * times a second and sends what has changed.
 */
public final class TextDisplay implements CharFrontEnd, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(TextDisplay.class);
  private static final long LOOK_NANOS = 50_000_000;

  private final MachineScreen machine;
  private final CharBackend terminal;
  private final AnsiPainter painter = new AnsiPainter();
  private final TerminalKeys keys = new TerminalKeys(this::press);

  /** What the terminal has to say; no more than one at a time. */
  private final BlockingQueue<Runnable> events = new LinkedBlockingQueue<>();

  private final Thread thread =
      Thread.ofPlatform().daemon().name("text screen").unstarted(this::run);
  private volatile boolean closed;

  /** Whether the terminal is the screen's now, and not a monitor's. */
  private boolean hasTerminal = true;

  /** Takes a terminal over. */
  public TextDisplay(MachineScreen machine, CharBackend terminal) {
    this.machine = machine;
    this.terminal = terminal;
    terminal.attach(this, events::add);
    thread.start();
  }

  private void run() {
    long next = System.nanoTime();
    try {
      while (!closed) {
        Runnable event = events.poll(Math.max(0, next - System.nanoTime()), TimeUnit.NANOSECONDS);
        if (event != null) {
          event.run();
        }
        if (System.nanoTime() - next >= 0) {
          if (event == null) {
            keys.pause();
          }
          draw();
          next = System.nanoTime() + LOOK_NANOS;
        }
      }
    } catch (InterruptedException e) {
      log.debug("the text screen is closed");
    }
  }

  private void draw() {
    if (!hasTerminal || !terminal.isConnected()) {
      return;
    }
    Optional<TextScreen> text = machine.text();
    String out = text.isPresent() ? painter.paint(text.get()) : painter.say(graphics());
    byte[] bytes = out.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > 0 && terminal.write(bytes, 0, bytes.length) < bytes.length) {
      painter.forget();
    }
  }

  private String graphics() {
    Screen screen = machine.screen();
    return "The guest shows graphics of %dx%d; -vnc and screendump show them too."
        .formatted(screen.width(), screen.height());
  }

  private void press(List<QKeyCode> together) {
    together.forEach(key -> machine.key(key, true));
    together.reversed().forEach(key -> machine.key(key, false));
  }

  // ---- the terminal ----

  @Override
  public int canReceive() {
    return USUAL_BUFFER;
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    for (int i = offset; i < offset + length; i++) {
      keys.put(bytes[i] & 0xff);
    }
  }

  @Override
  public void event(CharEvent event) {
    switch (event) {
      case MUX_OUT -> hasTerminal = false;
      case MUX_IN, OPENED -> {
        hasTerminal = true;
        painter.forget();
      }
      default -> {}
    }
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    byte[] end = "\033[0m\r\n".getBytes(StandardCharsets.US_ASCII);
    terminal.write(end, 0, end.length);
    terminal.detach();
  }
}
