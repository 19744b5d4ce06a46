package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/**
 * Sends UDP datagrams to guests, in fragments where they are longer than a frame (RFC 791, RFC
 * 8200, 4.5). Guarded by the network's lock.
 */
final class UdpOutput {
  static final int HEADER = 8;
  private static final int MTU = 1500;
  private static final int CHECKSUM = 6;

  private final IpOutput output;
  private final ByteBuffer whole = ByteBuffer.allocateDirect(65536);
  private int identification;

  UdpOutput(IpOutput output) {
    this.output = output;
  }

  /** Sends what remains in {@code payload} to a guest. */
  void send(Ip source, int sourcePort, Ip target, int targetPort, ByteBuffer payload) {
    int length = HEADER + payload.remaining();
    if (length > MTU - (IpOutput.headers(source) - Packet.ETHERNET)) {
      sendFragments(source, sourcePort, target, targetPort, payload);
    } else {
      fill(
          output.packet(source, target, Packet.UDP, length),
          source,
          sourcePort,
          targetPort,
          payload);
    }
  }

  /** Sends to a hardware address, whatever IP address it has. */
  void send(
      long hardware, Ip source, int sourcePort, Ip target, int targetPort, ByteBuffer payload) {
    int length = HEADER + payload.remaining();
    fill(
        output.packet(hardware, source, target, Packet.UDP, length),
        source,
        sourcePort,
        targetPort,
        payload);
  }

  private void fill(Frame frame, Ip source, int sourcePort, int targetPort, ByteBuffer payload) {
    header(frame.data(), IpOutput.headers(source), sourcePort, targetPort, payload);
    output.send(frame, source, Packet.UDP, CHECKSUM);
  }

  private static void header(
      ByteBuffer out, int at, int sourcePort, int targetPort, ByteBuffer payload) {
    int bytes = payload.remaining();
    out.putShort(at, (short) sourcePort).putShort(at + 2, (short) targetPort);
    out.putShort(at + 4, (short) (HEADER + bytes)).putShort(at + CHECKSUM, (short) 0);
    out.put(at + HEADER, payload, payload.position(), bytes);
  }

  private void sendFragments(
      Ip source, int sourcePort, Ip target, int targetPort, ByteBuffer payload) {
    int length = HEADER + payload.remaining();
    if (length > 65535 - 40) {
      return; // cannot be said in IP
    }
    header(whole, 0, sourcePort, targetPort, payload);
    ByteBuffer addresses = ByteBuffer.allocate(32);
    source.write(addresses, 0);
    target.write(addresses, source.bytes());
    long pseudo = Checksum.pseudo(addresses, 0, 2 * source.bytes(), Packet.UDP, length);
    int sum = ~Checksum.fold(Checksum.add(pseudo, whole, 0, length)) & 0xffff;
    whole.putShort(CHECKSUM, (short) (sum == 0 ? 0xffff : sum));
    boolean four = source.isIpv4();
    int extension = four ? 0 : 8;
    int room = MTU - (IpOutput.headers(source) - Packet.ETHERNET) - extension & ~7;
    identification++;
    for (int at = 0; at < length; at += room) {
      int part = Math.min(room, length - at);
      boolean more = at + part < length;
      Frame frame = output.packet(source, target, four ? Packet.UDP : 44, extension + part);
      mark(frame.data(), four, at, more);
      frame.data().put(IpOutput.headers(source) + extension, whole, at, part);
      output.send(frame);
    }
  }

  /** Makes the packet a fragment. */
  private void mark(ByteBuffer out, boolean four, int offset, boolean more) {
    int ip = Packet.ETHERNET;
    if (four) {
      out.putShort(ip + 4, (short) identification);
      out.putShort(ip + 6, (short) (offset / 8 | (more ? 0x2000 : 0)));
      out.putShort(ip + 10, (short) 0);
      out.putShort(ip + 10, (short) Checksum.of(out, ip, 20));
    } else {
      out.put(ip + 40, (byte) Packet.UDP).put(ip + 41, (byte) 0);
      out.putShort(ip + 42, (short) (offset | (more ? 1 : 0))).putInt(ip + 44, identification);
    }
  }
}
