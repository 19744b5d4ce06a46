package dev.pollux.backend.net.user;

import dev.pollux.core.host.PingSocket;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends guests' echo requests to the world from the host's unprivileged ping sockets (icmp(7)), one
 * for each IP version, opened when the first request comes. The kernel tells sockets apart by their
 * identifier, so requests of all guests are told apart by their number.
 */
final class Pings implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Pings.class);
  private static final int OUTSTANDING = 256;
  private static final int HEADER = 8;

  /** An answer: an echo reply as it was received, with the guest's identifier and number. */
  record Answer(Ip guest, Ip target, ByteBuffer message) {}

  /** A request on its way. */
  private record Request(Ip guest, Ip target, int identifier, int sequence) {}

  private final Consumer<Answer> receiver;
  private final Side[] sides = {new Side(), new Side()};

  /** One IP version's socket and what was asked through it. */
  private static final class Side {
    private final Request[] requests = new Request[OUTSTANDING];
    private PingSocket socket;
    private boolean refused;
    private int next;
  }

  /**
   * @param receiver hears answers on a thread of the socket's
   */
  Pings(Consumer<Answer> receiver) {
    this.receiver = receiver;
  }

  /**
   * Sends an echo request on.
   *
   * @param at where the ICMP message begins
   * @return false where the host has no such sockets for this process, or cannot send
   */
  synchronized boolean send(Ip guest, Ip target, ByteBuffer data, int at, int length) {
    Side side = sides[target.isIpv4() ? 0 : 1];
    if (side.refused || side.socket == null && !open(side, target.isIpv4())) {
      return false;
    }
    int number = side.next++ & 0xffff;
    side.requests[number % OUTSTANDING] =
        new Request(guest, target, data.getShort(at + 4), data.getShort(at + 6));
    ByteBuffer message = ByteBuffer.allocateDirect(length);
    message.put(0, data, at, length).putShort(2, (short) 0).putShort(6, (short) number);
    try {
      side.socket.send(message, target.toInetAddress());
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private boolean open(Side side, boolean four) {
    try {
      side.socket = new PingSocket(four, message -> answered(side, message));
      return true;
    } catch (IOException e) {
      side.refused = true;
      log.info(
          "guests cannot ping beyond the host: {}; sysctl net.ipv4.ping_group_range allows it",
          e.getMessage());
      return false;
    }
  }

  private void answered(Side side, ByteBuffer message) {
    if (message.remaining() < HEADER) {
      return;
    }
    Request request;
    synchronized (this) {
      int place = (message.getShort(6) & 0xffff) % OUTSTANDING;
      request = side.requests[place];
      side.requests[place] = null;
    }
    if (request != null) {
      message.putShort(4, (short) request.identifier()).putShort(6, (short) request.sequence());
      receiver.accept(new Answer(request.guest(), request.target(), message));
    }
  }

  @Override
  public synchronized void close() {
    for (Side side : sides) {
      if (side.socket != null) {
        side.socket.close();
      }
      side.refused = true;
    }
  }
}
