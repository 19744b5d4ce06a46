package dev.pollux.backend.net.wire;

import dev.pollux.backend.chr.CharSpec;
import dev.pollux.backend.chr.CharSpec.SocketTarget;
import dev.pollux.backend.chr.DescriptorBackend;
import dev.pollux.backend.chr.SocketBackend;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetworkListener;
import dev.pollux.backend.net.Networks;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.DatagramDescriptor;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Optional;

/** Reads the options of networks between programs. */
public final class WireTypes {
  private static final String USER = "netdev";
  private static final long MOST_SECONDS = 86_400;

  /** Only the type {@code stream} has events. */
  private static final NetworkListener NO_LISTENER = new NetworkListener() {};

  private static final int MAX_PORT = 65_535;

  private WireTypes() {}

  /** {@code stream,addr.type=inet,addr.host=...,addr.port=...,server=on}. */
  public static NetBackend stream(String id, DeviceOptions o, Networks networks) {
    String kind = o.required("addr.type");
    boolean server = o.bool("server", false);
    if (o.has("reconnect") && o.has("reconnect-ms")) {
      throw o.error("'reconnect' and 'reconnect-ms' are mutually exclusive");
    }
    long seconds = o.number("reconnect", 0, 0, MOST_SECONDS);
    long millis = o.number("reconnect-ms", seconds * 1000, 0, MOST_SECONDS * 1000);
    if (server && millis > 0) {
      throw o.error("'reconnect' option is incompatible with socket in server mode");
    }
    if (kind.equals("fd")) {
      int fd = descriptor(o, "addr.str");
      o.rejectUnknown();
      return new StreamNetwork(
          id, "stream", new DescriptorBackend(USER, id, fd), networks.listener());
    }
    SocketTarget target =
        switch (kind) {
          case "unix" -> new SocketTarget.Unix(o.required("addr.path"));
          case "inet" ->
              new SocketTarget.Inet(
                  o.string("addr.host", ""),
                  (int) o.number("addr.port", 0, 0, MAX_PORT),
                  (int) o.number("addr.to", 0, 0, MAX_PORT),
                  o.bool("addr.ipv4", true),
                  o.bool("addr.ipv6", true));
          default -> throw unknownAddress(o, kind);
        };
    ignore(o, "addr.numeric", "addr.keep-alive", "addr.mptcp", "addr.abstract", "addr.tight");
    o.rejectUnknown();
    CharSpec.Socket spec = new CharSpec.Socket(target, server, false, millis, true);
    return new StreamNetwork(id, "stream", new SocketBackend(USER, id, spec), networks.listener());
  }

  private static ConfigException unknownAddress(DeviceOptions o, String kind) {
    return o.error("addresses of type %s are not supported; give inet, unix or fd".formatted(kind));
  }

  private static void ignore(DeviceOptions o, String... keys) {
    for (String key : keys) {
      o.bool(key, false);
    }
  }

  /** A number; descriptors that were passed by name are not known here. */
  private static int descriptor(DeviceOptions o, String key) {
    o.required(key);
    return (int) o.number(key, -1, 0, Integer.MAX_VALUE);
  }

  /**
   * {@code dgram,remote.type=inet,remote.host=...,remote.port=...,local.type=inet,...}, with paths
   * ({@code unix}) or with a connected socket ({@code fd}) as {@code local} alone.
   */
  public static NetBackend dgram(String id, DeviceOptions o) {
    String local = o.string("local.type", "inet");
    String remote = o.string("remote.type", local);
    return switch (local) {
      case "fd" -> {
        if (o.keys().stream().anyMatch(key -> key.startsWith("remote."))) {
          throw o.error("a socket given by local.type=fd is connected; leave remote out");
        }
        int fd = descriptor(o, "local.str");
        o.rejectUnknown();
        yield datagrams(id, "dgram", fd);
      }
      case "unix" -> {
        if (!remote.equals("unix")) {
          throw o.error("local.type=unix needs remote.type=unix");
        }
        if (!o.has("remote.path")) {
          throw o.error("type=inet or type=unix requires remote parameter");
        }
        yield unix(id, o);
      }
      case "inet" -> {
        if (remote.equals("unix")) {
          throw o.error("dgram requires local= parameter");
        }
        if (!remote.equals("inet")) {
          throw unknownAddress(o, remote);
        }
        yield inet(id, o);
      }
      default -> throw unknownAddress(o, local);
    };
  }

  private static NetBackend unix(String id, DeviceOptions o) {
    String local = o.required("local.path");
    String remote = o.required("remote.path");
    ignore(o, "local.abstract", "local.tight", "remote.abstract", "remote.tight");
    o.rejectUnknown();
    String shown = "unix=%s:%s".formatted(local, remote);
    return DatagramNetwork.open(
        id, "dgram", local, () -> new HostDatagrams(DatagramDescriptor.unix(local, remote), shown));
  }

  private static NetBackend datagrams(String id, String type, int fd) {
    return DatagramNetwork.open(
        id, type, "fd=" + fd, () -> new HostDatagrams(DatagramDescriptor.of(fd), "fd=" + fd));
  }

  private static NetBackend inet(String id, DeviceOptions o) {
    if (!o.has("remote.host")) {
      throw o.error("dgram requires remote= parameter");
    }
    InetSocketAddress remote =
        address(o, o.required("remote.host"), o.number("remote.port", 0, 1, MAX_PORT));
    if (remote.getAddress().isMulticastAddress()) {
      Optional<InetAddress> local = o.string("local.host").map(host -> resolve(o, host));
      o.rejectUnknown();
      return group(id, "dgram", remote, local);
    }
    if (!o.has("local.host")) {
      throw o.error("dgram requires local= parameter");
    }
    InetSocketAddress local =
        address(o, o.required("local.host"), o.number("local.port", 0, 0, MAX_PORT));
    o.rejectUnknown();
    return between(id, "dgram", local, remote);
  }

