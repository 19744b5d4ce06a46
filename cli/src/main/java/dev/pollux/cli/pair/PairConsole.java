package dev.pollux.cli.pair;

import dev.pollux.cli.pair.watch.PairWatcher;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.core.host.Terminal;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.IntConsumer;

/**
 * The guest's console, whichever side is the primary: what that side prints goes out, what is typed
 * goes to it.
 *
 * <p>The other side prints the same, a little earlier or later, and does so from the last
 * checkpoint on. That is kept, because it is what follows when the other side becomes the primary;
 * of it, what has gone out already is left out then. Any thread.
 */
public final class PairConsole implements AutoCloseable {
  private static final int ESCAPE = 1; // Ctrl-A
  private static final int MOST_OFFERED = 64;
  private static final long PAUSE_MILLIS = 100;

  /** A guest that has said nothing for so long is in no control sequence of the terminal's. */
  private static final long QUIET_NANOS = 300_000_000;

  private final Optional<Terminal> terminal;
  private final Optional<ServerSocketChannel> server;
  private final List<PairWatcher> watchers;

  /** What is to be typed for others than this console's own user. */
  private final BlockingQueue<byte[]> offered = new ArrayBlockingQueue<>(MOST_OFFERED);

  private final IntConsumer onKey;

  // Guarded by this.
  private Optional<Outlet> output = Optional.empty();
  private Optional<SocketChannel> guest = Optional.empty();

  /** The output is a terminal's whose window may have a title. */
  private final boolean titled;

  private boolean betweenLines = true;
  private long printedAt;

  /** What the primary has printed since its last checkpoint. */
  private final RecentOutput shown = new RecentOutput();

  /** What the other side has printed since its last checkpoint. */
  private final RecentOutput kept = new RecentOutput();

  /** The last key was Ctrl-A; the input thread's. */
  private boolean escaped;

  /**
   * @param onKey hears the key after Ctrl-A, where the console is a terminal's or a pipe's
   * @param watchers are told what is printed
   */
  public PairConsole(PairOptions.Console where, IntConsumer onKey, List<PairWatcher> watchers)
      throws IOException {
    this.watchers = List.copyOf(watchers);
    this.onKey = onKey;
    switch (where) {
      case PairOptions.Console.Stdio _ -> {
        server = Optional.empty();
        terminal = Terminal.on(0);
        terminal.ifPresent(t -> t.makeRaw(false));
        titled = Terminal.on(1).isPresent() && hasTitles(System.getenv("TERM"));
        output = Optional.of(outlet(new FileOutputStream(FileDescriptor.out)));
        var _ = thread("console input", () -> readKeys(new FileInputStream(FileDescriptor.in)));
      }
      case PairOptions.Console.Socket(Path path) -> {
        terminal = Optional.empty();
        titled = false;
        Files.deleteIfExists(path);
        ServerSocketChannel listening = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listening.bind(UnixDomainSocketAddress.of(path));
        server = Optional.of(listening);
        var _ = thread("console clients", () -> serve(listening));
      }
      case PairOptions.Console.None _ -> {
        terminal = Optional.empty();
        titled = false;
        server = Optional.empty();
      }
    }
    if (!watchers.isEmpty()) {
      var _ = thread("console offers", this::typeOffered);
    }
  }

  private static Thread thread(String name, Body body) {
    return Thread.ofPlatform()
        .name(name)
        .daemon(true)
        .start(
            () -> {
              try {
                body.run();
              } catch (IOException e) {
                // That end of the console is gone; the guest goes on without.
              }
            });
  }

  private interface Body {
    void run() throws IOException;
  }

