package dev.pollux.backend.net.user;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What {@code -netdev user} was told: the addresses and services of the guest's network. Names and
 * defaults are QEMU's.
 *
 * @param v4 the IPv4 network; empty where it is switched off
 * @param v6 the IPv6 network; empty where it is switched off
 * @param restricted nothing leaves but what forwards allow
 * @param hostname what DHCP calls the guest
 * @param domain the domain that DHCP tells
 * @param searchDomains what DHCP and router advertisements tell to look names up in
 * @param tftpRoot the folder whose files TFTP gives away
 * @param tftpServer the TFTP server's name that DHCP tells
 * @param bootFile the file to boot that DHCP tells
 */
record UserConfig(
    Optional<Network> v4,
    Optional<Network> v6,
    boolean restricted,
    String hostname,
    String domain,
    List<String> searchDomains,
    Optional<Path> tftpRoot,
    String tftpServer,
    String bootFile,
    List<HostForward> hostForwards,
    List<GuestForward> guestForwards) {

  /**
   * A network and the addresses with a meaning in it.
   *
   * @param address any of its addresses, {@code prefix} the bits of its number
   * @param host the router, which stands for the emulator's own host
   * @param dns the name server
   * @param firstGuest what DHCP gives first
   */
  record Network(Ip address, int prefix, Ip host, Ip dns, Ip firstGuest) {
    boolean contains(Ip other) {
      return address.sameNetwork(other, prefix);
    }
  }

  /** Reads the properties; complains about what is left over. */
  static UserConfig of(DeviceOptions o) {
    boolean v4 = o.bool("ipv4", !o.has("ipv6") || o.has("ipv4") || !o.bool("ipv6", true));
    boolean v6 = o.bool("ipv6", !o.has("ipv4") || !o.bool("ipv4", true));
    if (!v4 && !v6) {
      throw o.error("ipv4 and ipv6 cannot both be off");
    }
    for (String absent : List.of("smb", "smbserver")) {
      if (o.has(absent)) {
        throw o.error(absent + " is not supported; share a folder with tftp= or a 9p device");
      }
    }
    UserConfig config =
        new UserConfig(
            v4 ? Optional.of(ipv4(o)) : unused(o, "net", "host", "dns", "dhcpstart"),
            v6 ? Optional.of(ipv6(o)) : unused(o, "ipv6-prefix", "ipv6-net", "ipv6-host"),
            o.bool("restrict", false),
            o.string("hostname", ""),
            o.string("domainname", ""),
            o.list("dnssearch"),
            o.string("tftp").map(folder -> folder(o, folder)),
            o.string("tftp-server-name", ""),
            o.string("bootfile", ""),
            o.list("hostfwd").stream().map(text -> HostForward.parse(o, text)).toList(),
            o.list("guestfwd").stream().map(text -> GuestForward.parse(o, text)).toList());
    o.rejectUnknown();
    return config;
  }

  private static Optional<Network> unused(DeviceOptions o, String... keys) {
    for (String key : keys) {
      if (o.has(key)) {
        throw o.error(key + " means nothing here: its IP version is switched off");
      }
    }
    return Optional.empty();
  }

  private static Network ipv4(DeviceOptions o) {
    String text = o.string("net", "10.0.2.0/24");
    int slash = text.indexOf('/');
    Ip net = address(o, "net", slash < 0 ? text : text.substring(0, slash), true);
    int prefix = slash < 0 ? classPrefix(net) : prefix(o, text.substring(slash + 1));
    if (prefix < 4 || prefix > 29) {
      throw o.error("net=%s has no room for a network; prefixes are 4 to 29".formatted(text));
    }
    net = net.withHost(prefix, 0);
    Network network =
        new Network(
            net,
            prefix,
            inside(o, "host", net, prefix, 2),
            inside(o, "dns", net, prefix, 3),
            inside(o, "dhcpstart", net, prefix, prefix > 27 ? 4 : 15));
    if (network.host().equals(network.dns()) || network.host().equals(network.firstGuest())) {
      throw o.error("host, dns and dhcpstart need addresses of their own");
    }
    return network;
  }

  /** The prefix of an address without one: that of its class. */
  private static int classPrefix(Ip net) {
    int top = net.v4() >>> 24;
    return top < 128 ? 8 : top < 192 ? 16 : 24;
  }

  /** A prefix as a number of bits or as a mask. */
  private static int prefix(DeviceOptions o, String text) {
    if (text.contains(".")) {
      int mask = address(o, "net", text, true).v4();
      int bits = Integer.bitCount(mask);
      if (mask == (bits == 0 ? 0 : -1 << (32 - bits))) {
        return bits;
      }
    } else if (text.matches("[0-9]{1,2}")) {
      return Integer.parseInt(text);
    }
    throw o.error("net: \"%s\" is no prefix; give bits (24) or a mask".formatted(text));
  }

  private static Ip inside(DeviceOptions o, String key, Ip net, int prefix, int otherwise) {
    Optional<String> text = o.string(key);
    if (text.isEmpty()) {
      return net.withHost(prefix, otherwise);
    }
    Ip address = address(o, key, text.get(), true);
    if (!net.sameNetwork(address, prefix)) {
      throw o.error("%s=%s lies outside %s/%d".formatted(key, text.get(), net, prefix));
    }
    return address;
  }

  private static Network ipv6(DeviceOptions o) {
    String name = o.has("ipv6-net") ? "ipv6-net" : "ipv6-prefix";
    String text = o.string(name, "fec0::");
    int slash = text.indexOf('/');
    int length =
        slash >= 0
            ? Integer.parseInt(text.substring(slash + 1).replaceAll("[^0-9]|^$", "0"))
            : (int) o.number("ipv6-prefixlen", 64, 0, 126);
    if (length > 64) {
      throw o.error(
          "prefix of %d bits: guests choose their own address only where it has up to 64"
              .formatted(length));
    }
    Ip net = address(o, name, slash < 0 ? text : text.substring(0, slash), false);
    net = net.withHost(length, 0);
    Ip host =
        o.string("ipv6-host")
            .map(h -> address(o, "ipv6-host", h, false))
            .orElse(net.withHost(length, 2));
    Ip dns =
        o.string("ipv6-dns")
            .map(h -> address(o, "ipv6-dns", h, false))
            .orElse(net.withHost(length, 3));
    return new Network(net, length, host, dns, net.withHost(length, 0x15));
  }

  /** An address as the user wrote it; names are not looked up. */
  private static Ip address(DeviceOptions o, String key, String text, boolean four) {
    String allowed = four ? "[0-9]{1,3}(\\.[0-9]{1,3}){3}" : "[0-9a-fA-F:.]*:[0-9a-fA-F:.]*";
    try {
      if (text.matches(allowed)) {
        return Ip.of(InetAddress.getByName(text));
      }
    } catch (UnknownHostException e) {
      // Said below.
    }
    throw o.error("%s=%s is no %s address".formatted(key, text, four ? "IPv4" : "IPv6"));
  }

  private static Path folder(DeviceOptions o, String text) {
    Path folder = Path.of(text).toAbsolutePath().normalize();
    if (!Files.isDirectory(folder)) {
      throw new ConfigException(o.error("tftp=%s is no folder".formatted(text)).getMessage());
    }
    return folder;
  }
}
