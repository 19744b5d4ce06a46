package dev.pollux.backend.net.user;

import dev.pollux.backend.net.user.UserConfig.Network;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Gives each hardware address an IPv4 address of the network, and tells it router, name server and
 * what to boot (RFC 2131, RFC 2132; BOOTP clients too, RFC 951).
 */
final class DhcpServer {
  static final int SERVER_PORT = 67;
  private static final int CLIENT_PORT = 68;

  private static final int FIXED = 236;
  private static final int COOKIE = 0x63825363;
  private static final int DISCOVER = 1;
  private static final int OFFER = 2;
  private static final int REQUEST = 3;
  private static final int DECLINE = 4;
  private static final int ACK = 5;
  private static final int NAK = 6;
  private static final int INFORM = 8;
  private static final int LEASE_SECONDS = 86400;
  private static final int MAX_GUESTS = 64;
  private static final int REPLY_LENGTH = 548;

  private final UdpOutput output;
  private final UserConfig config;
  private final Network network;

  /** Hardware address by IPv4 address. */
  private final Map<Ip, Long> leases = new LinkedHashMap<>();

  DhcpServer(UdpOutput output, UserConfig config, Network network) {
    this.output = output;
    this.config = config;
    this.network = network;
  }

  /** What a client wrote, as far as it matters here. */
  private record Request(int type, Optional<Ip> wanted, Optional<Ip> server) {}

  /**
   * Looks at a client's message.
   *
   * @param at where it begins, {@code end} where it ends
   */
  void receive(ByteBuffer data, int at, int end) {
    if (end - at < FIXED + 4 || data.get(at) != 1 || data.get(at + 2) != 6) {
      return;
    }
    long client = UserNetwork.mac(data, at + 28);
    Request request = parse(data, at + FIXED, end);
    if (request.server().filter(s -> !s.equals(network.host())).isPresent()) {
      return; // it has chosen another server
    }
    Ip current = Ip.read(data, at + 12, 4);
    switch (request.type()) {
      case 0, DISCOVER ->
          lease(client, request.wanted())
              .ifPresent(ip -> answer(data, at, client, request.type() == 0 ? 0 : OFFER, ip));
      case REQUEST -> {
        Ip asked = request.wanted().orElse(current);
        Optional<Ip> given = lease(client, Optional.of(asked));
        boolean right = given.filter(asked::equals).isPresent();
        answer(data, at, client, right ? ACK : NAK, right ? asked : Ip.ANY4);
      }
      case INFORM -> answer(data, at, client, ACK, Ip.ANY4);
      case DECLINE -> request.wanted().ifPresent(ip -> leases.put(ip, -1L));
      default -> {
        // RELEASE: the client keeps its address for when it comes back.
      }
    }
  }

  private Request parse(ByteBuffer data, int from, int end) {
    int type = 0;
    Optional<Ip> wanted = Optional.empty();
    Optional<Ip> server = Optional.empty();
    if (data.getInt(from) == COOKIE) {
      int at = from + 4;
      while (at < end && data.get(at) != (byte) 255) {
        if (data.get(at) == 0) {
          at++;
          continue;
        }
        int length = at + 1 < end ? data.get(at + 1) & 0xff : 0;
        if (at + 2 + length > end) {
          break;
        }
        switch (data.get(at) & 0xff) {
          case 53 -> type = length == 1 ? data.get(at + 2) : type;
          case 50 -> wanted = length == 4 ? Optional.of(Ip.read(data, at + 2, 4)) : wanted;
          case 54 -> server = length == 4 ? Optional.of(Ip.read(data, at + 2, 4)) : server;
          default -> {
            // Asks for options; it gets all there are.
          }
        }
        at += 2 + length;
      }
    }
    return new Request(type, wanted, server);
  }

  /** The client's address: the one it has, the one it wants, or the first that is free. */
  private Optional<Ip> lease(long client, Optional<Ip> wanted) {
    for (Map.Entry<Ip, Long> lease : leases.entrySet()) {
      if (lease.getValue() == client) {
        return Optional.of(lease.getKey());
      }
    }
    Optional<Ip> free = wanted.filter(this::isFree);
    for (int i = 0; free.isEmpty() && i < MAX_GUESTS; i++) {
      free = Optional.of(Ip.v4(network.firstGuest().v4() + i)).filter(this::isFree);
    }
    free.ifPresent(ip -> leases.put(ip, client));
    return free;
  }

  private boolean isFree(Ip ip) {
    int number = ip.v4() - network.firstGuest().v4();
    return number >= 0
        && number < MAX_GUESTS
        && network.contains(ip)
        && !ip.equals(network.host())
        && !ip.equals(network.dns())
        && !ip.equals(network.address().withHost(network.prefix(), -1))
        && !leases.containsKey(ip);
  }

  private void answer(ByteBuffer data, int at, long client, int type, Ip given) {
    ByteBuffer out = ByteBuffer.allocate(REPLY_LENGTH);
    out.put((byte) 2).put((byte) 1).put((byte) 6).put((byte) 0);
    out.putInt(data.getInt(at + 4)).putShort((short) 0).putShort(data.getShort(at + 10));
    out.putInt(data.getInt(at + 12)).putInt(given.v4()).putInt(network.host().v4()).putInt(0);
    out.put(28, data, at + 28, 16);
    text(out, 44, 64, config.tftpServer());
    text(out, 108, 128, config.bootFile());
    out.position(FIXED).putInt(COOKIE);
    if (type != 0) {
      out.put((byte) 53).put((byte) 1).put((byte) type);
      address(out, 54, network.host());
    }
    if (type != NAK) {
      options(out);
      if (type != 0 && given.v4() != 0) {
        out.put((byte) 51).put((byte) 4).putInt(LEASE_SECONDS);
      }
    }
    out.put((byte) 255).position(0);
    output.send(client, network.host(), SERVER_PORT, Ip.BROADCAST4, CLIENT_PORT, out);
  }

  private void options(ByteBuffer out) {
    out.put((byte) 1).put((byte) 4).putInt(-1 << (32 - network.prefix()));
    if (!config.restricted()) {
      address(out, 3, network.host());
      address(out, 6, network.dns());
    }
    string(out, 12, config.hostname());
    string(out, 15, config.domain());
    string(out, 66, config.tftpServer());
    string(out, 67, config.bootFile());
    byte[] search = DnsNames.encode(config.searchDomains(), 120);
    if (search.length > 0) {
      out.put((byte) 119).put((byte) search.length).put(search);
    }
  }

  private static void address(ByteBuffer out, int option, Ip address) {
    out.put((byte) option).put((byte) 4).putInt(address.v4());
  }

  private static void string(ByteBuffer out, int option, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, 64);
    if (length > 0 && out.remaining() > length + 8) {
      out.put((byte) option).put((byte) length).put(bytes, 0, length);
    }
  }

  private static void text(ByteBuffer out, int at, int field, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.put(at, bytes, 0, Math.min(bytes.length, field - 1));
  }
}
