package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;

/** A pair of FIFOs, {@code PATH.in} and {@code PATH.out}, or one for both directions. */
final class PipeBackend extends StreamBackend {
  private final RandomAccessFile in;
  private final RandomAccessFile out;

  PipeBackend(String id, CharSpec.Pipe spec) {
    super(id);
    String path = spec.path();
    boolean pair = new File(path + ".in").exists() && new File(path + ".out").exists();
    if (!pair && !new File(path).exists()) {
      throw new ConfigException(
          "chardev %s: no pipe %s; make it with: mkfifo %s.in %s.out"
              .formatted(id, path, path, path));
    }
    try {
      // Opened for both directions: Linux then waits for no one at the other end.
      in = new RandomAccessFile(pair ? path + ".in" : path, "rw");
      out = pair ? new RandomAccessFile(path + ".out", "rw") : in;
    } catch (IOException e) {
      throw new ConfigException("chardev " + id + ": cannot open pipe: " + e.getMessage(), e);
    }
    output.connect(out::write);
    input.open();
    start("input", this::read);
  }

  private void read() {
    byte[] buffer = new byte[InputQueue.CAPACITY];
    try {
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
        input.put(buffer, 0, n);
      }
    } catch (IOException | InterruptedException e) {
      // Closed.
    }
  }

  @Override
  public String describe() {
    return "pipe";
  }

  @Override
  public void close() {
    input.close();
    output.flush(500);
    output.close();
    // The descriptors stay open until the process ends: closing one that a thread reads would wait
    // for the reader.
  }
}
