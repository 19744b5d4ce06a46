package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import com.sun.jna.Native;
import java.io.IOException;

/** The host's C library for cold calls: memory mappings, anonymous files. Linux values. */
public final class Libc {
  public static final int PROT_READ = 1;
  public static final int PROT_WRITE = 2;
  public static final int PROT_EXEC = 4;
  public static final int MAP_SHARED = 0x01;
  public static final int MAP_PRIVATE = 0x02;
  public static final int MAP_ANONYMOUS = 0x20;
  public static final int MAP_NORESERVE = 0x4000;
  public static final int MADV_DONTNEED = 4;
  public static final int MADV_REMOVE = 9;
  public static final int MADV_HUGEPAGE = 14;
  public static final int MADV_NOHUGEPAGE = 15;

  private static final int SIGKILL = 9;
  private static final int SIGSTOP = 19;

  /** Gathers pages into huge ones at once; from Linux 6.1 on. */
  public static final int MADV_COLLAPSE = 25;

  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    long mmap(long address, long length, int protection, int flags, int fd, long offset)
        throws LastErrorException;

    int munmap(long address, long length) throws LastErrorException;

    int madvise(long address, long length, int advice) throws LastErrorException;

    int memfd_create(String name, int flags) throws LastErrorException;

    int ftruncate(int fd, long length) throws LastErrorException;

    int close(int fd) throws LastErrorException;

    int kill(int pid, int signal) throws LastErrorException;
  }

  static final Functions C = load(Functions.class);

  private Libc() {}

  /**
   * More functions of the C library: it is a part of the process, so there is no file to look for.
   */
  static <T extends Library> T load(Class<T> functions) {
    // Otherwise JNA starts the program ldconfig, to learn where files would be.
    System.setProperty("jna.platform.library.path", "");
    return Native.load(functions);
  }

  /**
   * Maps zero-filled private memory that costs host memory only where it is touched.
   *
   * @param length bytes, rounded up to whole pages by the host
   * @return the mapping's address
   * @throws IOException if the host refuses, with its reason
   */
  public static long mapAnonymous(long length, int protection) throws IOException {
    return map(length, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  }

  /**
   * As {@link #mapAnonymous}, in huge pages where the host gives them: for what is large and
   * touched all over, so that the host's own TLB and its page faults cost less.
   */
  public static long mapHuge(long length, int protection) throws IOException {
    long address = mapAnonymous(length, protection);
    advise(address, length, MADV_HUGEPAGE);
    return address;
  }

  /** Maps {@code length} bytes of the file {@code fd} from its start. */
  public static long map(long length, int protection, int flags, int fd) throws IOException {
    try {
      return C.mmap(0, length, protection, flags, fd, 0);
    } catch (LastErrorException e) {
      throw new IOException("cannot map " + length + " bytes: " + e.getMessage(), e);
    }
  }

  public static void unmap(long address, long length) {
    C.munmap(address, length);
  }

  /** Advice that the host may ignore; refusal is no error. */
  public static void advise(long address, long length, int advice) {
    try {
      C.madvise(address, length, advice);
    } catch (LastErrorException e) {
      // Only an optimisation is lost.
    }
  }

  /** An anonymous file of {@code length} bytes. */
  public static int memfd(String name, long length) throws IOException {
    int fd = -1;
    try {
      fd = C.memfd_create(name, 1);
      C.ftruncate(fd, length);
      return fd;
    } catch (LastErrorException e) {
      if (fd >= 0) {
        C.close(fd);
      }
      throw new IOException(
          "cannot create a memory file of " + length + " bytes: " + e.getMessage(), e);
    }
  }

  /** Ends all processes of a group at once; nothing where there is none. */
  public static void killGroup(long leader) {
    try {
      C.kill(Math.toIntExact(-leader), SIGKILL);
    } catch (LastErrorException e) {
      // All of them have ended.
    }
  }

  /** Has a process stand still; nothing where there is none. */
  public static void stopProcess(long pid) {
    try {
      C.kill(Math.toIntExact(pid), SIGSTOP);
    } catch (LastErrorException e) {
      // It has ended.
    }
  }

  public static void close(int fd) {
    C.close(fd);
  }
}
