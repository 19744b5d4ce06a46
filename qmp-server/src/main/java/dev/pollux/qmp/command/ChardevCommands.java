package dev.pollux.qmp.command;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharDevices.CharInfo;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.chr.CharSpec;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.protocol.QmpException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Commands on character devices. */
public sealed interface ChardevCommands<R> extends QmpCommand<R> {
  /** One character device. */
  record ChardevInfo(
      @Api.Doc("its name") String label,
      @Api.Doc("what it is connected to") String filename,
      @Api.Doc("whether a device or monitor uses it") boolean frontendOpen) {}

  @Api.Doc("The character devices.")
  record QueryChardev() implements ChardevCommands<List<ChardevInfo>> {
    @Override
    public List<ChardevInfo> run(QmpContext context) {
      return context.charDevices().list().stream()
          .map(row -> new ChardevInfo(row.label(), row.filename(), row.frontEndOpen()))
          .toList();
    }
  }

  /** Kinds of character devices. */
  enum ChardevBackendKind {
    FILE,
    SOCKET,
    PTY,
    PIPE,
    NULL,
    STDIO,
    VC,
    RINGBUF
  }

  /** Families of socket addresses. */
  enum SocketAddressType {
    INET,
    UNIX
  }

  /** An address in the internet. */
  record InetSocketAddress(
      String host,
      @Api.Doc("a number") String port,
      @Api.Doc("a server tries the ports up to this one") @Api.Unsigned(bits = 16)
          Optional<Long> to,
      Optional<Boolean> ipv4,
      Optional<Boolean> ipv6) {}

  /** A socket file. */
  record UnixSocketAddress(String path) {}

  /** Where a socket listens or connects. */
  @Api.Union(values = SocketAddressType.class)
  sealed interface SocketAddressLegacy {
    record Inet(InetSocketAddress data) implements SocketAddressLegacy {}

    record Unix(UnixSocketAddress data) implements SocketAddressLegacy {}
  }

  /** What every kind can have. */
  record ChardevCommon(
      @Api.Doc("gets a copy of the output") Optional<String> logfile,
      Optional<Boolean> logappend) {}

  record ChardevFile(
      Optional<String> logfile,
      Optional<Boolean> logappend,
      @Api.Name("in") @Api.Doc("read once as input") Optional<String> input,
      @Api.Doc("file for the output") String out,
      Optional<Boolean> append) {}

  record ChardevSocket(
      Optional<String> logfile,
      Optional<Boolean> logappend,
      SocketAddressLegacy addr,
      @Api.Doc("listens, the default, instead of connecting") Optional<Boolean> server,
      @Api.Name("wait") @Api.Doc("waits for a client before it returns")
          Optional<Boolean> waitForClient,
      @Api.Name("nodelay") Optional<Boolean> noDelay,
      @Api.Doc("seconds until a lost connection is tried again; 0 never") Optional<Long> reconnect,
      @Api.Doc("the same in milliseconds") Optional<Long> reconnectMs) {}

  record ChardevPty(
      Optional<String> logfile,
      Optional<Boolean> logappend,
      @Api.Doc("a symbolic link to make to it") Optional<String> path) {}

  record ChardevHostdev(Optional<String> logfile, Optional<Boolean> logappend, String device) {}

  record ChardevStdio(
      Optional<String> logfile, Optional<Boolean> logappend, Optional<Boolean> signal) {}

  record ChardevRingbuf(
      Optional<String> logfile,
      Optional<Boolean> logappend,
      @Api.Doc("bytes, a power of two; 65536 by default") Optional<Long> size) {}

  /** A back end to make. */
  @Api.Union(values = ChardevBackendKind.class)
  sealed interface ChardevBackend {
    record File(ChardevFile data) implements ChardevBackend {}

    record Socket(ChardevSocket data) implements ChardevBackend {}

    record Pty(ChardevPty data) implements ChardevBackend {}

    record Pipe(ChardevHostdev data) implements ChardevBackend {}

    record Null(ChardevCommon data) implements ChardevBackend {}

    record Stdio(ChardevStdio data) implements ChardevBackend {}

    record Vc(ChardevCommon data) implements ChardevBackend {}

    record Ringbuf(ChardevRingbuf data) implements ChardevBackend {}
  }

  /** What came of a new character device. */
  record ChardevReturn(@Api.Doc("the slave's path") Optional<String> pty) {}

