package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * An unprivileged ICMP echo socket of the host (icmp(7), "ping sockets"). The kernel fills in
 * identifier and checksum of what is sent, and hands over only replies to this socket's requests.
 */
public final class PingSocket implements AutoCloseable {
  private static final int AF_INET = 2;
  private static final int AF_INET6 = 10;
  private static final int SOCK_DGRAM = 2;
  private static final int SOCK_NONBLOCK_CLOEXEC = 0x80800;
  private static final int IPPROTO_ICMP = 1;
  private static final int IPPROTO_ICMPV6 = 58;
  private static final short POLLIN = 1;
  private static final int POLL_MS = 200;
  private static final int MAX_MESSAGE = 65536;

  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    int socket(int domain, int type, int protocol) throws LastErrorException;

    long sendto(int fd, long buffer, long length, int flags, long address, int addressLength)
        throws LastErrorException;

    long recv(int fd, long buffer, long length, int flags) throws LastErrorException;

    int poll(long fds, long count, int timeout) throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);

  private final boolean four;
  private final int fd;
  private final Consumer<ByteBuffer> receiver;
  private final Thread thread;
  private volatile boolean closed;

  /**
   * Opens a socket.
   *
   * @param four IPv4, otherwise IPv6
   * @param receiver gets each reply from its ICMP header on, on a thread of the socket's own
   * @throws IOException if the host allows this process none (sysctl net.ipv4.ping_group_range)
   */
  public PingSocket(boolean four, Consumer<ByteBuffer> receiver) throws IOException {
    this.four = four;
    this.receiver = receiver;
    try {
      fd =
          C.socket(
              four ? AF_INET : AF_INET6,
              SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC,
              four ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    } catch (LastErrorException e) {
      throw new IOException("no ping socket: " + e.getMessage(), e);
    }
    thread = Thread.ofPlatform().name("ping").daemon(true).unstarted(this::receive);
    thread.start();
  }

  /**
   * Sends an echo request.
   *
   * @param message a direct buffer, from its ICMP header on
   */
  public void send(ByteBuffer message, InetAddress target) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      byte[] address = target.getAddress();
      // struct sockaddr_in: family, port, address; sockaddr_in6 has a flow label between the two.
      MemorySegment to = arena.allocate(28, 8);
      to.set(ValueLayout.JAVA_SHORT, 0, (short) (four ? AF_INET : AF_INET6));
      MemorySegment.copy(address, 0, to, ValueLayout.JAVA_BYTE, four ? 4 : 8, address.length);
      C.sendto(
          fd,
          MemorySegment.ofBuffer(message).address(),
          message.remaining(),
          0,
          to.address(),
          four ? 16 : 28);
    } catch (LastErrorException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void receive() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(MAX_MESSAGE);
    long address = MemorySegment.ofBuffer(buffer).address();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pollfd = arena.allocate(8, 4);
      pollfd.set(ValueLayout.JAVA_INT, 0, fd);
      while (!closed) {
        pollfd.set(ValueLayout.JAVA_SHORT, 4, POLLIN);
        try {
          if (C.poll(pollfd.address(), 1, POLL_MS) > 0) {
            long length = C.recv(fd, address, MAX_MESSAGE, 0);
            receiver.accept(buffer.clear().limit((int) length));
          }
        } catch (LastErrorException e) {
          // A signal, or an ICMP error that belongs to an earlier request: go on.
        }
      }
    } finally {
      Libc.close(fd);
    }
  }

  @Override
  public void close() {
    closed = true;
  }
}
