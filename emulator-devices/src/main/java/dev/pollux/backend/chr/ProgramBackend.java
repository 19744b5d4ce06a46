package dev.pollux.backend.chr;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** A console with a program at its other end: it gets what the guest prints, and types. */
public final class ProgramBackend extends StreamBackend {
  /**
   * @param screen gets all output, on a thread of its own; may block
   */
  public ProgramBackend(String id, OutputStream screen) {
    super(id);
    output.connect(screen::write);
    input.open();
  }

  /**
   * Types; waits while the guest takes nothing.
   *
   * @throws InterruptedException when the console is closed
   */
  public void type(String text) throws InterruptedException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    input.put(bytes, 0, bytes.length);
  }

  @Override
  public String describe() {
    return "program";
  }

  @Override
  public void close() {
    input.close();
    output.flush(1_000);
    output.close();
  }
}
