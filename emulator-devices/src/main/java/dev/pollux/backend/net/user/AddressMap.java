package dev.pollux.backend.net.user;

import dev.pollux.backend.net.user.UserConfig.Network;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Optional;

/**
 * Which address of the guest's network stands for which of the host's: the router is the host
 * itself, the name server is the host's.
 */
final class AddressMap {
  private static final int DNS_PORT = 53;

  private final UserConfig config;
  private final NameServers nameServers;

  AddressMap(UserConfig config, NameServers nameServers) {
    this.config = config;
    this.nameServers = nameServers;
  }

  private Optional<Network> network(Ip address) {
    return address.isIpv4() ? config.v4() : config.v6();
  }

  /** Addresses at which the router answers. */
  boolean isRouter(Ip address) {
    return network(address)
            .filter(n -> n.host().equals(address) || n.dns().equals(address))
            .isPresent()
        || config.guestForwards().stream().anyMatch(f -> f.server().equals(address));
  }

  /** Whether packets for an address leave the guests' network. */
  boolean isBeyond(Ip address) {
    return network(address).filter(n -> !n.contains(address)).isPresent()
        && !address.isMulticast()
        && !address.isLinkLocal()
        && !address.equals(Ip.BROADCAST4);
  }

  /** The address with which the router speaks. */
  Optional<Ip> router(boolean four) {
    return (four ? config.v4() : config.v6()).map(Network::host);
  }

  /** Where to connect for an address that a guest names; empty where that is not allowed. */
  Optional<InetSocketAddress> toHost(Ip address, int port) {
    Optional<Network> network = network(address);
    if (network.isEmpty() || config.restricted() || port == 0 || address.isMulticast()) {
      return Optional.empty();
    }
    if (network.get().dns().equals(address)) {
      return port == DNS_PORT ? nameServers.first() : Optional.empty();
    }
    if (network.get().host().equals(address)) {
      return Optional.of(new InetSocketAddress(loopback(address.isIpv4()), port));
    }
    if (network.get().contains(address) || address.isUnspecified() || isLoopback(address)) {
      return Optional.empty();
    }
    return Optional.of(new InetSocketAddress(address.toInetAddress(), port));
  }

  /** A guest that sends to 127.0.0.1 or ::1 does not mean this host. */
  private static boolean isLoopback(Ip address) {
    return address.isIpv4()
        ? address.v4() >>> 24 == 127
        : address.toInetAddress().isLoopbackAddress();
  }

  private static InetAddress loopback(boolean four) {
    return (four ? Ip.v4(0x7f00_0001) : new Ip(0, 1)).toInetAddress();
  }

  /** How a guest sees a host that calls it. */
  Optional<Ip> toGuest(InetAddress peer, boolean four) {
    Ip address = Ip.of(peer);
    if (peer.isLoopbackAddress() || peer.isAnyLocalAddress() || address.isIpv4() != four) {
      return router(four);
    }
    return Optional.of(address);
  }
}
