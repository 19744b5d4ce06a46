package dev.pollux.core.host;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A queue of a TAP interface of the host (Linux, Documentation/networking/tuntap.rst): Ethernet
 * frames, each behind a virtio-net header of 10 bytes where the device has been opened with one.
 * One thread may read while another writes.
 */
public final class TapDevice implements AutoCloseable {
  /** Bytes of the header in front of each frame. */
  public static final int HEADER = 10;

  /** TUNSETOFFLOAD: the kernel may hand over frames without checksum. */
  public static final int OFFLOAD_CHECKSUM = 1;

  public static final int OFFLOAD_TSO4 = 2;
  public static final int OFFLOAD_TSO6 = 4;

  private static final int O_RDWR_NONBLOCK_CLOEXEC = 0x80802;
  private static final int F_GETFL = 3;
  private static final int F_SETFL = 4;
  private static final int O_NONBLOCK = 0x800;
  private static final long TUNSETIFF = 0x4004_54caL;
  private static final long TUNGETIFF = 0x8004_54d2L;
  private static final long TUNSETOFFLOAD = 0x4004_54d0L;
  private static final long TUNSETQUEUE = 0x4004_54d9L;
  private static final long SIOCGIFHWADDR = 0x8927;
  private static final long SIOCSIFHWADDR = 0x8924;
  private static final int IFF_TAP = 2;
  private static final int IFF_MULTI_QUEUE = 0x100;
  private static final int IFF_ATTACH_QUEUE = 0x200;
  private static final int IFF_DETACH_QUEUE = 0x400;
  private static final int IFF_PERSIST = 0x800;
  private static final int IFF_NO_PI = 0x1000;
  private static final int IFF_VNET_HDR = 0x4000;
  private static final int NAME_LENGTH = 16;

  /** Where an interface's hardware address lies in a request. */
  private static final int ADDRESS = NAME_LENGTH + Short.BYTES;

  private static final int IFREQ = 40;
  private static final short POLLIN = 1;
  private static final short POLLOUT = 4;

  private final int fd;
  private final String name;
  private final boolean header;
  private volatile boolean closed;

  private TapDevice(int fd, String name, boolean header) {
    this.fd = fd;
    this.name = name;
    this.header = header;
  }

  private static int checked(int result) throws IOException {
    if (result < 0) {
      throw new IOException(Errno.text(-result));
    }
    return result;
  }

  /**
   * Opens an interface, which is made where there is none of that name. One that goes with this
   * process gets a high hardware address, as libvirt gives it: a bridge takes the lowest of its
   * ports for its own, which would change for all who talk to the host when the interface goes.
   *
   * @param name empty for one that the kernel chooses
   * @param header each frame has a virtio-net header
   * @param multiQueue one of several queues of the same interface
   * @throws IOException if the host refuses, with its reason
   */
  public static TapDevice open(String name, boolean header, boolean multiQueue) throws IOException {
    byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
    if (bytes.length >= NAME_LENGTH) {
      throw new IOException("\"%s\" is too long for an interface's name".formatted(name));
    }
    int fd = -1;
    try (Arena call = Arena.ofConfined()) {
      long path = call.allocateFrom("/dev/net/tun").address();
      fd = checked((int) FileCalls.OPEN.call(path, O_RDWR_NONBLOCK_CLOEXEC, 0, 0));
      MemorySegment request = call.allocate(IFREQ, 8);
      MemorySegment.copy(bytes, 0, request, ValueLayout.JAVA_BYTE, 0, bytes.length);
      int flags = IFF_TAP | IFF_NO_PI;
      flags |= header ? IFF_VNET_HDR : 0;
      flags |= multiQueue ? IFF_MULTI_QUEUE : 0;
      request.set(ValueLayout.JAVA_SHORT, NAME_LENGTH, (short) flags);
      checked(ioctl(fd, TUNSETIFF, request.address()));
      raiseAddress(fd, call);
      return new TapDevice(fd, request.getString(0, StandardCharsets.US_ASCII), header);
    } catch (IOException e) {
      if (fd >= 0) {
        Libc.close(fd);
      }
      throw e;
    }
  }

  /** Leaves it where the host does not allow that, and where the interface stays. */
  private static void raiseAddress(int fd, Arena call) {
    MemorySegment request = call.allocate(IFREQ, 8);
    if (ioctl(fd, TUNGETIFF, request.address()) >= 0
        && (request.get(ValueLayout.JAVA_SHORT, NAME_LENGTH) & IFF_PERSIST) == 0
        && ioctl(fd, SIOCGIFHWADDR, request.address()) >= 0) {
      request.set(ValueLayout.JAVA_BYTE, ADDRESS, (byte) 0xfe);
      int _ = ioctl(fd, SIOCSIFHWADDR, request.address());
    }
  }

