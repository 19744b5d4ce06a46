package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A socket for datagrams that the JVM has no class for: between two paths (unix(7)), or one that
 * whoever started the process has connected. One thread may receive while another sends.
 */
public final class DatagramDescriptor implements AutoCloseable {
  /** Bytes of a path at most, with its end. */
  public static final int MAX_PATH = 108;

  private static final int AF_UNIX = 1;
  private static final int SOCK_DGRAM = 2;
  private static final int SOCK_NONBLOCK_CLOEXEC = 0x80800;
  private static final int SOL_SOCKET = 1;
  private static final int SO_TYPE = 3;
  private static final int F_GETFL = 3;
  private static final int F_SETFL = 4;
  private static final int O_NONBLOCK = 0x800;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final short POLLIN = 1;

  /** struct sockaddr_un: the family, 16 bits, and the path. */
  private static final int ADDRESS = 2 + MAX_PATH;

  /** The C declarations, as JNA maps them, of cold calls. */
  interface Functions extends Library {
    int socket(int domain, int type, int protocol) throws LastErrorException;

    int bind(int fd, long address, int length) throws LastErrorException;

    int unlink(String path) throws LastErrorException;

    int getsockopt(int fd, int level, int option, int[] value, int[] length)
        throws LastErrorException;

    long sendto(int fd, long buffer, long length, int flags, long address, int addressLength)
        throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);

  private final int fd;

  /** Empty for a socket that was bound by others. */
  private final String local;

  private final Arena arena = Arena.ofAuto();

  /** Null for a connected socket. */
  private final MemorySegment peer;

  private volatile boolean closed;

  private DatagramDescriptor(int fd, String local, String remote) {
    this.fd = fd;
    this.local = local;
    this.peer = remote.isEmpty() ? null : address(arena, remote);
  }

  /**
   * Takes over a connected socket.
   *
   * @throws IOException if it is no socket for datagrams
   */
  public static DatagramDescriptor of(int fd) throws IOException {
    if (!isDatagramSocket(fd)) {
      throw new IOException("descriptor %d is no socket for datagrams".formatted(fd));
    }
    int flags = (int) FileCalls.FCNTL.call(fd, F_GETFL, 0, 0);
    FileCalls.FCNTL.call(fd, F_SETFL, flags | O_NONBLOCK, 0);
    return new DatagramDescriptor(fd, "", "");
  }

  /**
   * Whether an open descriptor is a socket for datagrams.
   *
   * @throws IOException if it is not open, or no socket
   */
  public static boolean isDatagramSocket(int fd) throws IOException {
    int[] type = new int[1];
    try {
      C.getsockopt(fd, SOL_SOCKET, SO_TYPE, type, new int[] {Integer.BYTES});
      return type[0] == SOCK_DGRAM;
    } catch (LastErrorException e) {
      throw new IOException("Can't use file descriptor %d: %s".formatted(fd, text(e)), e);
    }
  }

  /**
   * Makes a socket with a path of its own, in place of what was there.
   *
   * @param local where it receives
   * @param remote where it sends; nobody has to be there yet
   * @throws IOException if the host refuses
   */
  public static DatagramDescriptor unix(String local, String remote) throws IOException {
    for (String path : new String[] {local, remote}) {
      if (path.getBytes(StandardCharsets.UTF_8).length >= MAX_PATH || path.isEmpty()) {
        throw new IOException(
            "\"%s\" is no path for a socket; give 1 to %d bytes".formatted(path, MAX_PATH - 1));
      }
    }
    int fd = -1;
    try (Arena call = Arena.ofConfined()) {
      fd = C.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC, 0);
      remove(local);
      C.bind(fd, address(call, local).address(), ADDRESS);
      return new DatagramDescriptor(fd, local, remote);
    } catch (LastErrorException e) {
      if (fd >= 0) {
        Libc.close(fd);
      }
      throw new IOException("%s: %s".formatted(local, text(e)), e);
    }
  }

  private static void remove(String path) {
    try {
      C.unlink(path);
    } catch (LastErrorException e) {
      if (e.getErrorCode() != Errno.ENOENT) {
        throw e;
      }
    }
  }

  private static String text(LastErrorException e) {
    return Errno.text(e.getErrorCode());
  }

  private static MemorySegment address(Arena arena, String path) {
    MemorySegment address = arena.allocate(ADDRESS, 2);
    address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
    address.setString(2, path);
    return address;
  }

  /**
   * Receives a datagram into a direct buffer, which it then ends in.
   *
   * @return false where none waits
   */
  public boolean receive(ByteBuffer to) throws IOException {
    long read = FileCalls.READ.call(fd, MemorySegment.ofBuffer(to).address(), to.remaining(), 0);
    if (read == -Errno.EAGAIN) {
      return false;
    }
    if (read < 0) {
      throw new IOException(Errno.text((int) -read));
    }
    to.position(to.position() + (int) read);
    return true;
  }

  /**
   * Sends what is in a direct buffer as one datagram.
   *
   * @return false where there is no room now
   * @throws IOException if nobody is there
   */
  public boolean send(ByteBuffer from) throws IOException {
    try {
      long address = peer == null ? 0 : peer.address();
      int length = peer == null ? 0 : ADDRESS;
      C.sendto(
          fd,
          MemorySegment.ofBuffer(from).address(),
          from.remaining(),
          MSG_NOSIGNAL,
          address,
          length);
      return true;
    } catch (LastErrorException e) {
      if (e.getErrorCode() == Errno.EAGAIN) {
        return false;
      }
      throw new IOException(text(e), e);
    }
  }

  /** Waits until a datagram is there; false where none has come within the time. */
  public boolean await(int milliseconds) {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment pollfd = call.allocate(8, 4);
      pollfd.set(ValueLayout.JAVA_INT, 0, fd);
      pollfd.set(ValueLayout.JAVA_SHORT, 4, POLLIN);
      return !closed && FileCalls.POLL.call(pollfd.address(), 1, milliseconds, 0) > 0;
    }
  }

  /** Closes the socket and removes its path; no thread may be in a call. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Libc.close(fd);
      if (!local.isEmpty()) {
        try {
          remove(local);
        } catch (LastErrorException e) {
          // Somebody else's by now.
        }
      }
    }
  }
}