  @Api.Doc("Makes a character device.")
  record ChardevAdd(String id, ChardevBackend backend)
      implements ChardevCommands<CompletableFuture<ChardevReturn>> {
    private static final int DEFAULT_RING = 64 << 10;
    private static final int MOST_RING = 1 << 30;
    private static final int MAX_PORT = 65535;

    @Override
    public CompletableFuture<ChardevReturn> run(QmpContext context) throws QmpException {
      CharOptions.checkId(id);
      if (find(context, id).isPresent()) {
        throw new QmpException("Chardev with id '" + id + "' already exists");
      }
      CharOptions options = options();
      // To ask a name server and to connect may take long.
      return Background.run("chardev-add", () -> make(context, options));
    }

    private ChardevReturn make(QmpContext context, CharOptions options) throws QmpException {
      try {
        CharBackend made = context.charDevices().add(options);
        return new ChardevReturn(
            backend instanceof ChardevBackend.Pty
                ? Optional.of(made.describe().replaceFirst("^pty:", ""))
                : Optional.empty());
      } catch (ConfigException e) {
        throw new QmpException("Failed to add chardev '" + id + "': " + e.getMessage());
      }
    }

    private CharOptions options() throws QmpException {
      return switch (backend) {
        case ChardevBackend.File(ChardevFile file) ->
            make(
                new CharSpec.File(file.out(), file.append().orElse(false), file.input().orElse("")),
                file.logfile(),
                file.logappend());
        case ChardevBackend.Socket(ChardevSocket socket) ->
            make(socket(socket), socket.logfile(), socket.logappend());
        case ChardevBackend.Pty(ChardevPty pty) ->
            make(new CharSpec.Pty(pty.path().orElse("")), pty.logfile(), pty.logappend());
        case ChardevBackend.Pipe(ChardevHostdev pipe) ->
            make(new CharSpec.Pipe(pipe.device()), pipe.logfile(), pipe.logappend());
        case ChardevBackend.Null(ChardevCommon common) ->
            make(new CharSpec.Null("null"), common.logfile(), common.logappend());
        case ChardevBackend.Vc(ChardevCommon common) ->
            make(new CharSpec.Null("vc"), common.logfile(), common.logappend());
        case ChardevBackend.Stdio(ChardevStdio stdio) ->
            make(
                new CharSpec.Stdio(stdio.signal().orElse(true)),
                stdio.logfile(),
                stdio.logappend());
        case ChardevBackend.Ringbuf(ChardevRingbuf ring) ->
            make(new CharSpec.RingBuf(ringSize(ring.size())), ring.logfile(), ring.logappend());
      };
    }

    private CharOptions make(CharSpec spec, Optional<String> logFile, Optional<Boolean> append) {
      return new CharOptions(id, spec, false, logFile.orElse(""), append.orElse(false));
    }

    private static int ringSize(Optional<Long> size) throws QmpException {
      long bytes = size.orElse((long) DEFAULT_RING);
      if (bytes < 1 || bytes > MOST_RING || Long.bitCount(bytes) != 1) {
        throw new QmpException("size of ringbuf chardev must be power of two");
      }
      return (int) bytes;
    }

    private static CharSpec socket(ChardevSocket socket) throws QmpException {
      boolean server = socket.server().orElse(true);
      long millis = socket.reconnectMs().orElse(socket.reconnect().orElse(0L) * 1000);
      if (socket.reconnect().isPresent() && socket.reconnectMs().isPresent()) {
        throw new QmpException("'reconnect' and 'reconnect-ms' are mutually exclusive");
      }
      if (millis < 0 || (server && millis > 0)) {
        throw new QmpException(
            "'reconnect' option is incompatible with socket in server listen mode");
      }
      if (!server && socket.waitForClient().orElse(false)) {
        throw new QmpException("'wait' option is incompatible with socket in client connect mode");
      }
      if (socket.waitForClient().orElse(false)) {
        throw new QmpException(
            "the machine would stand still until a client comes; leave 'wait' out");
      }
      return new CharSpec.Socket(
          target(socket.addr()), server, false, millis, socket.noDelay().orElse(false));
    }

    private static CharSpec.SocketTarget target(SocketAddressLegacy address) throws QmpException {
      return switch (address) {
        case SocketAddressLegacy.Unix(UnixSocketAddress file) ->
            new CharSpec.SocketTarget.Unix(file.path());
        case SocketAddressLegacy.Inet(InetSocketAddress inet) -> {
          boolean v4 = inet.ipv4().orElse(!inet.ipv6().orElse(false));
          boolean v6 = inet.ipv6().orElse(!inet.ipv4().orElse(false));
          yield new CharSpec.SocketTarget.Inet(
              inet.host(), port(inet.port()), inet.to().orElse(0L).intValue(), v4, v6);
        }
      };
    }

    private static int port(String text) throws QmpException {
      try {
        int port = Integer.parseInt(text);
        if (port >= 0 && port <= MAX_PORT) {
          return port;
        }
      } catch (NumberFormatException e) {
        // The same answer as for a number that is no port.
      }
      throw new QmpException("port '" + text + "' is not a number from 0 to " + MAX_PORT);
    }
  }

  @Api.Doc("Removes a character device that nothing uses.")
  record ChardevRemove(String id) implements ChardevCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) throws QmpException {
      CharInfo found =
          find(context, id).orElseThrow(() -> new QmpException("Chardev '" + id + "' not found"));
      if (found.frontEndOpen()) {
        throw new QmpException("Chardev '" + id + "' is busy");
      }
      // What was written last has a moment to arrive.
      return Background.run(
          "chardev-remove",
          () -> {
            remove(context);
            return null;
          });
    }

    private void remove(QmpContext context) throws QmpException {
      try {
        context.charDevices().remove(id);
      } catch (ConfigException e) {
        throw new QmpException(e.getMessage());
      }
    }
  }

  private static Optional<CharInfo> find(QmpContext context, String id) {
    return context.charDevices().list().stream().filter(row -> row.label().equals(id)).findFirst();
  }
}
