package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/** Answers who has the router's IPv4 addresses (RFC 826), and asks for guests. */
final class Arp {
  private static final int LENGTH = 28;
  private static final int REQUEST = 1;
  private static final int REPLY = 2;

  private final IpOutput output;
  private final AddressMap addresses;

  Arp(IpOutput output, AddressMap addresses) {
    this.output = output;
    this.addresses = addresses;
  }

  /**
   * Looks at an ARP packet.
   *
   * @param at where it begins, {@code end} where the frame ends
   */
  void receive(ByteBuffer data, int at, int end) {
    if (end - at < LENGTH || data.getInt(at) != 0x0001_0800 || data.getShort(at + 4) != 0x0604) {
      return;
    }
    long hardware = UserNetwork.mac(data, at + 8);
    Ip sender = Ip.read(data, at + 14, 4);
    Ip wanted = Ip.read(data, at + 24, 4);
    output.learn(sender, hardware);
    if (data.getShort(at + 6) == REQUEST && addresses.isRouter(wanted)) {
      send(REPLY, hardware, wanted, hardware, sender);
    }
  }

  /** Asks the guest with this address to tell its hardware address. */
  void ask(Ip guest) {
    addresses
        .router(true)
        .ifPresent(router -> send(REQUEST, IpOutput.BROADCAST_MAC, router, 0, guest));
  }

  private void send(int operation, long to, Ip sender, long targetMac, Ip target) {
    Frame frame = output.ethernet(to, Packet.TYPE_ARP, LENGTH);
    ByteBuffer data = frame.data();
    int at = Packet.ETHERNET;
    data.putInt(at, 0x0001_0800).putShort(at + 4, (short) 0x0604);
    data.putShort(at + 6, (short) operation);
    data.putShort(at + 8, (short) (output.mac() >>> 32)).putInt(at + 10, (int) output.mac());
    sender.write(data, at + 14);
    data.putShort(at + 18, (short) (targetMac >>> 32)).putInt(at + 20, (int) targetMac);
    target.write(data, at + 24);
    output.send(frame);
  }
}
