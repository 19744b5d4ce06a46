package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/**
 * Sends UDP datagrams to guests, in fragments where they are longer than a frame. Guarded by the
 * network's lock.
 */
final class UdpOutput {
  static final int HEADER = 8;
  private static final int CHECKSUM = 6;

  private final IpOutput output;
  private final Fragmenter fragmenter;
  private final ByteBuffer whole = ByteBuffer.allocateDirect(HEADER + 65536);

  UdpOutput(IpOutput output, Fragmenter fragmenter) {
    this.output = output;
    this.fragmenter = fragmenter;
  }

  /** Sends what remains in {@code payload} to a guest. */
  void send(Ip source, int sourcePort, Ip target, int targetPort, ByteBuffer payload) {
    int length = HEADER + payload.remaining();
    if (length > Fragmenter.room(source)) {
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
    header(whole, 0, sourcePort, targetPort, payload);
    int sum = Fragmenter.checksum(source, target, Packet.UDP, whole, length);
    whole.putShort(CHECKSUM, (short) (sum == 0 ? 0xffff : sum));
    fragmenter.send(source, target, Packet.UDP, whole, length);
  }
}
