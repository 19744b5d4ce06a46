package dev.pollux.backend.chr;

/** Who is at the other end of a stream. */
public sealed interface PeerAddress {
  record Inet(String host, int port, boolean ipv6) implements PeerAddress {}

  /**
   * @param path of the socket file
   */
  record Unix(String path) implements PeerAddress {}

  /** An inherited descriptor, or something else without an address. */
  record Descriptor(String number) implements PeerAddress {}
}
