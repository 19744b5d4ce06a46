package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A TAP interface of the host (Linux, Documentation/networking/tuntap.rst): Ethernet frames, each
 * behind a virtio-net header of 10 bytes where the device has been opened with one. One thread may
 * read while another writes.
 */
public final class TapDevice implements AutoCloseable {
  /** Bytes of the header in front of each frame. */
  public static final int HEADER = 10;

  /** TUNSETOFFLOAD: the kernel may hand over frames without checksum. */
  public static final int OFFLOAD_CHECKSUM = 1;

  public static final int OFFLOAD_TSO4 = 2;
  public static final int OFFLOAD_TSO6 = 4;

  private static final int O_RDWR_NONBLOCK_CLOEXEC = 0x80802;
  private static final long TUNSETIFF = 0x4004_54caL;
  private static final long TUNGETIFF = 0x8004_54d2L;
  private static final long TUNSETOFFLOAD = 0x4004_54d0L;
  private static final int IFF_TAP = 2;
  private static final int IFF_MULTI_QUEUE = 0x100;
  private static final int IFF_NO_PI = 0x1000;
  private static final int IFF_VNET_HDR = 0x4000;
  private static final int NAME_LENGTH = 16;
  private static final int IFREQ = 40;
  private static final int EAGAIN = 11;
  private static final int EINTR = 4;
  private static final short POLLIN = 1;
  private static final short POLLOUT = 4;

  /** The C declarations, as JNA maps them, of cold calls. */
  interface Functions extends Library {
    int open(String path, int flags) throws LastErrorException;

    int ioctl(int fd, long request, Object... argument) throws LastErrorException;

    int poll(long fds, long count, int timeout) throws LastErrorException;
  }

  private static final Functions C = Libc.load(Functions.class);
  private static final StructLayout ERRNO_STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      ERRNO_STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private static final MethodHandle READ = transfer("read");
  private static final MethodHandle WRITE = transfer("write");

  private final int fd;
  private final String name;
  private final boolean header;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment readErrno = arena.allocate(ERRNO_STATE);
  private final MemorySegment writeErrno = arena.allocate(ERRNO_STATE);
  private volatile boolean closed;

  private TapDevice(int fd, String name, boolean header) {
    this.fd = fd;
    this.name = name;
    this.header = header;
  }

  private static MethodHandle transfer(String function) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(function),
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG),
        Linker.Option.captureCallState("errno"));
  }

  /**
   * Opens an interface, which is made where there is none of that name.
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
      fd = C.open("/dev/net/tun", O_RDWR_NONBLOCK_CLOEXEC);
      MemorySegment request = call.allocate(IFREQ, 8);
      MemorySegment.copy(bytes, 0, request, ValueLayout.JAVA_BYTE, 0, bytes.length);
      int flags = IFF_TAP | IFF_NO_PI;
      flags |= header ? IFF_VNET_HDR : 0;
      flags |= multiQueue ? IFF_MULTI_QUEUE : 0;
      request.set(ValueLayout.JAVA_SHORT, NAME_LENGTH, (short) flags);
      C.ioctl(fd, TUNSETIFF, request.address());
      return new TapDevice(fd, request.getString(0, StandardCharsets.US_ASCII), header);
    } catch (LastErrorException e) {
      if (fd >= 0) {
        Libc.close(fd);
      }
      throw new IOException(e.getMessage(), e);
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
      C.ioctl(fd, TUNGETIFF, request.address());
      int flags = request.get(ValueLayout.JAVA_SHORT, NAME_LENGTH);
      if ((flags & IFF_TAP) == 0 || (flags & IFF_NO_PI) == 0) {
        throw new IOException(
            "descriptor %d is no TAP interface without packet information".formatted(fd));
      }
      return new TapDevice(
          fd, request.getString(0, StandardCharsets.US_ASCII), (flags & IFF_VNET_HDR) != 0);
    } catch (LastErrorException e) {
      throw new IOException("descriptor %d is no TAP interface".formatted(fd), e);
    }
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
    try {
      C.ioctl(fd, TUNSETOFFLOAD, (long) offloads);
      return true;
    } catch (LastErrorException e) {
      return false;
    }
  }

  /**
   * Reads one frame into a direct buffer, with its header.
   *
   * @return bytes, or 0 where none waits
   */
  public int read(ByteBuffer to) throws IOException {
    int read = transfer(READ, to, readErrno);
    to.position(to.position() + read);
    return read;
  }

  /**
   * Writes one frame from a direct buffer, with its header.
   *
   * @return false where the host has no room now
   */
  public boolean write(ByteBuffer from) throws IOException {
    return transfer(WRITE, from, writeErrno) > 0;
  }

  private int transfer(MethodHandle call, ByteBuffer buffer, MemorySegment errno)
      throws IOException {
    long address = MemorySegment.ofBuffer(buffer).address();
    long result;
    try {
      result = (long) call.invokeExact(errno, fd, address, (long) buffer.remaining());
    } catch (Throwable e) {
      throw new IllegalStateException("a call of the C library failed", e);
    }
    if (result >= 0) {
      return (int) result;
    }
    int error = (int) ERRNO.get(errno, 0L);
    if (error == EAGAIN || error == EINTR) {
      return 0;
    }
    throw new IOException(name + ": error " + error);
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
      return C.poll(pollfd.address(), 1, milliseconds) > 0;
    } catch (LastErrorException e) {
      return false; // a signal
    }
  }

  /** Closes the descriptor; no thread may be in a call. */
  @Override
  public void close() {
    closed = true;
    Libc.close(fd);
    arena.close();
  }
}
