package dev.pollux.core.host;

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

  /** A system call's results from minus this on are error numbers. */
  private static final int MOST_ERRNO = 4095;

  /** Gathers pages into huge ones at once; from Linux 6.1 on. */
  public static final int MADV_COLLAPSE = 25;

  private static final SystemCall MMAP = SystemCall.ofLong("mmap", 9);
  private static final SystemCall MUNMAP = SystemCall.ofInt("munmap", 11);
  private static final SystemCall MADVISE = SystemCall.ofInt("madvise", 28);
  private static final SystemCall MEMFD_CREATE = SystemCall.ofInt("memfd_create", 319);
  private static final SystemCall KILL = SystemCall.ofInt("kill", 62);

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
    long address = MMAP.call(0, length, protection, flags, fd, 0);
    if (failed(address)) {
      throw new IOException("cannot map " + length + " bytes: " + Errno.text((int) -address));
    }
    return address;
  }

  private static boolean failed(long result) {
    return result < 0 && result >= -MOST_ERRNO;
  }

  public static void unmap(long address, long length) {
    MUNMAP.call(address, length, 0, 0);
  }

  /** Advice that the host may ignore; refusal is no error. */
  public static void advise(long address, long length, int advice) {
    MADVISE.call(address, length, advice, 0);
  }

  /** An anonymous file of {@code length} bytes. */
  public static int memfd(String name, long length) throws IOException {
    long fd;
    try (NativeText text = new NativeText(name)) {
      fd = MEMFD_CREATE.call(text.address(), 1, 0, 0);
    }
    long result = fd < 0 ? fd : FileCalls.FTRUNCATE.call(fd, length, 0, 0);
    if (result < 0) {
      if (fd >= 0) {
        close((int) fd);
      }
      throw new IOException(
          "cannot create a memory file of " + length + " bytes: " + Errno.text((int) -result));
    }
    return (int) fd;
  }

  /** Ends all processes of a group at once; nothing where there is none. */
  public static void killGroup(long leader) {
    KILL.call(-leader, SIGKILL, 0, 0);
  }

  /** Has a process stand still; nothing where there is none. */
  public static void stopProcess(long pid) {
    KILL.call(pid, SIGSTOP, 0, 0);
  }

  /** Closes a descriptor; nothing where it is closed already. */
  public static void close(int fd) {
    FileCalls.CLOSE.call(fd, 0, 0, 0);
  }
}
