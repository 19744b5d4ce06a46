package dev.pollux.backend.vnc;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.input.Console;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What {@code -vnc} says.
 *
 * @param addresses to listen at, the first that is free; an internet address or a socket file
 * @param password whether viewers have to know one
 * @param secret the object with the password; empty where a monitor sets it
 * @param share who may look on at once
 * @param web where browsers are listened for too, by WebSockets
 * @param console what is shown; empty for the first screen
 */
public record VncOptions(
    List<SocketAddress> addresses,
    boolean password,
    Optional<String> secret,
    Share share,
    Optional<Web> web,
    Optional<Console> console) {
  /**
   * Where browsers come in.
   *
   * @param fixed the port; 0 where it follows from the display's number
   */
  public record Web(String host, int fixed) {
    int port(SocketAddress vnc) {
      return fixed > 0 || !(vnc instanceof InetSocketAddress inet)
          ? fixed
          : inet.getPort() - FIRST_PORT + FIRST_WEB_PORT;
    }
  }

  /** Who may look on at once. */
  public enum Share {
    /** A viewer may ask to be alone. */
    ALLOW_EXCLUSIVE,
    /** All together. */
    FORCE_SHARED,
    /** All together, whatever they ask for. */
    IGNORE
  }

  private static final int FIRST_PORT = 5900;
  private static final int FIRST_WEB_PORT = 5700;
  private static final int MOST_DISPLAY = 65535 - FIRST_PORT;

  /** Reads the argument; empty for {@code none}. */
  public static Optional<VncOptions> parse(String text) {
    DeviceOptions vnc = DeviceOptions.parse("-vnc", text, "vnc");
    String display = vnc.required("vnc");
    int more = (int) vnc.number("to", 0, 0, MOST_DISPLAY);
    Optional<String> secret = vnc.string("password-secret");
    boolean password = vnc.bool("password", false) || secret.isPresent();
    Share share =
        vnc.choice(
            "share",
            Share.ALLOW_EXCLUSIVE,
            Map.of(
                "allow-exclusive", Share.ALLOW_EXCLUSIVE,
                "force-shared", Share.FORCE_SHARED,
                "ignore", Share.IGNORE));
    vnc.bool("lossy", false); // never
    vnc.bool("non-adaptive", false);
    String websocket = vnc.string("websocket", "off");
    Optional<String> device = vnc.string("display");
    int head = (int) vnc.number("head", 0, 0, Integer.MAX_VALUE);
    vnc.rejectUnknown();
    if (display.equals("none")) {
      return Optional.empty();
    }
    return Optional.of(
        new VncOptions(
            addresses(vnc, display, more),
            password,
            secret,
            share,
            web(vnc, display, websocket),
            device.map(id -> new Console(id, head))));
  }

  /** Where browsers are to come in: {@code on}, {@code PORT} or {@code HOST:PORT}. */
  private static Optional<Web> web(DeviceOptions vnc, String display, String text) {
    if (text.equals("off")) {
      return Optional.empty();
    }
    boolean ofFile = display.startsWith("unix:");
    String host = ofFile ? "127.0.0.1" : host(display);
    if (text.equals("on") && !ofFile) {
      return Optional.of(new Web(host, 0));
    }
    int port = number(text.substring(text.lastIndexOf(':') + 1));
    if (port < 1 || port > 65535) {
      throw vnc.error(
          "websocket=%s: give on (port 5700 and the display's number), off, PORT or HOST:PORT%s"
              .formatted(text, ofFile ? "; a socket file has no number, so give a port" : ""));
    }
    return Optional.of(new Web(text.contains(":") ? host(text) : host, port));
  }

  private static int number(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      return -1; // the same message as for one out of range
    }
  }

  /** What stands before the last colon; any address where it is nothing. */
  private static String host(String text) {
    String host = text.substring(0, Math.max(0, text.lastIndexOf(':')));
    return host.isEmpty() ? "0.0.0.0" : host.replaceAll("^\\[|\\]$", "");
  }

  private static List<SocketAddress> addresses(DeviceOptions vnc, String display, int last) {
    if (display.startsWith("unix:")) {
      return List.of(UnixDomainSocketAddress.of(Path.of(display.substring(5))));
    }
    int colon = display.lastIndexOf(':');
    int number = number(display.substring(colon + 1));
    if (colon < 0 || number < 0 || number > MOST_DISPLAY) {
      throw vnc.error(
          "%s is no display; it looks like :1, localhost:1 or unix:/tmp/vnc".formatted(display));
    }
    try {
      InetAddress address = InetAddress.getByName(host(display));
      return IntStream.rangeClosed(number, Math.max(number, last))
          .<SocketAddress>mapToObj(n -> new InetSocketAddress(address, FIRST_PORT + n))
          .toList();
    } catch (UnknownHostException e) {
      throw new ConfigException("-vnc %s: unknown host".formatted(display), e);
    }
  }
}
