package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * The master side of a pseudo-terminal; other programs open {@link #path}. Reading and writing
 * block; one thread reads, one writes, any closes.
 */
public final class PseudoTerminal implements AutoCloseable {
  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    int posix_openpt(int flags) throws LastErrorException;

    int grantpt(int fd) throws LastErrorException;

    int unlockpt(int fd) throws LastErrorException;

    int ptsname_r(int fd, byte[] name, long length);

    int open(String path, int flags) throws LastErrorException;

    long read(int fd, byte[] to, long length) throws LastErrorException;

    long write(int fd, byte[] from, long length) throws LastErrorException;

    int poll(short[] pollfd, long count, int milliseconds) throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);
  private static final int O_RDWR = 2;
  private static final int O_NOCTTY = 0x100;
  private static final int O_CLOEXEC = 0x80000;
  private static final int POLLIN = 0x1;
  private static final int POLLOUT = 0x4;
  private static final int POLLHUP = 0x10;

  /** What {@link #poll} found. */
  public enum Ready {
    /** The awaited transfer can go ahead. */
    NOW,
    /** Nobody has the other side open. */
    HUNG_UP,
    /** Nothing happened in the time given. */
    NOT_YET
  }

  private final int fd;
  private final String path;
  private volatile boolean closed;

  private PseudoTerminal(int fd, String path) {
    this.fd = fd;
    this.path = path;
  }

  /** Makes a pseudo-terminal in raw mode. */
  public static PseudoTerminal open() throws IOException {
    int fd = -1;
    try {
      fd = C.posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      C.grantpt(fd);
      C.unlockpt(fd);
      byte[] name = new byte[128];
      if (C.ptsname_r(fd, name, name.length) != 0) {
        throw new IOException("the host gives the pseudo-terminal no name");
      }
      int end = 0;
      while (name[end] != 0) {
        end++;
      }
      String path = new String(name, 0, end, StandardCharsets.UTF_8);
      int slave = C.open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
      Terminal.on(slave).ifPresent(Terminal::makeRawForGood);
      Libc.close(slave); // from now on the master sees POLLHUP until somebody opens it
      return new PseudoTerminal(fd, path);
    } catch (LastErrorException | IOException e) {
      if (fd >= 0) {
        Libc.close(fd);
      }
      throw new IOException("cannot make a pseudo-terminal: " + e.getMessage(), e);
    }
  }

  /** The device file that others open, for instance {@code /dev/pts/3}. */
  public String path() {
    return path;
  }

  /** Waits for input (or for room for output) for at most {@code milliseconds}. */
  public Ready poll(boolean forOutput, int milliseconds) throws IOException {
    checkOpen();
    // struct pollfd { int fd; short events; short revents; }, little-endian
    short events = (short) (forOutput ? POLLOUT : POLLIN);
    short[] pollfd = {(short) fd, (short) (fd >> 16), events, 0};
    try {
      C.poll(pollfd, 1, milliseconds);
    } catch (LastErrorException e) {
      return Ready.NOT_YET; // interrupted
    }
    if ((pollfd[3] & events) != 0 && (pollfd[3] & POLLHUP) == 0
        || (pollfd[3] & POLLIN) != 0 && !forOutput) {
      return Ready.NOW;
    }
    return (pollfd[3] & ~events) != 0 ? Ready.HUNG_UP : Ready.NOT_YET;
  }

  /** Reads at least one byte; returns how many, or -1 where nobody has the other side open. */
  public int read(byte[] to) throws IOException {
    checkOpen();
    try {
      return (int) C.read(fd, to, to.length);
    } catch (LastErrorException e) {
      return -1;
    }
  }

  /**
   * Writes up to {@code length} bytes and returns how many; -1 where nobody has the other side
   * open.
   */
  public int write(byte[] from, int length) throws IOException {
    checkOpen();
    try {
      return (int) C.write(fd, from, length);
    } catch (LastErrorException e) {
      return -1;
    }
  }

  private void checkOpen() throws IOException {
    if (closed) {
      throw new IOException("closed");
    }
  }

  /** The owner has seen to it that no thread is in {@link #read} or {@link #write}. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Libc.close(fd);
    }
  }
}