  private static NetBackend between(
      String id, String type, InetSocketAddress local, InetSocketAddress remote) {
    return DatagramNetwork.open(id, type, local, () -> InetDatagrams.between(local, remote));
  }

  private static NetBackend group(
      String id, String type, InetSocketAddress group, Optional<InetAddress> local) {
    return DatagramNetwork.open(id, type, group, () -> InetDatagrams.group(group, local));
  }

  /** {@code socket} with one of {@code listen=, connect=, mcast=, udp=, fd=}. */
  public static NetBackend socket(String id, DeviceOptions o) {
    List<String> forms =
        List.of("listen", "connect", "mcast", "udp", "fd").stream().filter(o::has).toList();
    if (forms.size() != 1) {
      throw o.error("exactly one of listen=, connect=, mcast=, udp=, and fd= is required");
    }
    String form = forms.getFirst();
    if (o.has("localaddr") && !List.of("mcast", "udp").contains(form)) {
      throw o.error("localaddr= is only valid with mcast= or udp=");
    }
    NetBackend made =
        switch (form) {
          case "listen", "connect" -> tcp(id, o, form);
          case "mcast" -> {
            InetSocketAddress group = hostAndPort(o, form);
            if (!group.getAddress().isMulticastAddress()) {
              throw o.error(
                  "specified mcastaddr %s does not contain a multicast address"
                      .formatted(group.getAddress().getHostAddress()));
            }
            yield group(id, "socket", group, o.string("localaddr").map(host -> resolve(o, host)));
          }
          case "udp" -> {
            if (!o.has("localaddr")) {
              throw o.error("localaddr= is mandatory with udp=");
            }
            yield between(id, "socket", hostAndPort(o, "localaddr"), hostAndPort(o, form));
          }
          default -> inherited(id, o, descriptor(o, form));
        };
    try {
      o.rejectUnknown();
    } catch (ConfigException e) {
      made.close();
      throw e;
    }
    return made;
  }

  /** A socket for datagrams or, as anything else, for a stream. */
  private static NetBackend inherited(String id, DeviceOptions o, int fd) {
    try {
      return DatagramDescriptor.isDatagramSocket(fd)
          ? datagrams(id, "socket", fd)
          : new StreamNetwork(id, "socket", new DescriptorBackend(USER, id, fd), NO_LISTENER);
    } catch (IOException e) {
      throw o.error(e.getMessage());
    }
  }

  private static NetBackend tcp(String id, DeviceOptions o, String form) {
    String text = o.required(form);
    int colon = colon(o, form, text);
    String host = text.substring(0, colon).replaceAll("[\\[\\]]", "");
    SocketTarget target =
        new SocketTarget.Inet(host, port(o, form, text.substring(colon + 1)), 0, true, true);
    CharSpec.Socket spec = new CharSpec.Socket(target, form.equals("listen"), false, 0, true);
    return new StreamNetwork(id, "socket", new SocketBackend(USER, id, spec), NO_LISTENER);
  }

  private static int colon(DeviceOptions o, String key, String text) {
    int colon = text.lastIndexOf(':');
    if (colon < 0) {
      throw o.error("%s=%s has no port; write HOST:PORT".formatted(key, text));
    }
    return colon;
  }

  private static int port(DeviceOptions o, String key, String text) {
    if (!text.matches("[0-9]{1,5}") || Integer.parseInt(text) > MAX_PORT) {
      throw o.error("%s: \"%s\" is no port; give 0 to %d".formatted(key, text, MAX_PORT));
    }
    return Integer.parseInt(text);
  }

  private static InetSocketAddress hostAndPort(DeviceOptions o, String key) {
    String text = o.required(key);
    int colon = colon(o, key, text);
    return address(o, text.substring(0, colon), port(o, key, text.substring(colon + 1)));
  }

  private static InetSocketAddress address(DeviceOptions o, String host, long port) {
    return new InetSocketAddress(resolve(o, host.isEmpty() ? "0.0.0.0" : host), (int) port);
  }

  private static InetAddress resolve(DeviceOptions o, String host) {
    try {
      for (InetAddress address : InetAddress.getAllByName(host)) {
        if (!(address instanceof Inet6Address) || host.contains(":")) {
          return address;
        }
      }
    } catch (IOException e) {
      throw o.error("the host \"%s\" is not known".formatted(host));
    }
    throw o.error("the host \"%s\" has no IPv4 address".formatted(host));
  }

  /** {@code hubport,hubid=0} and perhaps {@code netdev=}. */
  public static NetBackend hubport(
      String id, DeviceOptions o, Networks networks, HubPort.Hubs hubs) {
    o.required("hubid");
    long number = o.number("hubid", 0, 0, Integer.MAX_VALUE);
    Optional<NetBackend> network =
        o.string("netdev")
            .map(
                name ->
                    networks
                        .find(name)
                        .orElseThrow(() -> o.error("netdev '%s' not found".formatted(name))));
    o.rejectUnknown();
    if (network.isPresent() && networks.isTaken(network.get().id())) {
      throw o.error(
          "netdev '%s' has a card already; give each card a netdev of its own"
              .formatted(network.get().id()));
    }
    network.ifPresent(networks::take);
    return new HubPort(id, hubs, number, network);
  }
}
