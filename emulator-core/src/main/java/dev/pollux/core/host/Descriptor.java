package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file descriptor that the process inherited, of any kind. One thread may read while another
 * writes; each waits in poll(2), so that {@link #shutdown} reaches it whatever the descriptor is.
 */
public final class Descriptor implements AutoCloseable {
  private static final int SHUT_RDWR = 2;
  private static final short POLLIN = 1;
  private static final short POLLOUT = 4;
  private static final int POLL_MS = 100;

  /** A pipe that poll(2) calls writable takes this many bytes without blocking (POSIX PIPE_BUF). */
  private static final int PIPE_BUF = 4096;

  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    long read(int fd, long buffer, long count) throws LastErrorException;

    long write(int fd, long buffer, long count) throws LastErrorException;

    int poll(long fds, long count, int timeout) throws LastErrorException;

    int shutdown(int fd, int how) throws LastErrorException;

    int fcntl(int fd, int command, int argument) throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);
  private static final int F_GETFD = 1;

  private final int fd;
  private final boolean socket;
  private volatile boolean cut;

  /**
   * @throws IOException if no such descriptor is open
   */
  public Descriptor(int fd) throws IOException {
    try {
      C.fcntl(fd, F_GETFD, 0);
    } catch (LastErrorException e) {
      throw new IOException("file descriptor " + fd + " is not open", e);
    }
    this.fd = fd;
    Path target = Files.readSymbolicLink(Path.of("/proc/self/fd", Integer.toString(fd)));
    this.socket = target.toString().startsWith("socket:");
  }

  public boolean isSocket() {
    return socket;
  }

  /**
   * Reads into a direct buffer.
   *
   * @return the number of bytes, -1 at the end
   */
  public int read(ByteBuffer to) throws IOException {
    await(POLLIN);
    try {
      long n = C.read(fd, MemorySegment.ofBuffer(to).address(), to.remaining());
      to.position(to.position() + (int) n);
      return n == 0 && to.hasRemaining() ? -1 : (int) n;
    } catch (LastErrorException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** Writes some bytes of a direct buffer. */
  public void write(ByteBuffer from) throws IOException {
    await(POLLOUT);
    try {
      long n =
          C.write(
              fd,
              MemorySegment.ofBuffer(from).address(),
              socket ? from.remaining() : Math.min(PIPE_BUF, from.remaining()));
      from.position(from.position() + (int) n);
    } catch (LastErrorException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private void await(short events) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      // struct pollfd: int fd, short events, short revents
      MemorySegment pollfd = arena.allocate(8, 4);
      pollfd.set(ValueLayout.JAVA_INT, 0, fd);
      pollfd.set(ValueLayout.JAVA_SHORT, 4, events);
      while (!cut) {
        try {
          if (C.poll(pollfd.address(), 1, POLL_MS) > 0) {
            return;
          }
        } catch (LastErrorException e) {
          // A signal came; poll again.
        }
      }
    }
    throw new IOException("the connection was cut");
  }

  /** Makes reading and writing fail from now on. Any thread. */
  public void shutdown() {
    cut = true;
    if (socket) {
      try {
        C.shutdown(fd, SHUT_RDWR);
      } catch (LastErrorException e) {
        // Not connected any more.
      }
    }
  }

  @Override
  public void close() {
    cut = true;
    Libc.close(fd);
  }
}
