package dev.pollux.core.host;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The C library's calls on files and their contents. All have one shape, up to four arguments and a
 * result in integer registers, so that the JVM makes one stub for all of them; what a function does
 * not take it does not look at.
 */
final class FileCalls {
  private static final FunctionDescriptor SHAPE =
      FunctionDescriptor.of(
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG);

  private static final Linker LINKER = Linker.nativeLinker();
  private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");

  /** {@code int open(const char *path, int flags, mode_t mode)}. */
  static final MethodHandle OPEN = find("open");

  /** {@code int close(int fd)}. */
  static final MethodHandle CLOSE = find("close");

  /** {@code ssize_t pread(int fd, void *buffer, size_t count, off_t offset)}. */
  static final MethodHandle PREAD = find("pread");

  /** {@code ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset)}. */
  static final MethodHandle PWRITE = find("pwrite");

  /** {@code ssize_t preadv(int fd, const struct iovec *v, int count, off_t offset)}. */
  static final MethodHandle PREADV = find("preadv");

  /** {@code ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)}. */
  static final MethodHandle PWRITEV = find("pwritev");

  /** {@code int fdatasync(int fd)}. */
  static final MethodHandle FDATASYNC = find("fdatasync");

  /** {@code int ftruncate(int fd, off_t length)}. */
  static final MethodHandle FTRUNCATE = find("ftruncate");

  /** {@code int fallocate(int fd, int mode, off_t offset, off_t length)}. */
  static final MethodHandle FALLOCATE = find("fallocate");

  /** {@code off_t lseek(int fd, off_t offset, int whence)}. */
  static final MethodHandle LSEEK = find("lseek");

  /** {@code ssize_t read(int fd, void *buffer, size_t count)}. */
  static final MethodHandle READ = find("read");

  /** {@code ssize_t write(int fd, const void *buffer, size_t count)}. */
  static final MethodHandle WRITE = find("write");

  /** {@code int poll(struct pollfd *fds, nfds_t count, int milliseconds)}. */
  static final MethodHandle POLL = find("poll");

  /** {@code int ioctl(int fd, unsigned long request, void *argument)}. */
  static final MethodHandle IOCTL = find("ioctl");

  /** {@code int fcntl(int fd, int command, void *argument)}. */
  static final MethodHandle FCNTL = find("fcntl");

  /** {@code int openat(int folder, const char *path, int flags, mode_t mode)}. */
  static final MethodHandle OPENAT = find("openat");

  /** {@code int mkdirat(int folder, const char *path, mode_t mode)}. */
  static final MethodHandle MKDIRAT = find("mkdirat");

  /** {@code int symlinkat(const char *target, int folder, const char *path)}. */
  static final MethodHandle SYMLINKAT = find("symlinkat");

  /** {@code ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size)}. */
  static final MethodHandle READLINKAT = find("readlinkat");

  /** {@code int link(const char *path, const char *newPath)}. */
  static final MethodHandle LINK = find("link");

  /** {@code int renameat(int folder, const char *path, int newFolder, const char *newPath)}. */
  static final MethodHandle RENAMEAT = find("renameat");

  /** {@code int unlinkat(int folder, const char *path, int flags)}. */
  static final MethodHandle UNLINKAT = find("unlinkat");

  /** {@code ssize_t getdents64(int folder, void *buffer, size_t size)}. */
  static final MethodHandle GETDENTS64 = find("getdents64");

  /** {@code int memcmp(const void *a, const void *b, size_t count)}. */
  private static final MethodHandle MEMCMP = find("memcmp");

  /** {@code int getrusage(int who, struct rusage *usage)}. */
  static final MethodHandle GETRUSAGE = find("getrusage");

  /** {@code char *strerror(int errno)}. */
  private static final MethodHandle STRERROR = find("strerror");

  private static final ThreadLocal<MemorySegment> STATE =
      ThreadLocal.withInitial(
          () -> Arena.ofAuto().allocate(Linker.Option.captureStateLayout().byteSize(), 8));

  private FileCalls() {}

  private static MethodHandle find(String name) {
    return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), SHAPE, ERRNO);
  }

  /**
   * Calls, again where a signal came in between.
   *
   * @return the result, or the negative error number
   */
  static long call(MethodHandle function, long a, long b, long c, long d) {
    MemorySegment state = STATE.get();
    while (true) {
      long result = invoke(function, state, a, b, c, d);
      if (result != -1) {
        return result;
      }
      int errno = state.get(ValueLayout.JAVA_INT, 0);
      if (errno != Errno.EINTR) {
        return -errno;
      }
    }
  }

  /** As {@link #call}, of a function that returns an int: half of its register means nothing. */
  static int callInt(MethodHandle function, long a, long b, long c, long d) {
    MemorySegment state = STATE.get();
    while (true) {
      int result = (int) invoke(function, state, a, b, c, d);
      if (result != -1) {
        return result;
      }
      int errno = state.get(ValueLayout.JAVA_INT, 0);
      if (errno != Errno.EINTR) {
        return -errno;
      }
    }
  }

  private static long invoke(
      MethodHandle function, MemorySegment state, long a, long b, long c, long d) {
    try {
      return (long) function.invokeExact(state, a, b, c, d);
    } catch (Throwable e) {
      throw new IllegalStateException("a call of the C library failed", e);
    }
  }

  /** Whether two pieces of memory hold the same bytes. */
  static boolean sameBytes(long a, long b, long length) {
    return (int) invoke(MEMCMP, STATE.get(), a, b, length, 0) == 0;
  }

  static String errorText(int errno) {
    try {
      long text = (long) STRERROR.invokeExact(STATE.get(), (long) errno, 0L, 0L, 0L);
      return RawMemory.segment(text, 256).getString(0);
    } catch (Throwable e) {
      throw new IllegalStateException("strerror failed", e);
    }
  }
}
