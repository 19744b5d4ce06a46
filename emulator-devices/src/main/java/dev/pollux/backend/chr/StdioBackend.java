package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Terminal;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Standard input and output. A terminal there passes every key on, Ctrl-C included unless {@code
 * signal=on}, and gets its mode back at the end.
 */
final class StdioBackend extends StreamBackend {
  private static final AtomicBoolean inUse = new AtomicBoolean();

  private final Optional<Terminal> terminal;

  @SuppressWarnings("StreamResourceLeak") // the process's own streams are not ours to close
  StdioBackend(String id, CharSpec.Stdio spec) {
    super(id);
    if (!inUse.compareAndSet(false, true)) {
      throw new ConfigException(
          "chardev %s: standard input and output already belong to another character device; share them with mon:stdio or mux=on"
              .formatted(id));
    }
    terminal = Terminal.on(0);
    terminal.ifPresent(t -> t.makeRaw(spec.signal()));
    FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    output.connect(out::write);
    input.open();
    start("input", this::read);
  }

  private void read() {
    byte[] buffer = new byte[1024];
    FileInputStream in = new FileInputStream(FileDescriptor.in);
    try {
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
        input.put(buffer, 0, n);
      }
    } catch (IOException e) {
      // As at the end of input: the machine goes on without. Who reads the output is still there,
      // a monitor's replies to what came last among it.
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  @Override
  public String describe() {
    return "stdio";
  }

  @Override
  public void close() {
    input.close();
    output.flush(1_000);
    output.close();
    terminal.ifPresent(Terminal::close);
    inUse.set(false);
  }
}