  private void serve(ServerSocketChannel listening) throws IOException {
    while (listening.isOpen()) {
      try (SocketChannel client = accept(listening)) {
        synchronized (this) {
          output = Optional.of(outlet(Channels.newOutputStream(client)));
        }
        byte[] buffer = new byte[1024];
        InputStream in = Channels.newInputStream(client);
        for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
          type(buffer, n);
        }
      } catch (IOException e) {
        // A client that left; the next one may come.
      } finally {
        forgetReader();
      }
    }
  }

  /** Where no descriptors are left there may be some again soon. */
  private static SocketChannel accept(ServerSocketChannel listening) throws IOException {
    try {
      return listening.accept();
    } catch (IOException e) {
      MachineProcess.pause(PAUSE_MILLIS);
      throw e;
    }
  }

  /** Who looks at the console and stops reading keeps neither the guest nor the pair waiting. */
  private static Outlet outlet(OutputStream to) {
    return new Outlet(
        "console reader", to, "%n[pollux: %d bytes of the console were not read]%n"::formatted);
  }

  private void forgetReader() {
    Optional<Outlet> last;
    synchronized (this) {
      last = output;
      output = Optional.empty();
    }
    last.ifPresent(Outlet::close);
  }

  /** From now on the console is this side's; the connection stays the caller's. */
  public synchronized void follow(SocketChannel side) {
    guest = Optional.of(side);
    byte[] missing = kept.beyond(shown);
    watchers.forEach(PairWatcher::switched);
    kept.clear();
    shown.clear();
    print(missing, missing.length);
  }

  /** A side has come to a checkpoint. */
  public synchronized void checkpoint(SocketChannel side) {
    (guest.filter(side::equals).isPresent() ? shown : kept).clear();
  }

  /**
   * Passes on what a side prints, until it ends.
   *
   * @return the thread that does so; it ends when the last of it has been passed on
   */
  Thread listenTo(SocketChannel side) {
    return thread(
        "console output",
        () -> {
          byte[] buffer = new byte[4096];
          InputStream in = Channels.newInputStream(side);
          for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
            show(side, buffer, n);
          }
        });
  }

  private synchronized void show(SocketChannel side, byte[] bytes, int length) {
    if (guest.filter(side::equals).isPresent()) {
      shown.add(bytes, length);
      print(bytes, length);
    } else {
      kept.add(bytes, length);
      watchers.forEach(watcher -> watcher.printed(false, bytes, length));
    }
  }

  private static boolean hasTitles(String terminal) {
    return terminal != null && !terminal.equals("dumb") && !terminal.equals("linux");
  }

  /**
   * Says this in the title of the terminal's window, where there is one and the guest is not in the
   * middle of a line.
   */
  public synchronized void title(String text) {
    if (titled && (betweenLines || System.nanoTime() - printedAt > QUIET_NANOS)) {
      byte[] sequence = ("\033]0;" + text + "\007").getBytes(StandardCharsets.UTF_8);
      write(sequence, sequence.length);
    }
  }

  private void print(byte[] bytes, int length) {
    if (length > 0) {
      betweenLines = bytes[length - 1] == '\n';
      printedAt = System.nanoTime();
      watchers.forEach(watcher -> watcher.printed(true, bytes, length));
      write(bytes, length);
    }
  }

  private void write(byte[] bytes, int length) {
    output.ifPresent(reader -> reader.write(bytes, 0, length));
  }

  /**
   * Types without waiting for the guest.
   *
   * @return whether there was room
   */
  public boolean offer(byte[] keys) {
    return offered.offer(keys);
  }

  private void typeOffered() throws IOException {
    try {
      while (true) {
        byte[] keys = offered.take();
        type(keys, keys.length);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void readKeys(InputStream in) throws IOException {
    byte[] buffer = new byte[1024];
    for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
      byte[] keys = new byte[n];
      int length = 0;
      for (int i = 0; i < n; i++) {
        if (escaped && buffer[i] != ESCAPE) {
          onKey.accept(buffer[i]);
          escaped = false;
        } else if (!escaped && buffer[i] == ESCAPE) {
          escaped = true;
        } else {
          escaped = false;
          keys[length++] = buffer[i];
        }
      }
      type(keys, length);
    }
  }

  private void type(byte[] keys, int length) throws IOException {
    Optional<SocketChannel> to;
    synchronized (this) {
      to = guest;
    }
    if (to.isPresent() && length > 0) {
      try {
        Channels.newOutputStream(to.get()).write(keys, 0, length);
      } catch (IOException e) {
        // The side has died in between; what is typed now is lost as on a line that was cut.
      }
    }
  }

  @Override
  public void close() throws IOException {
    forgetReader();
    terminal.ifPresent(Terminal::close);
    if (server.isPresent()) {
      server.get().close();
    }
  }
}
