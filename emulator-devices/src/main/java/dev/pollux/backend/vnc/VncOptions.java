package dev.pollux.backend.vnc;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
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
 */
public record VncOptions(
    List<SocketAddress> addresses, boolean password, Optional<String> secret, Share share) {
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
    vnc.rejectUnknown();
    if (display.equals("none")) {
      return Optional.empty();
    }
    return Optional.of(new VncOptions(addresses(vnc, display, more), password, secret, share));
  }

  private static List<SocketAddress> addresses(DeviceOptions vnc, String display, int last) {
    if (display.startsWith("unix:")) {
      return List.of(UnixDomainSocketAddress.of(Path.of(display.substring(5))));
    }
    int colon = display.lastIndexOf(':');
    int number = -1;
    try {
      number = Integer.parseInt(display.substring(colon + 1));
    } catch (NumberFormatException e) {
      // The same message as for one out of range.
    }
    if (colon < 0 || number < 0 || number > MOST_DISPLAY) {
      throw vnc.error(
          "%s is no display; it looks like :1, localhost:1 or unix:/tmp/vnc".formatted(display));
    }
    String host = display.substring(0, colon).replaceAll("^\\[|\\]$", "");
    try {
      InetAddress address =
          host.isEmpty() ? InetAddress.getByAddress(new byte[4]) : InetAddress.getByName(host);
      return IntStream.rangeClosed(number, Math.max(number, last))
          .<SocketAddress>mapToObj(n -> new InetSocketAddress(address, FIRST_PORT + n))
          .toList();
    } catch (UnknownHostException e) {
      throw new ConfigException("-vnc %s: unknown host".formatted(display), e);
    }
  }
}
