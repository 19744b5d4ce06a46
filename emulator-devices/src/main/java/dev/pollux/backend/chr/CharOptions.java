package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * A back end to make: its kind, its name and what every kind can have.
 *
 * @param id name by which front ends refer to it
 * @param mux several front ends may share it
 * @param logFile gets a copy of all output; empty for none
 * @param logAppend keeps what is in the log file
 */
public record CharOptions(
    String id, CharSpec spec, boolean mux, String logFile, boolean logAppend) {
  private static final Pattern ID = Pattern.compile("[A-Za-z][-A-Za-z0-9._]*");
  private static final int DEFAULT_RING = 64 * 1024;
  private static final long MAX_RECONNECT_SECONDS = 24 * 60 * 60;

  /** Kinds by the names {@code -chardev} has for them. */
  private static final Map<String, Function<DeviceOptions, CharSpec>> KINDS =
      new TreeMap<>(
          Map.of(
              "null", o -> new CharSpec.Null("null"),
              "vc", CharOptions::virtualConsole,
              "stdio", o -> new CharSpec.Stdio(o.bool("signal", true)),
              "file", CharOptions::file,
              "pty", o -> new CharSpec.Pty(o.string("path", "")),
              "pipe", o -> new CharSpec.Pipe(o.required("path")),
              "ringbuf", CharOptions::ringBuffer,
              "memory", CharOptions::ringBuffer,
              "socket", CharOptions::socket));

  /** Kinds that others have and this emulator has not. */
  private static final List<String> ELSEWHERE =
      List.of(
          "udp",
          "serial",
          "tty",
          "parallel",
          "parport",
          "msmouse",
          "wctablet",
          "braille",
          "console",
          "testdev",
          "hub",
          "spicevmc",
          "spiceport",
          "qemu-vdagent",
          "dbus",
          "telnet",
          "tn3270",
          "websocket",
          "fdset",
          "con");

  public CharOptions(String id, CharSpec spec) {
    this(id, spec, false, "", false);
  }

  /** The names {@code -chardev} takes. */
  public static List<String> kinds() {
    return List.copyOf(KINDS.keySet());
  }

  /**
   * Parses the argument of {@code -chardev}: {@code socket,id=mon,path=/tmp/m,server=on,wait=off}.
   *
   * @throws ConfigException with one line for the user
   */
  public static CharOptions parse(String text) {
    DeviceOptions options = DeviceOptions.parse("-chardev", text, "backend");
    return of(options, options.required("backend"), checkId(options.required("id")));
  }

  /**
   * Checks an id that a user gives.
   *
   * @throws ConfigException if it is none
   */
  public static String checkId(String id) {
    if (!ID.matcher(id).matches()) {
      throw new ConfigException(
          "Parameter 'id' expects an identifier: a letter, then letters, digits, '-', '.', '_'");
    }
    return id;
  }

  /** Reads the properties of a back end of the given kind; complains about what is left. */
  public static CharOptions of(DeviceOptions options, String kind, String id) {
    Function<DeviceOptions, CharSpec> parser = KINDS.get(kind);
    if (parser == null) {
      throw options.error(unknown(kind));
    }
    CharOptions result =
        new CharOptions(
            id,
            parser.apply(options),
            options.bool("mux", false),
            options.string("logfile", ""),
            options.bool("logappend", false));
    options.rejectUnknown();
    return result;
  }

  private static String unknown(String kind) {
    return ELSEWHERE.contains(kind)
        ? "character devices of kind \"%s\" are not supported; known: %s"
            .formatted(kind, String.join(", ", KINDS.keySet()))
        : "unknown kind of character device \"%s\"; %s"
            .formatted(kind, Suggestions.hint(kind, KINDS.keySet()));
  }

  private static CharSpec virtualConsole(DeviceOptions o) {
    for (String size : List.of("width", "height", "cols", "rows")) {
      o.number(size, 0, 1, 1 << 16);
    }
    return new CharSpec.Null("vc");
  }

  private static CharSpec file(DeviceOptions o) {
    return new CharSpec.File(
        o.required("path"), o.bool("append", false), o.string("input-path", ""));
  }

  private static CharSpec ringBuffer(DeviceOptions o) {
    long size = o.size("size", DEFAULT_RING, 'B');
    if (size < 1 || size > 1 << 30 || Long.bitCount(size) != 1) {
      throw o.error("size %d does not do; give a power of two up to 1G".formatted(size));
    }
    return new CharSpec.RingBuf((int) size);
  }

  private static CharSpec socket(DeviceOptions o) {
    rejectElsewhere(o);
    CharSpec.SocketTarget target;
    if (o.has("path")) {
      if (o.has("host") || o.has("port")) {
        throw o.error("a socket has either a path or a host and a port");
      }
      target = new CharSpec.SocketTarget.Unix(o.required("path"));
    } else if (o.has("port")) {
      target = inet(o);
    } else {
      throw o.error(
          "a socket needs a path (unix) or a port (tcp); add path=FILE or"
              + " host=ADDRESS,port=NUMBER");
    }
    boolean server = o.bool("server", false);
    boolean wait = o.has("nowait") ? !o.bool("nowait", true) : o.bool("wait", server);
    long seconds = o.number("reconnect", 0, 0, MAX_RECONNECT_SECONDS);
    long millis = o.number("reconnect-ms", seconds * 1000, 0, MAX_RECONNECT_SECONDS * 1000);
    if (server && millis > 0) {
      throw o.error("a server does not reconnect; leave reconnect out or set server=off");
    }
    if (!server && wait) {
      throw o.error("only a server waits for its client; leave wait out or add server=on");
    }
    boolean noDelay = o.has("nodelay") ? o.bool("nodelay", true) : !o.bool("delay", true);
    return new CharSpec.Socket(target, server, wait, millis, noDelay);
  }

  private static void rejectElsewhere(DeviceOptions o) {
    for (String mode : List.of("telnet", "tn3270", "websocket", "abstract")) {
      if (o.bool(mode, false)) {
        throw o.error(mode + " sockets are not supported; leave " + mode + " out");
      }
    }
    o.bool("tight", true);
    for (String property : List.of("tls-creds", "tls-authz", "fd")) {
      if (o.has(property)) {
        throw o.error(
            property + " is not supported for sockets; give a path, or a host and a port");
      }
    }
  }

  private static CharSpec.SocketTarget inet(DeviceOptions o) {
    int port = (int) o.number("port", 0, 0, 65535);
    int to = (int) o.number("to", 0, port, 65535);
    boolean v4 = o.bool("ipv4", !o.bool("ipv6", false) || o.has("ipv4"));
    boolean v6 = o.bool("ipv6", !v4 || !o.has("ipv4"));
    if (!v4 && !v6) {
      throw o.error("ipv4 and ipv6 cannot both be off");
    }
    return new CharSpec.SocketTarget.Inet(o.string("host", ""), port, to, v4, v6);
  }
}
