package dev.pollux.backend.net.user;

import dev.pollux.backend.net.user.UserConfig.Network;
import java.nio.ByteBuffer;

/**
 * Stateless DHCPv6 (RFC 8415, 6.1): guests make their addresses of the advertised prefix and ask
 * here for name server and search domains.
 */
final class Dhcpv6Server {
  static final int SERVER_PORT = 547;
  private static final int CLIENT_PORT = 546;
  private static final int INFORMATION_REQUEST = 11;
  private static final int REPLY = 7;
  private static final int OPTION_CLIENT = 1;
  private static final int OPTION_SERVER = 2;
  private static final int OPTION_DNS = 23;
  private static final int OPTION_SEARCH = 24;
  private static final int MAX_DUID = 130;

  private final UdpOutput output;
  private final UserConfig config;
  private final Network network;
  private final Ip linkLocal;
  private final long mac;

  Dhcpv6Server(UdpOutput output, UserConfig config, Network network, Ip linkLocal, long mac) {
    this.output = output;
    this.config = config;
    this.network = network;
    this.linkLocal = linkLocal;
    this.mac = mac;
  }

  void receive(ByteBuffer data, int at, int end, Ip client) {
    if (end - at < 4 || data.get(at) != INFORMATION_REQUEST) {
      return;
    }
    ByteBuffer out = ByteBuffer.allocate(512);
    out.putInt(REPLY << 24 | data.getInt(at) & 0xff_ffff);
    // DUID-LL of an Ethernet address (RFC 8415, 11.4).
    out.putShort((short) OPTION_SERVER).putShort((short) 10).putInt(0x0003_0001);
    out.putShort((short) (mac >>> 32)).putInt((int) mac);
    copyClient(data, at + 4, end, out);
    out.putShort((short) OPTION_DNS).putShort((short) 16);
    network.dns().write(out, out.position());
    out.position(out.position() + 16);
    byte[] search = DnsNames.encode(config.searchDomains(), 200);
    if (search.length > 0) {
      out.putShort((short) OPTION_SEARCH).putShort((short) search.length).put(search);
    }
    output.send(linkLocal, SERVER_PORT, client, CLIENT_PORT, out.flip());
  }

  /** A client knows its reply by its own identifier. */
  private static void copyClient(ByteBuffer data, int from, int end, ByteBuffer out) {
    int at = from;
    while (end - at >= 4) {
      int option = data.getShort(at) & 0xffff;
      int length = data.getShort(at + 2) & 0xffff;
      if (length > end - at - 4) {
        return;
      }
      if (option == OPTION_CLIENT && length <= MAX_DUID) {
        out.put(out.position(), data, at, 4 + length).position(out.position() + 4 + length);
        return;
      }
      at += 4 + length;
    }
  }
}
