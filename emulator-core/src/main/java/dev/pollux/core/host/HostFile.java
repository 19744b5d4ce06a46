package dev.pollux.core.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * An open file of the host, read and written at positions straight from and to memory outside the
 * heap. Any number of threads at once. Errors are {@link ErrnoException}s.
 */
public final class HostFile implements AutoCloseable {
  public static final int O_RDONLY = 0;
  public static final int O_RDWR = 2;
  public static final int O_CREAT = 0x40;
  public static final int O_EXCL = 0x80;
  public static final int O_TRUNC = 0x200;
  public static final int O_DIRECT = 0x4000;
  private static final int O_CLOEXEC = 0x80000;

  /** Modes of {@link #allocate}. */
  public static final int KEEP_SIZE = 1;

  public static final int PUNCH_HOLE = 2;
  public static final int ZERO_RANGE = 0x10;

  private static final int SEEK_END = 2;
  private static final int SEEK_DATA = 3;
  private static final int SEEK_HOLE = 4;
  private static final int F_OFD_GETLK = 36;
  private static final int F_OFD_SETLK = 37;
  private static final short F_RDLCK = 0;
  private static final short F_WRLCK = 1;
  private static final short F_UNLCK = 2;
  private static final int FLOCK_BYTES = 32;

  /** Of struct stat on x86-64: its size, st_blocks in it, and what that counts. */
  private static final int STAT_BYTES = 144;

  private static final int STAT_BLOCKS = 64;
  private static final int STAT_BLOCK = 512;

  /** The most pieces that one call of the host takes (IOV_MAX). */
  private static final int MOST_PIECES = 1024;

