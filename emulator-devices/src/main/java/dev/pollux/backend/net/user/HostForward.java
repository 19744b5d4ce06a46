package dev.pollux.backend.net.user;

import dev.pollux.core.config.DeviceOptions;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A port of the host that leads into the guest: {@code tcp:127.0.0.1:8080-10.0.2.15:80}.
 *
 * @param udp UDP, otherwise TCP
 * @param host where the host listens; without an address all of them, as QEMU does
 * @param guest the guest's address; empty for the first that DHCP gives
 * @param guestPort 1 to 65535
 */
record HostForward(boolean udp, InetSocketAddress host, Optional<Ip> guest, int guestPort) {
  private static final Pattern FORM =
      Pattern.compile(
          "(?:(tcp|udp):)?(\\[[0-9a-fA-F:.]*]|[0-9.]*):([0-9]{1,5})"
              + "-(\\[[0-9a-fA-F:.]*]|[0-9.]*):([0-9]{1,5})");

  /** Reads the text of {@code hostfwd=} and {@code hostfwd_add}. */
  static HostForward parse(DeviceOptions o, String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw o.error(
          "Invalid host forwarding rule '%s'; they look like tcp:127.0.0.1:8080-:80"
              .formatted(text));
    }
    int hostPort = Integer.parseInt(form.group(3));
    int guestPort = Integer.parseInt(form.group(5));
    if (hostPort > 65535 || guestPort < 1 || guestPort > 65535) {
      throw o.error("Invalid host forwarding rule '%s': ports go up to 65535".formatted(text));
    }
    Optional<InetAddress> host = address(o, text, form.group(2));
    return new HostForward(
        "udp".equals(form.group(1)),
        host.map(a -> new InetSocketAddress(a, hostPort))
            .orElseGet(() -> new InetSocketAddress(hostPort)),
        address(o, text, form.group(4)).map(Ip::of),
        guestPort);
  }

  private static Optional<InetAddress> address(DeviceOptions o, String rule, String text) {
    String bare = text.replaceAll("[\\[\\]]", "");
    if (bare.isEmpty()) {
      return Optional.empty();
    }
    try {
      // Only digits, dots and colons: nothing is looked up.
      if (bare.contains(":") || bare.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}")) {
        return Optional.of(InetAddress.getByName(bare));
      }
    } catch (UnknownHostException e) {
      // Said below.
    }
    throw o.error("Invalid host forwarding rule '%s': \"%s\" is no address".formatted(rule, bare));
  }

  /** Whether {@code hostfwd_remove} with the same host part means this one. */
  boolean sameHost(HostForward other) {
    return udp == other.udp && host.equals(other.host);
  }
}
