package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;

/** Writes to a file; where asked, also reads one, once. */
final class FileBackend extends StreamBackend {
  private final CharSpec.File spec;
  private final FileOutputStream out;
  private final FileInputStream in;

  FileBackend(String id, CharSpec.File spec) {
    super(id);
    this.spec = spec;
    try {
      in = spec.inputPath().isEmpty() ? null : new FileInputStream(spec.inputPath());
      out = new FileOutputStream(spec.path(), spec.append());
    } catch (IOException e) {
      throw new ConfigException("chardev " + id + ": cannot open file: " + e.getMessage(), e);
    }
    output.connect(out::write);
    input.open();
    if (in != null) {
      start("input", this::read);
    }
  }

  private void read() {
    byte[] buffer = new byte[InputQueue.CAPACITY];
    try (in) {
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
        input.put(buffer, 0, n);
      }
    } catch (IOException | InterruptedException e) {
      // What could be read was delivered.
    }
  }

  @Override
  public String describe() {
    return "file";
  }

  @Override
  public void close() {
    input.close();
    output.flush(5_000);
    output.close();
    try {
      out.close();
    } catch (IOException e) {
      throw new ConfigException(
          "chardev " + id() + ": closing " + spec.path() + ": " + e.getMessage(), e);
    }
  }
}