  private static final ThreadLocal<MemorySegment> PIECES =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(MOST_PIECES * 16L, 8));

  private final int fd;

  private HostFile(int fd) {
    this.fd = fd;
  }

  /**
   * @param flags of open(2); the file is not inherited by other programs
   */
  public static HostFile open(String path, int flags) throws ErrnoException {
    try (NativeText name = new NativeText(path)) {
      return new HostFile(
          (int) check(FileCalls.OPEN.call(name.address(), flags | O_CLOEXEC, 0644, 0)));
    }
  }

  static HostFile openAt(int folder, long path, int flags, int mode) throws ErrnoException {
    return new HostFile((int) check(FileCalls.OPENAT.call(folder, path, flags | O_CLOEXEC, mode)));
  }

  private static long check(long result) throws ErrnoException {
    if (result < 0) {
      throw new ErrnoException((int) -result);
    }
    return result;
  }

  /**
   * Reads up to {@code length} bytes.
   *
   * @return how many were read; 0 at the end of the file
   */
  public long read(long position, long address, long length) throws ErrnoException {
    return check(FileCalls.PREAD.call(fd, address, length, position));
  }

  /** Writes up to {@code length} bytes and returns how many. */
  public long write(long position, long address, long length) throws ErrnoException {
    return check(FileCalls.PWRITE.call(fd, address, length, position));
  }

  /** Reads into several pieces of memory, one after the other; as {@link #read}. */
  public long read(long position, long[] addresses, long[] lengths, int from, int count)
      throws ErrnoException {
    return vectored(FileCalls.PREADV, position, addresses, lengths, from, count);
  }

  /** Writes several pieces of memory, one after the other; as {@link #write}. */
  public long write(long position, long[] addresses, long[] lengths, int from, int count)
      throws ErrnoException {
    return vectored(FileCalls.PWRITEV, position, addresses, lengths, from, count);
  }

  private long vectored(
      SystemCall call, long position, long[] addresses, long[] lengths, int from, int count)
      throws ErrnoException {
    int pieces = Math.min(count, MOST_PIECES);
    MemorySegment vector = PIECES.get();
    for (int i = 0; i < pieces; i++) {
      vector.setAtIndex(ValueLayout.JAVA_LONG, 2L * i, addresses[from + i]);
      vector.setAtIndex(ValueLayout.JAVA_LONG, 2L * i + 1, lengths[from + i]);
    }
    return check(call.call(fd, vector.address(), pieces, position));
  }

  /** Waits until what was written has reached the disk. */
  public void sync() throws ErrnoException {
    check(FileCalls.FDATASYNC.call(fd, 0, 0, 0));
  }

  /** The number by which the host knows the open file, valid until it is closed. */
  public int descriptor() {
    return fd;
  }

  /** A path that leads to the open file and nowhere else, valid until it is closed. */
  public String path() {
    return "/proc/self/fd/" + fd;
  }

  /** The length of a file or of a disk of the host, in bytes. */
  public long length() throws ErrnoException {
    return check(FileCalls.LSEEK.call(fd, 0, SEEK_END, 0));
  }

  /** Bytes that the host keeps for it, holes left out. */
  public long allocatedBytes() throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stat = arena.allocate(STAT_BYTES, Long.BYTES);
      check(FileCalls.FSTAT.call(fd, stat.address(), 0, 0));
      return stat.get(ValueLayout.JAVA_LONG, STAT_BLOCKS) * STAT_BLOCK;
    }
  }

  public void truncate(long length) throws ErrnoException {
    check(FileCalls.FTRUNCATE.call(fd, length, 0, 0));
  }

  /**
   * fallocate(2): gets space, or gives it back.
   *
   * @param mode 0, or of {@link #KEEP_SIZE}, {@link #PUNCH_HOLE}, {@link #ZERO_RANGE}
   */
  public void allocate(int mode, long offset, long length) throws ErrnoException {
    check(FileCalls.FALLOCATE.call(fd, mode, offset, length));
  }

  /** Where data begins at or behind an offset; -1 where there is none any more. */
  public long nextData(long offset) throws ErrnoException {
    return seek(offset, SEEK_DATA);
  }

  /** Where a hole begins at or behind an offset, at the latest at the end; -1 behind the end. */
  public long nextHole(long offset) throws ErrnoException {
    return seek(offset, SEEK_HOLE);
  }

  private long seek(long offset, int whence) throws ErrnoException {
    long found = FileCalls.LSEEK.call(fd, offset, whence, 0);
    return found == -Errno.ENXIO ? -1 : check(found);
  }

  /**
   * Takes a lock of this open file on a byte range, shared or alone; returns at once.
   *
   * @return false if another open file has a lock that does not allow it
   */
  public boolean lock(long offset, long length, boolean alone) throws ErrnoException {
    int result = lockCall(F_OFD_SETLK, alone ? F_WRLCK : F_RDLCK, offset, length, null);
    if (result == -Errno.EAGAIN || result == -Errno.EACCES) {
      return false;
    }
    check(result);
    return true;
  }

  public void unlock(long offset, long length) throws ErrnoException {
    check(lockCall(F_OFD_SETLK, F_UNLCK, offset, length, null));
  }

  /** Whether another open file has any lock on the range. */
  public boolean lockedByOther(long offset, long length) throws ErrnoException {
    short[] found = new short[1];
    check(lockCall(F_OFD_GETLK, F_WRLCK, offset, length, found));
    return found[0] != F_UNLCK;
  }

  private int lockCall(int command, short type, long offset, long length, short[] found) {
    // struct flock: short type, short whence, off_t start, off_t length, pid_t pid
    long flock = RawMemory.allocate(FLOCK_BYTES);
    try {
      RawMemory.fill(flock, FLOCK_BYTES, (byte) 0);
      RawMemory.putShort(flock, type);
      RawMemory.putLong(flock + 8, offset);
      RawMemory.putLong(flock + 16, length);
      int result = (int) FileCalls.FCNTL.call(fd, command, flock, 0);
      if (found != null) {
        found[0] = RawMemory.getShort(flock);
      }
      return result;
    } finally {
      RawMemory.free(flock);
    }
  }

  @Override
  public void close() {
    FileCalls.CLOSE.call(fd, 0, 0, 0);
  }
}
