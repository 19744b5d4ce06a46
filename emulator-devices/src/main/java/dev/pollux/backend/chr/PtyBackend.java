package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.PseudoTerminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A pseudo-terminal; whoever opens its device file is connected. */
public final class PtyBackend extends StreamBackend {
  private static final int POLL_MILLIS = 200;

  private final PseudoTerminal pty;
  private final Path link;
  private final Thread reader;
  private volatile boolean closed;

  PtyBackend(String id, CharSpec.Pty spec) {
    super(id);
    link = spec.path().isEmpty() ? null : Path.of(spec.path());
    try {
      pty = PseudoTerminal.open();
      if (link != null) {
        Files.createSymbolicLink(link, Path.of(pty.path()));
      }
    } catch (IOException e) {
      throw new ConfigException("chardev " + id + ": " + e.getMessage(), e);
    }
    reader = start("input", this::watch);
  }

  /** The device file, for instance {@code /dev/pts/3}. */
  public String path() {
    return pty.path();
  }

  private void watch() {
    byte[] buffer = new byte[1024];
    try {
      while (!closed) {
        switch (pty.poll(false, POLL_MILLIS)) {
          case NOW -> {
            connected(true);
            int n = pty.read(buffer);
            if (n > 0) {
              input.put(buffer, 0, n);
            }
          }
          case NOT_YET -> connected(true);
          case HUNG_UP -> {
            connected(false);
            Thread.sleep(POLL_MILLIS / 2);
          }
        }
      }
    } catch (IOException | InterruptedException e) {
      connected(false);
    }
  }

  private void connected(boolean now) {
    if (now && !input.isOpen()) {
      output.connect(this::writeAll);
      input.open();
    } else if (!now && input.isOpen()) {
      output.disconnect();
      input.close();
    }
  }

  private void writeAll(byte[] bytes, int offset, int length) throws IOException {
    int from = offset;
    int left = length;
    while (left > 0) {
      if (closed || !input.isOpen()) {
        throw new IOException("hung up");
      }
      switch (pty.poll(true, POLL_MILLIS)) {
        case NOW -> {
          byte[] chunk = new byte[Math.min(left, 256)];
          System.arraycopy(bytes, from, chunk, 0, chunk.length);
          int n = pty.write(chunk, chunk.length);
          if (n < 0) {
            throw new IOException("hung up");
          }
          from += n;
          left -= n;
        }
        case HUNG_UP -> throw new IOException("hung up");
        case NOT_YET -> {}
      }
    }
  }

  @Override
  public String describe() {
    return "pty:" + pty.path();
  }

  @Override
  public void close() {
    output.flush(500);
    closed = true;
    input.close();
    output.close();
    try {
      reader.join(2 * POLL_MILLIS);
      if (link != null) {
        Files.deleteIfExists(link);
      }
    } catch (IOException e) {
      // A link that cannot be removed is harmless.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!reader.isAlive()) {
      pty.close();
    }
  }
}