  /**
   * Takes over a descriptor that somebody opened as a TAP interface.
   *
   * @throws IOException if it is none
   */
  public static TapDevice of(int fd) throws IOException {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment request = call.allocate(IFREQ, 8);
      if (ioctl(fd, TUNGETIFF, request.address()) < 0) {
        throw new IOException("descriptor %d is no TAP interface".formatted(fd));
      }
      int flags = request.get(ValueLayout.JAVA_SHORT, NAME_LENGTH);
      if ((flags & IFF_TAP) == 0 || (flags & IFF_NO_PI) == 0) {
        throw new IOException(
            "descriptor %d is no TAP interface without packet information".formatted(fd));
      }
      int open = checked((int) FileCalls.FCNTL.call(fd, F_GETFL, 0, 0));
      checked((int) FileCalls.FCNTL.call(fd, F_SETFL, open | O_NONBLOCK, 0));
      return new TapDevice(
          fd, request.getString(0, StandardCharsets.US_ASCII), (flags & IFF_VNET_HDR) != 0);
    }
  }

  /** Closes a descriptor that turned out to be no TAP interface. */
  public static void discard(int fd) {
    Libc.close(fd);
  }

  private static int ioctl(int fd, long request, long argument) {
    return (int) FileCalls.IOCTL.call(fd, request, argument, 0);
  }

  public String name() {
    return name;
  }

  /** Whether each frame has a header. */
  public boolean hasHeader() {
    return header;
  }

  /**
   * Says which unfinished frames the kernel may hand over. Frames given to it may be unfinished
   * wherever there are headers.
   *
   * @param offloads OFFLOAD bits
   * @return false where the host does not know them
   */
  public boolean setOffloads(int offloads) {
    return ioctl(fd, TUNSETOFFLOAD, offloads) >= 0;
  }

  /**
   * Has the kernel spread frames over this queue, too, or leave it out. While it is left out it can
   * be neither read nor written. Only of an interface with several queues.
   *
   * @throws IOException if the host refuses, with its reason
   */
  public void setAttached(boolean on) throws IOException {
    try (Arena call = Arena.ofConfined()) {
      MemorySegment request = call.allocate(IFREQ, 8);
      int flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
      request.set(ValueLayout.JAVA_SHORT, NAME_LENGTH, (short) flags);
      checked(ioctl(fd, TUNSETQUEUE, request.address()));
    }
  }

  /**
   * Reads one frame into a direct buffer, with its header.
   *
   * @return bytes, or 0 where none waits
   */
  public int read(ByteBuffer to) throws IOException {
    int read =
        transferred(
            FileCalls.READ.call(fd, MemorySegment.ofBuffer(to).address(), to.remaining(), 0));
    to.position(to.position() + read);
    return read;
  }

  /**
   * Writes one frame from a direct buffer, with its header.
   *
   * @return false where the host has no room now
   */
  public boolean write(ByteBuffer from) throws IOException {
    return transferred(
            FileCalls.WRITE.call(fd, MemorySegment.ofBuffer(from).address(), from.remaining(), 0))
        > 0;
  }

  private int transferred(long result) throws IOException {
    if (result < 0 && result != -Errno.EAGAIN) {
      throw new IOException(name + ": " + Errno.text((int) -result));
    }
    return (int) Math.max(0, result);
  }

  /**
   * Waits until a frame can be read or, where that is asked for, written.
   *
   * @return false where nothing has come within the time
   */
  public boolean await(boolean read, boolean write, int milliseconds) throws IOException {
    if (closed) {
      throw new IOException(name + " is closed");
    }
    try (Arena call = Arena.ofConfined()) {
      MemorySegment pollfd = call.allocate(8, 4);
      pollfd.set(ValueLayout.JAVA_INT, 0, fd);
      pollfd.set(ValueLayout.JAVA_SHORT, 4, (short) ((read ? POLLIN : 0) | (write ? POLLOUT : 0)));
      return FileCalls.POLL.call(pollfd.address(), 1, milliseconds, 0) > 0;
    }
  }

  /** Closes the descriptor; no thread may be in a call. */
  @Override
  public void close() {
    closed = true;
    Libc.close(fd);
  }
}
